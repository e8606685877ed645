"""A training as a child process, followed through its run folder, then compared with the model in use."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from PySide6.QtCore import QObject, Signal

from usassist.core.evaluation.curves import Epoch, kept_epoch, read_epochs
from usassist.core.models.config import WEIGHTS_FILE
from usassist.core.models.weights import DEFAULT_MODEL
from usassist.gui.jobs.process import Ended, Process
from usassist.gui.jobs.progress import Progress

Stage = Literal["idle", "training", "comparing", "done", "failed"]
TRAIN = "usassist.core.cli.train"
COMMAND = "usassist.core.cli.main"
REPORTS = "evaluation"
"""The folder of a run that holds the reports of both models."""
_LEFT_OUT = "usassist: left out: "
_PARTLY = 3
_RECENT = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """What is trained on what, and where it goes; `engine` and `model` are in use meanwhile.

    `epochs` are the recipe's, `validates` the number of validation frames; `chooses` says that its epoch is chosen by
    them.
    """

    recipe: Path
    epochs: int
    project: Path
    out: Path
    device: str
    overrides: tuple[str, ...]
    validates: int
    engine: str
    model: str
    chooses: bool = True

    @property
    def name_in_use(self) -> str:
        """Return what the model in use is called; an engine without weights has its own name."""
        return self.model or (DEFAULT_MODEL if self.engine == "clip_mona" else self.engine)

    def arguments(self) -> list[str]:
        """Return the arguments of `usassist-train`, which a person could type as well."""
        given = ["segment", str(self.recipe), "--data", str(self.project), "--out", str(self.out)]
        return [*given, "--device", self.device, *(["--set", *self.overrides] if self.overrides else [])]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an evaluation on the validation frames found.

    `dice` is the mean over the `showing` frames whose truth is not empty, None where there is none; `empty_correct` the
    share of the other ones that were left empty. `frames` tells which frames these were. `problem` says why there is no
    number.
    """

    dice: float | None = None
    showing: int = 0
    empty: int = 0
    empty_correct: float | None = None
    frames: str = ""
    problem: str = ""


class Training(QObject):
    """One training at a time: it runs, then the new model and the one in use judge the same validation frames.

    `changed` follows whatever there is to show anew; `progress` is what the child does now, None before it says. After
    `stop`, and after a crash, what was kept so far is taken to the end; only where no epoch was finished is there
    nothing, and `stage` is "failed". `name` is what the new model was added under, "" until it is there.
    """

    changed = Signal()
    added = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.process = Process(self)
        self.process.printed.connect(self._on_printed)
        self.process.progressed.connect(self._on_progressed)
        self.process.ended.connect(self._on_ended)
        self._adding = Process(self)
        self._adding.ended.connect(self._on_adding_ended)
        self._asked_name = ""
        self.plan: Plan | None = None
        self._forget()
        self.stage: Stage = "idle"

    def _forget(self) -> None:
        self.epochs: tuple[Epoch, ...] = ()
        self.progress: Progress | None = None
        self.problem = ""
        self.tail: tuple[str, ...] = ()
        self.left_out = 0
        self.stopped = False
        self.new: Verdict | None = None
        self.used: Verdict | None = None
        self.name = ""
        self.adding_problem = ""

    @property
    def is_running(self) -> bool:
        """Return whether a child works: it trains or compares."""
        return self.stage in ("training", "comparing")

    @property
    def is_adding(self) -> bool:
        return self._adding.is_running

    @property
    def seconds_left(self) -> float | None:
        """Return how long the training still takes at the pace of the latest epochs, None before the first ended."""
        if self.plan is None or not self.epochs:
            return None
        recent = [epoch.seconds for epoch in self.epochs[-_RECENT:]]
        return sum(recent) / len(recent) * max(0, self.plan.epochs - self.epochs[-1].number)

    @property
    def kept(self) -> Epoch | None:
        """Return the epoch whose weights are the new model, or would be if it ended now."""
        return kept_epoch(self.epochs)

    @property
    def is_fair(self) -> bool:
        """Return whether both models were judged on the very same frames."""
        return self.new is not None and self.used is not None and self.new.frames == self.used.frames

    def start(self, plan: Plan) -> None:
        """Start a training; nothing happens while one runs, or while the model of the one before is being added."""
        if self.is_running or self.is_adding:
            return
        self._forget()
        self.plan, self.stage = plan, "training"
        self.process.start(TRAIN, plan.arguments())
        self.changed.emit()

    def stop(self) -> None:
        """Ask the child to stop; what was kept so far stays."""
        if self.is_running:
            self.stopped = True
            self.process.interrupt()
            self.changed.emit()

    def abandon(self, *, timeout_ms: int) -> None:
        """Stop and block until every child is gone; nothing is compared any more."""
        self.stage = "idle"
        self.process.interrupt()
        self.process.wait(timeout_ms)
        self._adding.interrupt()
        self._adding.wait(timeout_ms)

    def add(self, name: str) -> None:
        """Add the new model to the user's under a name; `added` follows, or `adding_problem` says why not.

        It is loaded once to see that it works, which takes a child: the window never imports torch.
        """
        if self.plan is not None and self.stage == "done" and not self.is_adding:
            self._asked_name, self.adding_problem = name, ""
            self._adding.start(COMMAND, ["models", "add", str(self.plan.out), "--name", name, "--json"])
            self.changed.emit()

    def _on_printed(self, line: str) -> None:
        if line.startswith(_LEFT_OUT):
            self.left_out += 1
        if self.stage == "training" and self.plan is not None:
            self.epochs = read_epochs(self.plan.out)
            self.changed.emit()

    def _on_progressed(self, progress: Progress) -> None:
        self.progress = progress
        self.changed.emit()

    def _on_ended(self, ended: Ended) -> None:
        plan = self.plan
        if plan is None or not self.is_running:
            return
        if self.stage == "training":
            self._take_training(ended, plan)
        else:
            self._take_verdict(ended, plan)
        self.changed.emit()

    def _take_training(self, ended: Ended, plan: Plan) -> None:
        self.epochs = read_epochs(plan.out)
        usable = (plan.out / WEIGHTS_FILE).is_file()
        went_well = not ended.crashed and ended.status in (0, _PARTLY)
        if not went_well:
            self.problem = _reason(ended, self.epochs, usable=usable)
            self.tail = () if ended.interrupted else ended.tail
        if not usable:
            self.stage = "failed"
        elif not plan.validates or self.stopped:
            self.stage = "done"
        else:
            self.stage = "comparing"
            self._evaluate(plan, "new", ["--model", str(plan.out)])

    def _take_verdict(self, ended: Ended, plan: Plan) -> None:
        verdict = read_verdict(ended)
        if self.new is None:
            self.new = verdict
            if not self.stopped:
                options = ["--engine", plan.engine, *(["--model", plan.model] if plan.model else [])]
                self._evaluate(plan, "in-use", options)
                return
        else:
            self.used = verdict
        self.stage = "done"

    def _evaluate(self, plan: Plan, name: str, options: Sequence[str]) -> None:
        given = ["evaluate", "--data", str(plan.project), "--split", "val", "--device", plan.device, *options]
        self.process.start(COMMAND, [*given, "--out", str(plan.out / REPORTS / name), "--json", "--quiet"])

    def _on_adding_ended(self, ended: Ended) -> None:
        if not ended.crashed and ended.status == 0:
            self.name = self._asked_name
            self.added.emit(self.name)
        else:
            self.adding_problem = ended.complaint or "The model could not be added; the program that does it stopped."
        self.changed.emit()


def read_verdict(ended: Ended) -> Verdict:
    """Return what `usassist evaluate --json` printed, or why it printed nothing."""
    try:
        report: dict[str, Any] = json.loads(ended.output)
        lesion = report["dice_lesion"]
        return Verdict(
            dice=None if lesion["mean"] is None else float(lesion["mean"]),
            showing=int(lesion["n"]),
            empty=int(report["n_empty_truth"]),
            empty_correct=None if report["empty_correct"] is None else float(report["empty_correct"]),
            frames=str(report["data_fingerprint"]),
        )
    except (ValueError, LookupError, TypeError, RecursionError):
        if ended.interrupted:
            return Verdict(problem="It was stopped before it was measured.")
        return Verdict(problem=ended.complaint or "It could not be measured; the program that does it stopped.")


def _reason(ended: Ended, epochs: Sequence[Epoch], *, usable: bool) -> str:
    """Return one sentence about why a training ended early, and what is left of it."""
    best = kept_epoch(epochs)
    kept = " What was kept so far stays." if usable else " No epoch was finished, so there is no model."
    if usable and best is not None and best.score is not None:
        kept = f" What was kept so far, epoch {best.number}, stays."
    if ended.interrupted:
        return f"Stopped.{kept}"
    if ended.crashed:
        return f"The training ended unexpectedly, as if it was killed; the machine may be short of memory.{kept}"
    if ended.complaint:
        return ended.complaint
    last = ended.tail[-1] if ended.tail else "it said nothing"
    return f"The training failed ({last[:200]}).{kept}"
