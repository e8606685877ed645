"""An engine whose answers are known, for the commands that run one."""

import signal
from collections.abc import Iterator

import numpy as np
import pytest

from usassist.core import proposers
from usassist.core.domain import Frame, Mask, Prompt, Proposal
from usassist.core.errors import ModelError
from usassist.core.proposers import BuildOptions, ProposerSpec


class Square:
    """An engine that finds a square in the middle of bright frames, nothing in black ones, and fails on white ones."""

    weights_hash = "ab12"
    spec: ProposerSpec
    interrupt_at = -1

    def __init__(self) -> None:
        self.asked: list[Prompt] = []

    def warm(self, frame: Frame) -> None:
        """Do nothing."""

    def propose(self, frame: Frame, prompt: Prompt) -> tuple[Proposal, ...]:
        if len(self.asked) == self.interrupt_at:
            raise KeyboardInterrupt
        self.asked.append(prompt)
        if int(frame.pixels.max()) == 255:
            raise ModelError("The frame is white.")
        array = np.zeros(frame.shape, dtype=bool)
        if frame.pixels.any():
            rows, cols = frame.shape
            array[rows // 4 : rows // 2, cols // 4 : cols // 2] = True
        mask = Mask.from_array(array)
        return (Proposal(frame.ref.key, prompt.label_id, mask, 0.9, 0.8, "square", "ab12", prompt, 0.01),)

    def close(self) -> None:
        """Do nothing."""


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """A command that was stopped ignores Ctrl+C from then on, as the last thing that its process does."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def square(monkeypatch: pytest.MonkeyPatch) -> Square:
    made = Square()

    def build(_options: BuildOptions) -> Square:
        return made

    made.spec = ProposerSpec("square", "Square", frozenset({"text"}), (), build)
    known = {**proposers.specs(), "square": made.spec}
    for module in ("usassist.core.proposers", "usassist.core.cli.engine"):
        monkeypatch.setattr(f"{module}.specs", lambda: known)
    return made
