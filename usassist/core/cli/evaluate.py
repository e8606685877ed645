"""`usassist evaluate`: an engine on a dataset, or a folder of masks, against the truth."""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from usassist.core.cli.arguments import out_folder
from usassist.core.cli.engine import LABEL_ID, Engine, add_engine_arguments, engine
from usassist.core.cli.inputs import Failure
from usassist.core.cli.output import Bar, Exit, complain, print_json, progress, report_failures
from usassist.core.data.dataset import Example, fingerprint, load
from usassist.core.domain import Frame, Prompt
from usassist.core.errors import UsassistError
from usassist.core.evaluation.classification import ClassScores, classify
from usassist.core.evaluation.folders import folder_cases, folder_facts, pair_folders
from usassist.core.evaluation.protocol import Case
from usassist.core.evaluation.report import ReportFacts, report_document, write_report
from usassist.core.evaluation.run import Evaluation, evaluate_masks
from usassist.core.io.display import to_display
from usassist.core.io.open_study import open_source
from usassist.core.io.reader import StudyReader


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the two ways to be called: --data DATASET, or --pred DIR with --truth DIR."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--data", metavar="DATASET", type=Path, help="a dataset folder or a project")
    what.add_argument("--pred", metavar="DIR", type=Path, help="a folder of masks; needs --truth")
    parser.add_argument("--truth", metavar="DIR", type=Path, help="the folder of true masks for --pred")
    parser.add_argument("--split", metavar="S", default="all", help="train, val, test or all (default: all)")
    add_engine_arguments(parser)
    parser.add_argument(
        "--classes", metavar="NAME=PROMPT", nargs="+", type=_class, default=[], help="tell classes apart by prompts"
    )
    parser.add_argument("--out", metavar="DIR", type=out_folder, required=True, help="folder for the report")
    parser.add_argument("--json", action="store_true", help="print report.json on stdout as well")


def _class(text: str) -> tuple[str, str]:
    name, equals, prompt = text.partition("=")
    if not (name and equals and prompt):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=PROMPT")
    return name, prompt


def run(arguments: argparse.Namespace) -> int:
    """Write report.json, per_image.csv and report.html; what could not be evaluated is listed with its reason."""
    if (arguments.pred is None) != (arguments.truth is None):
        complain("--pred and --truth belong together: the masks, and what they should be.")
        return Exit.USAGE
    if arguments.pred is not None and (arguments.model or arguments.prompt or arguments.classes):
        complain("--model, --prompt and --classes run an engine; the masks of --pred are there already.")
        return Exit.USAGE
    if arguments.data is not None:
        evaluation, facts = _evaluate_engine(arguments)
    else:
        evaluation, facts = _evaluate_folders(arguments)
    write_report(arguments.out, evaluation, facts)
    if arguments.json:
        print_json(report_document(evaluation, facts))
    else:
        _print_summary(evaluation, arguments.out)
    report_failures(facts.failed)
    return Exit.PARTLY if facts.failed else Exit.DONE


def _evaluate_folders(arguments: argparse.Namespace) -> tuple[Evaluation, ReportFacts]:
    pairing = pair_folders(arguments.pred, arguments.truth)
    failed = list(pairing.failed)
    with progress("evaluating", total=len(pairing.pairs), unit="mask", quiet=arguments.quiet > 0) as bar:
        evaluation = evaluate_masks(_counted(folder_cases(pairing, arguments.pred, failed=failed), bar))
    if pairing.unused:
        complain(f"{len(pairing.unused)} masks in {arguments.pred} have no truth, for instance {pairing.unused[0]}.")
    return evaluation, replace(folder_facts(arguments.pred, arguments.truth), failed=tuple(failed))


def _evaluate_engine(arguments: argparse.Namespace) -> tuple[Evaluation, ReportFacts]:
    examples = load(arguments.data, split=arguments.split)
    with engine(arguments) as built:
        job = _Job(built, Prompt(LABEL_ID, text=arguments.prompt or None), dict(arguments.classes))
        with progress("evaluating", total=len(examples), unit="image", quiet=arguments.quiet > 0) as bar:
            try:
                evaluation = evaluate_masks(job.cases(examples, bar))
            except UsassistError:
                report_failures(job.failed)
                raise
        facts = ReportFacts(
            model=built.model,
            engine=built.name,
            weights_hash=built.weights_hash or None,
            prompt=arguments.prompt or None,
            device=built.device,
            data=arguments.data.resolve().name,
            split=arguments.split,
            data_fingerprint=fingerprint(examples),
            classification=classify(job.classes, list(job.class_prompts)) if job.class_prompts else None,
            failed=tuple(job.failed),
        )
    return evaluation, facts


@dataclass(slots=True)
class _Job:
    """One run of an engine over examples: the engine sees the frame and the prompt, never truth, class or caption."""

    engine: Engine
    prompt: Prompt
    class_prompts: dict[str, str]
    failed: list[Failure] = field(default_factory=list)
    classes: list[ClassScores] = field(default_factory=list)

    def cases(self, examples: list[Example], bar: Bar) -> Iterator[Case]:
        """Yield a case for each example; one that cannot be read, or whose mask does not fit, goes to `failed`."""
        reader: StudyReader | None = None
        try:
            for example in examples:
                try:
                    if reader is None or reader.study.source != example.source:
                        reader = _reopened(reader, example)
                    yield self._case(example, reader.frame(example.frame))
                except UsassistError as error:
                    self.failed.append((example.source.relative, str(error)))
                bar.update()
        finally:
            if reader is not None:
                reader.close()

    def _case(self, example: Example, frame: Frame) -> Case:
        start = time.perf_counter()
        proposals = self.engine.proposer.propose(frame, self.prompt)
        seconds = time.perf_counter() - start
        pred = np.zeros(frame.shape, dtype=np.bool_)
        for proposal in proposals:
            pred |= proposal.mask.to_array()
        best = max(proposals, key=lambda proposal: proposal.score, default=None)
        truth = example.read_truth(frame.shape)
        self._classify(example, frame)
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
            seconds=seconds,
            probability=best.probability if best and len(proposals) == 1 else None,
            image=lambda: to_display(frame, window=None),
            group=example.group or None,
        )

    def _classify(self, example: Example, frame: Frame) -> None:
        """Ask for each class by its prompt; how present each is, over their sum, is its probability."""
        if example.class_name not in self.class_prompts:
            return
        presences = []
        for text in self.class_prompts.values():
            answers = self.engine.proposer.propose(frame, Prompt(LABEL_ID, text=text))
            presences.append(max((answer.presence for answer in answers), default=0.0))
        total = sum(presences)
        shares = [presence / total if total > 0 else 1 / len(presences) for presence in presences]
        self.classes.append(ClassScores(example.class_name, tuple(shares), example.group or example.key))


def _reopened(reader: StudyReader | None, example: Example) -> StudyReader:
    """Open the example's file; the frames of one cine follow each other, so one file is open at a time."""
    if reader is not None:
        reader.close()
    return open_source(example.source)


def _spacing_of(frame: Frame, truth: npt.NDArray[np.bool_]) -> tuple[float, float] | None:
    """Return the spacing in the middle of the truth, None where there is none or its region declares no length."""
    rows, cols = np.nonzero(truth)
    return frame.spacing_at(float(rows.mean()), float(cols.mean())) if rows.size else None


def _counted(cases: Iterator[Case], bar: Bar) -> Iterator[Case]:
    for case in cases:
        yield case
        bar.update()


def _print_summary(evaluation: Evaluation, out: Path) -> None:
    summary = evaluation.summary
    for name in ("dice", "dice_lesion", "iou", "precision", "recall", "hd95_px", "assd_px", "nsd_2px"):
        spread = getattr(summary, name)
        if spread.mean is not None:
            low, high = spread.ci95 or (spread.mean, spread.mean)
            print(f"{name:<14}{spread.mean:9.4f}   95 % {low:.4f} to {high:.4f}   n {spread.n}")
    for name, share in (("empty_correct", summary.empty_correct), ("lesion_found", summary.lesion_found)):
        if share is not None:
            print(f"{name:<14}{share:9.4f}")
    print(f"{summary.n} images, {summary.n_empty_truth} with nothing to find: {out / 'report.html'}")
