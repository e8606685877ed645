"""What a person points at on one frame, between the first click and the answer that is accepted or forgotten."""

from collections.abc import Sequence
from dataclasses import dataclass

from usassist.core.domain import Prompt, Proposal
from usassist.core.geometry.meant import takes_over


@dataclass
class Pointed:
    """The question so far, what waited before it, and its answer once that is there.

    `corrects` is what of that the answer takes the place of; `is_empty` says that an answer is there and has no pixel.
    """

    prompt: Prompt
    region_id: str | None
    before: tuple[Proposal, ...]
    corrects: tuple[Proposal, ...]
    answer: Proposal | None = None
    is_empty: bool = False

    def waits_beside(self, other: Proposal, *, label_id: str) -> bool:
        """Return whether a proposal, which has this label, goes on waiting beside the answer.

        That is one about something else, and one that the answer does not hold.
        """
        if any(other is item for item in self.corrects):
            return False
        if (label_id, other.refines) != (self.prompt.label_id, self.region_id):
            return True
        waited = any(other is item for item in self.before)
        return waited and (self.answer is None or not takes_over(self.answer.mask, other.mask))

    def has_erased(self, waiting: Sequence[Proposal]) -> bool:
        """Return whether less waits now than before the clicks: what they corrected is gone and no answer is there."""
        return len(waiting) < len(self.before) and all(any(it is other for other in self.before) for it in waiting)
