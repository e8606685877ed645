"""The one way a model is scored on examples: for `usassist evaluate`, comparisons and cross-validation."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from usassist.core.cli.engine import LABEL_ID, Engine
from usassist.core.cli.inputs import Failure
from usassist.core.cli.output import Bar, complain, progress, report_failures
from usassist.core.data.dataset import Example, fingerprint
from usassist.core.data.marked_frames import MarksSetting, marked_frame
from usassist.core.domain import Frame, Prompt, Proposal
from usassist.core.errors import UsassistError
from usassist.core.evaluation.classification import ClassFacts, ClassScores, classify
from usassist.core.evaluation.curves import read_epochs
from usassist.core.evaluation.facts import ReportFacts
from usassist.core.evaluation.judges import Judge, TrainedJudge, has_towers
from usassist.core.evaluation.mistakes import Mistakes
from usassist.core.evaluation.protocol import Case
from usassist.core.evaluation.retrieval import retrieve
from usassist.core.evaluation.run import Evaluation, evaluate_masks, without_masks
from usassist.core.evaluation.zero_shot import class_probabilities
from usassist.core.io.display import to_display
from usassist.core.io.open_study import open_source
from usassist.core.io.reader import StudyReader
from usassist.core.metrics.calibration import fit_softmax_temperature

_Answer = TypeVar("_Answer")
_FEWEST_TO_CALIBRATE = 10


@dataclass(frozen=True, slots=True)
class Temperature:
    """What class logits are divided by, and on how many validation images that was fitted; 0: it was not."""

    value: float = 1.0
    fitted_on: int = 0


def trained_judge(built: Engine) -> Judge | None:
    """Return the class head of a model that has one; None where classes need prompts."""
    if built.config is None or built.config.task != "classify" or not has_towers(built.proposer):
        return None
    return TrainedJudge(built.proposer, built.config.classes)


def fit_temperature(built: Engine, judge: Judge | None, examples: list[Example], *, quiet: bool) -> Temperature:
    """Fit the temperature on validation images. Raises UsassistError for too few of them, or none of some class."""
    if judge is None:
        raise UsassistError("--calibrate is about classes: name them with --classes or --ensemble.")
    named = [example for example in examples if example.class_name in judge.names]
    job = _Job(built, Prompt(LABEL_ID), judge=judge)
    with progress("calibrating", total=len(named), unit="image", quiet=quiet) as bar:
        logits = [
            judge.judge(frame).logits for _, frame in job.each(named, bar, lambda example, frame: (example, frame))
        ]
    truth = [judge.names.index(example.class_name) for example in named]
    if len(logits) < _FEWEST_TO_CALIBRATE or len(set(truth)) < 2 or job.failed:
        raise UsassistError(
            f"A temperature needs at least {_FEWEST_TO_CALIBRATE} readable validation images of two classes; found "
            f"{len(logits)} of {len(set(truth))} classes. Leave out --calibrate."
        )
    return Temperature(fit_softmax_temperature(logits, truth), len(logits))


def evaluate_examples(
    built: Engine,
    examples: list[Example],
    *,
    prompt: str | None = None,
    judge: Judge | None = None,
    calibration: Temperature = Temperature(),
    retrieval: bool = False,
    marks: MarksSetting = "keep",
    quiet: bool = False,
) -> tuple[Evaluation, ReportFacts]:
    """Run an engine over examples and score it.

    Masks where its model draws any, classes where it has a class head or a `judge` is given. `marks` says what becomes
    of calipers and texts in the frames that it sees. What could not be evaluated is in the facts' `failed`. Raises
    UsassistError, after listing them, where nothing was.
    """
    judge = judge or trained_judge(built)
    draws = built.config is None or built.config.task == "segment"
    _require_work(built, examples, draws=draws, judge=judge, retrieval=retrieval)
    towers = built.proposer if retrieval and has_towers(built.proposer) else None
    job = _Job(
        *(built, Prompt(LABEL_ID, text=prompt)),
        judge=judge,
        temperature=calibration.value,
        retrieval=retrieval,
        marks=marks,
    )
    with progress("evaluating", total=len(examples), unit="image", quiet=quiet) as bar:
        try:
            if draws:
                evaluation = evaluate_masks(chain.from_iterable(job.each(examples, bar, job.cases)))
            else:
                evaluation = without_masks(list(job.each(examples, bar, job.look)))
        except UsassistError:
            report_failures(job.failed)
            raise
    return evaluation, ReportFacts(
        model=built.model,
        engine=built.name,
        weights_hash=built.weights_hash or None,
        prompt=prompt,
        marks=marks,
        device=built.device,
        compute_precision=built.precision,
        data_fingerprint=fingerprint(examples),
        classification=classify(job.classes, judge.names) if judge else None,
        classes=_class_facts(judge, job, calibration) if judge else None,
        retrieval=retrieve(job.embedded, towers.embed_texts) if towers else None,
        mistakes=job.mistakes.shown(),
        epochs=() if built.folder is None else read_epochs(built.folder),
        failed=tuple(job.failed),
    )


def _require_work(
    built: Engine, examples: Sequence[Example], *, draws: bool, judge: Judge | None, retrieval: bool
) -> None:
    """Raise UsassistError where an engine has nothing to say about the examples, or not what is asked."""
    if not (draws or judge or retrieval):
        raise UsassistError(
            f"The model {built.model} draws no masks and has no class head; name classes with --classes or --ensemble, "
            f"or ask for --retrieval."
        )
    if judge is not None:
        _require_named(judge, examples)
    if retrieval and not has_towers(built.proposer):
        raise UsassistError(f"The engine {built.name} compares no images with texts; leave out --retrieval.")


def _require_named(judge: Judge, examples: Sequence[Example]) -> None:
    """Raise UsassistError where no image has a class that is asked for: there would be nothing to say about classes."""
    counted = Counter(example.class_name for example in examples)
    if counted.keys() & set(judge.names):
        return
    found = ", ".join(f"{name} ({n})" for name, n in counted.items() if name) or "none"
    asked = "were asked for" if judge.prompts else "are the model's"
    raise UsassistError(
        f"No image has one of the classes that {asked}: expected {', '.join(judge.names)}; found {found}. "
        + ("Name classes of this data, as in --classes NAME=PROMPT." if judge.prompts else "Choose other data.")
    )


def _class_facts(judge: Judge, job: "_Job", calibration: Temperature) -> ClassFacts:
    warnings = judge.warnings()
    there = {case.class_name for case in job.classes}
    absent = [name for name in judge.names if name not in there]
    if absent and judge.prompts:
        warnings += (f"No image has the class {' or '.join(absent)}: naming it can only be wrong here.",)
    if len(there & set(judge.names)) < 2:
        warnings += ("Fewer than two of the classes occur among the images, so there is nothing to tell apart.",)
    for warning in warnings:
        complain(warning)
    return ClassFacts(
        names=judge.names,
        how=judge.how,
        cases=tuple(job.classes),
        prompts=judge.prompts,
        temperature=calibration.value,
        calibrated_on=calibration.fitted_on,
        warnings=warnings,
    )


@dataclass(slots=True)
class _Job:
    """One run of an engine over examples: the engine sees the frame and the prompt, never truth, class or caption."""

    engine: Engine
    prompt: Prompt
    judge: Judge | None = None
    temperature: float = 1.0
    retrieval: bool = False
    marks: MarksSetting = "keep"
    failed: list[Failure] = field(default_factory=list)
    classes: list[ClassScores] = field(default_factory=list)
    mistakes: Mistakes = field(default_factory=Mistakes)
    embedded: list[tuple[str, npt.NDArray[np.float32]]] = field(default_factory=list)

    def each(self, examples: list[Example], bar: Bar, answer: Callable[[Example, Frame], _Answer]) -> Iterator[_Answer]:
        """Yield the answer to each example; one that cannot be read, or whose mask does not fit, goes to `failed`."""
        reader: StudyReader | None = None
        try:
            for example in examples:
                try:
                    if reader is None or reader.study.source != example.source:
                        reader = _reopened(reader, example)
                    frame = marked_frame(reader.frame(example.frame), self.marks, key=example.key)
                    yield answer(example, frame)
                except UsassistError as error:
                    self.failed.append((example.source.relative, str(error)))
                bar.update()
        finally:
            if reader is not None:
                reader.close()

    def cases(self, example: Example, frame: Frame) -> list[Case]:
        """Return the masks of one example, proposed and true, one case for each object that a model tells apart.

        Its class and embedding are kept as well.
        """
        start = time.perf_counter()
        proposals = self.engine.proposer.propose(frame, self.prompt)
        seconds = time.perf_counter() - start
        cases = [
            replace(self._case(example, frame, own, truth, seconds), class_name=name)
            for name, own, truth in self._compared(example, frame.shape, proposals)
        ]
        self.look(example, frame)
        return cases

    def _compared(
        self, example: Example, shape: tuple[int, int], proposals: Sequence[Proposal]
    ) -> Iterator[tuple[str, Sequence[Proposal], npt.NDArray[np.bool_]]]:
        """Yield what each case is called, what was proposed for it, and what is true."""
        names = [name for name in self._objects() if name in example.objects]
        if not names:
            yield example.class_name, proposals, example.read_truth(shape)
            return
        index = example.read_classes(shape)
        for name in names:
            own = [proposal for proposal in proposals if proposal.label_id == name]
            yield name, own, index == example.objects.index(name) + 1

    def _objects(self) -> tuple[str, ...]:
        """Return the objects that a model tells apart: the one that the prompt names, else all; none for a single."""
        config = self.engine.config
        names = config.classes if config is not None and config.task == "segment" else ()
        asked = (self.prompt.text or "").strip().casefold()
        return tuple(name for name in names if name.casefold() == asked) or names if len(names) > 1 else ()

    def _case(
        self,
        example: Example,
        frame: Frame,
        proposals: Sequence[Proposal],
        truth: npt.NDArray[np.bool_],
        seconds: float,
    ) -> Case:
        pred = np.zeros(frame.shape, dtype=np.bool_)
        for proposal in proposals:
            pred |= proposal.mask.to_array()
        best = max(proposals, key=lambda proposal: proposal.score, default=None)
        return Case(
            input=example.source.relative,
            truth=truth,
            pred=pred,
            frame=example.frame,
            class_name=example.class_name,
            spacing_mm=example.spacing_mm or _spacing_of(frame, truth),
            score=best.score if best else 0.0,
            presence=best.presence if best else 0.0,
            quality=best.quality if best else 0.0,
            strangeness=best.strangeness if best else None,
            seconds=seconds,
            probability=best.probability if best and len(proposals) == 1 else None,
            image=lambda: to_display(frame, window=None),
            group=example.group or None,
        )

    def look(self, example: Example, frame: Frame) -> float:
        """Name the class of a frame and embed it, as far as that was asked for; returns what it took, in seconds."""
        start = time.perf_counter()
        said = self.judge.judge(frame) if self.judge else None
        if self.retrieval and example.caption and has_towers(self.engine.proposer):
            self.embedded.append((example.caption, self.engine.proposer.embed(frame)))
        seconds = time.perf_counter() - start
        if said is not None:
            probabilities = class_probabilities(said.logits, temperature=self.temperature)
            case = ClassScores(
                example.class_name,
                tuple(float(p) for p in probabilities),
                example.group or example.key,
                input=example.source.relative,
                frame=example.frame,
                seconds=seconds,
                per_prompt=said.per_prompt,
            )
            self.classes.append(case)
            if self.judge is not None:
                self.mistakes.offer(case, self.judge.names, image=lambda: to_display(frame, window=None))
        return seconds


def _reopened(reader: StudyReader | None, example: Example) -> StudyReader:
    """Open the example's file; the frames of one cine follow each other, so one file is open at a time."""
    if reader is not None:
        reader.close()
    return open_source(example.source)


def _spacing_of(frame: Frame, truth: npt.NDArray[np.bool_]) -> tuple[float, float] | None:
    """Return the spacing in the middle of the truth, None where there is none or its region declares no length."""
    rows, cols = np.nonzero(truth)
    return frame.spacing_at(float(rows.mean()), float(cols.mean())) if rows.size else None
