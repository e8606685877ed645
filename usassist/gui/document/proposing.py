"""Asking an engine, and the proposals that wait for an answer; the engine lives on the inference lane."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal, TypeVar

from usassist.core.domain import Frame, Label, Prompt, Proposal
from usassist.core.errors import ModelError
from usassist.core.project.labels import label_for
from usassist.core.proposers import BuildOptions, Proposer
from usassist.gui.jobs import Lane

T = TypeVar("T")
StartEngine = Callable[[str, BuildOptions], Proposer]
EngineState = Literal["off", "starting", "ready", "failed"]
CLOSE_TIMEOUT_S = 5.0
_QUESTIONS = ("propose", "warm", "start", "classes", "tokens")
"""What is asked on the lane, at most one of each at a time."""
PATIENCE = 3
"""After this many failures in a row the engine is only asked when a person asks."""


def start_remote(engine: str, options: BuildOptions) -> Proposer:
    """Start an engine in a child process: the window never imports torch."""
    from usassist.core.proposers import remote

    return remote.start(engine, options)


class Proposing:
    """One engine at a time, and the proposals of each frame that nobody has answered yet.

    Callbacks run on the GUI thread. `on_arrived(frame, prompt, found, automatic)` gets every answer that was not
    superseded.
    """

    def __init__(
        self,
        lane: Lane,
        *,
        start_engine: StartEngine,
        on_arrived: Callable[[Frame, Prompt, tuple[Proposal, ...], bool], None],
        on_failed: Callable[[Exception], None],
        on_state: Callable[[], None],
    ) -> None:
        self._lane = lane
        self._start = start_engine
        self._on_arrived = on_arrived
        self._on_failed = on_failed
        self._on_state = on_state
        self._proposer: Proposer | None = None
        self._waiting: dict[str, tuple[Proposal, ...]] = {}
        self._asked: set[str] = set()
        self._failures = 0
        self._task = ""
        self.engine = ""
        self.options = BuildOptions()
        self.state: EngineState = "off"

    def choose(self, engine: str, options: BuildOptions) -> None:
        """Take another engine from the next request on; what the one before proposed is no longer offered."""
        self.engine, self.options = engine, options
        self._failures = 0
        self._waiting.clear()
        self._asked.clear()
        self._drop(*_QUESTIONS)
        self._lane.submit(self._stop)
        self._set_state("off")

    @property
    def draws_masks(self) -> bool:
        """Return whether the engine proposes masks, as far as is known: a model may only name classes."""
        return self._task in ("", "segment")

    @property
    def device(self) -> str:
        """Return what the engine that runs computes on, such as cpu or cuda:0; "" while none does."""
        running = self._proposer if self.state == "ready" else None
        return "" if running is None else str(getattr(running, "device", "cpu"))

    def request(
        self,
        frame: Frame,
        prompt: Prompt,
        *,
        automatic: bool,
        arrived: Callable[[Frame, tuple[Proposal, ...]], None] | None = None,
    ) -> None:
        """Ask about a frame; a newer request supersedes one that still waits or runs.

        `automatic` says that nobody pressed a key for it: after failures such requests stop, so that one broken engine
        is one message. `arrived` gets the answer in the place of `on_arrived`; the frame then still counts as one that
        nobody asked about, and an engine that refuses the question is no broken one.
        """
        if automatic and (self.state == "failed" or frame.ref.key in self._asked):
            return

        def work() -> tuple[Proposal, ...] | None:
            engine = self._running_engine()
            return None if automatic and not self.draws_masks else engine.propose(frame, prompt)

        def done(found: tuple[Proposal, ...] | None) -> None:
            self._failures = 0
            if arrived is None:
                self._asked.add(frame.ref.key)
            self._set_state("ready")
            if found is None:  # "no masks here" is not "nothing found": nobody looked
                return
            if arrived is None:
                self._on_arrived(frame, prompt, found, automatic)
            else:
                arrived(frame, found)

        def refused(error: Exception) -> None:
            if isinstance(error, ModelError) and self._task:
                self._set_state("ready")
                self._on_failed(error)
            else:
                self._failed(error)

        if self.state in ("off", "failed"):
            self._set_state("starting")
        self._lane.submit(work, done=done, failed=self._failed if arrived is None else refused, key="propose")

    def ask(
        self, work: Callable[[Proposer], T], *, done: Callable[[T], None], failed: Callable[[Exception], None], key: str
    ) -> None:
        """Ask the engine something else than masks, by a `key` of `_QUESTIONS`; a newer question supersedes it.

        An engine that failed is not asked: one that is broken is one message, and a person's request starts it again.
        """
        if self.state == "failed":
            return

        def arrived(answer: T) -> None:
            self._set_state("ready")
            done(answer)

        def refused(error: Exception) -> None:
            if self.state == "starting":
                self._set_state("ready" if self._task else "failed")
            failed(error)

        if self.state == "off":
            self._set_state("starting")
        self._lane.submit(lambda: work(self._running_engine()), done=arrived, failed=refused, key=key)

    def stop_asking(self, key: str) -> None:
        """Drop a question of `ask` whose answer has not arrived; an engine that is starting goes on."""
        self._drop(key)
        self._go_on_starting()

    def warm(self, frame: Frame) -> None:
        """Let the engine look at a frame that is likely to be next; a failure is found out when it is asked."""
        if self.state != "ready" or frame.ref.key in self._asked:
            return
        self._lane.submit(lambda: self._running_engine().warm(frame), failed=lambda _error: None, key="warm")

    def waiting(self, frame_key: str) -> tuple[Proposal, ...]:
        """Return the proposals of a frame that nobody answered."""
        return self._waiting.get(frame_key, ())

    def put(self, frame_key: str, proposals: tuple[Proposal, ...]) -> None:
        """Replace the proposals that wait for a frame."""
        if proposals:
            self._waiting[frame_key] = proposals
        else:
            self._waiting.pop(frame_key, None)

    def cancel(self) -> None:
        """Drop what was asked and has not arrived; an engine that is starting goes on, and its state is told."""
        self._drop("propose", "warm")
        self._go_on_starting()

    def _go_on_starting(self) -> None:
        if self.state == "starting":
            self._lane.submit(
                self._running_engine, done=lambda _engine: self._set_state("ready"), failed=self._failed, key="start"
            )

    def _drop(self, *keys: str) -> None:
        for key in keys:
            self._lane.cancel(key)

    def forget(self) -> None:
        """Forget every frame: another project was opened."""
        self._drop(*_QUESTIONS)
        self._go_on_starting()
        self._waiting.clear()
        self._asked.clear()

    def close(self) -> None:
        """Stop the engine, in the middle of an answer too; nothing is asked afterwards."""
        self._drop(*_QUESTIONS)
        self._waiting.clear()
        self._lane.close(wait=False)
        # From this thread, while the lane may still wait for the engine: its end is what ends the waiting.
        self._stop()
        self._lane.close(wait=True, timeout=CLOSE_TIMEOUT_S)

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        if not self.draws_masks:
            self._set_state("ready")  # it was asked for what it does not do, and does the rest
        elif self.state == "starting" or self._failures >= PATIENCE:
            self._set_state("failed")
        self._on_failed(error)

    def _set_state(self, state: EngineState) -> None:
        if state != self.state:
            self.state = state
            self._on_state()

    def _running_engine(self) -> Proposer:
        if self._proposer is None:
            self._proposer = self._start(self.engine, self.options)
        if not self._task:
            # The first question to a child process: it is there, with its model, once this is answered.
            self._task = getattr(self._proposer, "task", "segment")
        return self._proposer

    def _stop(self) -> None:
        proposer, self._proposer, self._task = self._proposer, None, ""
        if proposer is not None:
            proposer.close()


def usable(proposals: tuple[Proposal, ...], frame: Frame) -> tuple[Proposal, ...]:
    """Return the proposals a person can accept, best first: not empty, and of this very frame and size."""
    fitting = [
        replace(proposal, mask=proposal.mask.tight())
        for proposal in proposals
        if not proposal.mask.is_empty and proposal.mask.shape == frame.shape and proposal.frame_key == frame.ref.key
    ]
    return tuple(sorted(fitting, key=lambda proposal: -proposal.score))


def labelled(proposals: tuple[Proposal, ...], labels: Sequence[Label]) -> tuple[Proposal, ...]:
    """Return the proposals with the ids of the labels that stand for them; a class without one keeps its name."""
    found = (label_for(proposal.label_id, labels) for proposal in proposals)
    return tuple(
        proposal if label is None else replace(proposal, label_id=label.id)
        for proposal, label in zip(proposals, found, strict=True)
    )
