"""Refinement of captions: what a refiner is, and the rule that nothing it writes is used unchecked."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from usassist.core.captions.facts import check


@dataclass(frozen=True, slots=True)
class Draft:
    """What a refiner made of a caption: a text, or the reason why there is none."""

    text: str
    problem: str = ""


class Refiner(Protocol):
    """Rewrites captions. `name` says which it was, with its version or model; it is written beside the texts."""

    name: str

    def drafts(self, captions: Iterable[str]) -> Iterator[Draft]:
        """Yield a draft for each caption, in order. Raises ModelError where no further one can be made."""


@dataclass(frozen=True, slots=True)
class Refined:
    """A caption to use: the draft where it keeps the facts, else the caption as it was, with what was wrong.

    `done` is False where the refiner gave no answer, so that asking again makes sense.
    """

    text: str
    problems: tuple[str, ...] = ()
    done: bool = True


def judged(caption: str, draft: Draft) -> Refined:
    """Return what to use for a caption: a draft that loses or invents a fact is not used, and says why."""
    if draft.problem:
        return Refined(caption, (draft.problem,), done=False)
    text = " ".join(draft.text.split())
    if not text:
        return Refined(caption, ("the refined text is empty",), done=False)
    changes = tuple(str(change) for change in check(caption, text))
    return Refined(caption, changes) if changes else Refined(text)


def refined(captions: Iterable[str], refiner: Refiner) -> Iterator[Refined]:
    """Yield what to use for each caption, in order."""
    asked: list[str] = []

    def noted() -> Iterator[str]:
        for caption in captions:
            asked.append(caption)
            yield caption

    for draft in refiner.drafts(noted()):
        yield judged(asked.pop(0), draft)
