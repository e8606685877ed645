import numpy as np
import pytest

from usassist.core.domain import Frame, FrameRef, Mask, Prompt, Proposal
from usassist.core.errors import ModelError
from usassist.core.proposers.many import answer_each, answers_many, threads_at_once


def _frame(index: int) -> Frame:
    return Frame(FrameRef("s", index), np.full((4, 4), index, dtype=np.uint8))


class One:
    """An engine that fails on frame 3 and writes down what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def propose(self, frame: Frame, prompt: Prompt) -> tuple[Proposal, ...]:
        self.asked.append([frame.ref.index])
        return self._about(frame, prompt)

    def _about(self, frame: Frame, prompt: Prompt) -> tuple[Proposal, ...]:
        if frame.ref.index == 3:
            raise ModelError("The frame is the third.")
        return (Proposal(frame.ref.key, "x", Mask.empty((4, 4)), 0.5, 0.5, "one", "", prompt, 0.0),)


class Many(One):
    def propose_many(self, frames: list[Frame], prompt: Prompt) -> tuple[tuple[Proposal, ...], ...]:
        self.asked.append([frame.ref.index for frame in frames])
        return tuple(self._about(frame, prompt) for frame in frames)


@pytest.mark.parametrize(
    ("engine", "indices", "asked"),
    [
        (One(), [0, 1], [[0], [1]]),
        (Many(), [0, 1, 2], [[0, 1, 2]]),
        (Many(), [0], [[0]]),
        (Many(), [2, 3, 4], [[2, 3, 4], [2], [3], [4]]),
    ],
)
def test_frames_are_answered_in_order_and_one_that_fails_leaves_the_others(engine, indices, asked) -> None:
    assert answers_many(engine) == isinstance(engine, Many)
    answers = list(answer_each(engine, [_frame(index) for index in indices], Prompt("x")))
    assert engine.asked == asked
    assert [str(answer.error) for answer in answers if answer.error] == ["The frame is the third."] * (3 in indices)
    found = [answer.proposals[0].frame_key for answer in answers if answer.proposals]
    assert found == [_frame(index).ref.key for index in indices if index != 3]
    assert all(answer.seconds >= 0 for answer in answers)


def test_an_answer_is_there_before_the_next_frame_is_looked_at() -> None:
    engine = One()
    answers = answer_each(engine, [_frame(0), _frame(1)], Prompt("x"))
    next(answers)
    assert engine.asked == [[0]]
    assert not list(answer_each(engine, [], Prompt("x")))


def test_an_engine_says_itself_from_how_many_threads_it_may_be_asked() -> None:
    class Threaded(Many):
        threads_at_once = 3

    class Plain(One):
        threads_at_once = 3

    class Confused(Many):
        threads_at_once = 0

    engines = (One(), Many(), Threaded(), Plain(), Confused())
    assert [threads_at_once(engine) for engine in engines] == [1, 1, 3, 1, 1]
