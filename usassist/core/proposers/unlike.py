"""Whether a frame is unlike anything a model was trained on, as a number to sort by and a sentence for people."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from usassist.core.domain import Frame, Proposal
from usassist.core.io.colour import colour_share
from usassist.core.models.familiarity import Familiarity, statistics

if TYPE_CHECKING:
    from usassist.core.models.clip import ImageFeatures

UNLIKE = "Unlike the images this model was trained on; check everything it says."
UNLIKE_IN_COLOUR = "Unlike the images this model was trained on (in colour: Doppler?); check everything it says."

_FAMILIAR, _FOREIGN = 0.5, 0.8
"""Up to the one strangeness, three quarters of ordinary images, presence counts in full; from the other on hardly."""
_LEAST_TRUST = 0.15


@dataclass(frozen=True, slots=True)
class Likeness:
    """How strange a frame is, and the sentence about it where that is above 1; None where nobody knows.

    Of a model that does not know its training images nothing is known, and it never warns.
    """

    strangeness: float | None = None
    warning: str = ""

    @property
    def trust(self) -> float:
        """Return how much the model's own word that something is there, or is not, counts: 1, in the end 0.15.

        A model that met 93 normal breasts of one hospital is as sure that there is nothing on lesions of another, and
        wrong; the strangeness tells them apart long before it warns. Clear words, such as for another organ's text,
        still count.
        """
        if self.strangeness is None:
            return 1.0
        share = (_FOREIGN - self.strangeness) / (_FOREIGN - _FAMILIAR)
        return min(1.0, max(_LEAST_TRUST, share))

    def told(self, proposal: Proposal, *, seconds: float) -> Proposal:
        """Return a proposal about this frame that says so, before what it warns of already, and what it took."""
        warning = f"{self.warning} {proposal.text_warning}".strip()
        return replace(proposal, seconds=seconds, strangeness=self.strangeness, warning=warning)


class Watch:
    """Judges frames by the features that a model made of them, each frame once while its features are kept."""

    def __init__(self, known: Familiarity | None) -> None:
        self._known = known
        self._judged: WeakKeyDictionary[ImageFeatures, tuple[Likeness, ...]] = WeakKeyDictionary()

    def judge(self, frames: Sequence[Frame], features: "ImageFeatures") -> tuple[Likeness, ...]:
        """Return the likeness of each frame that the features are of, in their order."""
        if features not in self._judged:
            self._judged[features] = _likenesses(frames, features, self._known)
        return self._judged[features]


def _likenesses(frames: Sequence[Frame], features: "ImageFeatures", known: Familiarity | None) -> tuple[Likeness, ...]:
    if known is None:
        return (Likeness(),) * len(frames)
    found = []
    for frame, shown in zip(frames, known.strangeness(statistics(features)), strict=True):
        colour = colour_share(frame) / known.colour_limit  # the model sees grey only
        strangeness = max(float(shown), colour)
        found.append(Likeness(strangeness, UNLIKE_IN_COLOUR if colour > 1 else UNLIKE if strangeness > 1 else ""))
    return tuple(found)
