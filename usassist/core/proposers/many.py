"""Answers about many frames: at once where an engine can, else one by one."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeGuard

from usassist.core.domain import Frame, Prompt, Proposal
from usassist.core.errors import UsassistError
from usassist.core.proposers.proposer import Proposer

AT_ONCE = 8
"""How many frames are worth asking about at once: more are hardly quicker, and all of them are held in memory."""


class BatchProposer(Proposer, Protocol):
    """An engine that answers about several frames at once, quicker than about one after the other.

    Where it has a `threads_at_once`, so many threads may ask it at the same time, each about frames of its own.
    """

    def propose_many(self, frames: Sequence[Frame], prompt: Prompt) -> tuple[tuple[Proposal, ...], ...]:
        """Return for each frame what `propose` would, but for rounding. Raises ModelError where one of them would."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What an engine said about one frame, or why it said nothing, and how long that took (`seconds`)."""

    proposals: tuple[Proposal, ...] = ()
    error: UsassistError | None = None
    seconds: float = 0.0


def answers_many(proposer: Proposer) -> TypeGuard[BatchProposer]:
    """Return whether an engine can be asked about several frames at once."""
    return callable(getattr(proposer, "propose_many", None))


def threads_at_once(proposer: Proposer) -> int:
    """Return how many threads may ask an engine at the same time; 1 for one that does not say so itself."""
    return max(1, int(getattr(proposer, "threads_at_once", 1))) if answers_many(proposer) else 1


def answer_each(proposer: Proposer, frames: Sequence[Frame], prompt: Prompt) -> Iterator[Answer]:
    """Yield the answer about each of a few frames, in order; one that fails leaves the others."""
    if len(frames) > 1 and answers_many(proposer):
        start = time.perf_counter()
        try:
            together = proposer.propose_many(frames, prompt)
        except UsassistError:
            together = ()  # which of them it was comes out one by one
        if together:
            seconds = (time.perf_counter() - start) / len(frames)
            yield from (Answer(proposals, seconds=seconds) for proposals in together)
            return
    for frame in frames:
        yield _answer(proposer, frame, prompt)


def _answer(proposer: Proposer, frame: Frame, prompt: Prompt) -> Answer:
    start = time.perf_counter()
    try:
        proposals = proposer.propose(frame, prompt)
    except UsassistError as error:
        return Answer(error=error, seconds=time.perf_counter() - start)
    return Answer(proposals, seconds=time.perf_counter() - start)
