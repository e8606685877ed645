"""`usassist evaluate`: an engine on a dataset, or a folder of masks, against the truth."""

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import get_args

from usassist.core.cli import class_options
from usassist.core.cli.arguments import out_folder
from usassist.core.cli.engine import LABEL_ID, add_engine_arguments, engine
from usassist.core.cli.harness import Temperature, evaluate_examples, fit_temperature, trained_judge
from usassist.core.cli.output import Bar, Exit, complain, print_json, progress, report_failures
from usassist.core.data.dataset import load
from usassist.core.data.marked_frames import MarksSetting
from usassist.core.evaluation.against import Against, against
from usassist.core.evaluation.class_report import left_out_sentence, retrieval_lines
from usassist.core.evaluation.folders import folder_cases, folder_facts, pair_folders
from usassist.core.evaluation.protocol import Case
from usassist.core.evaluation.report import ReportFacts, per_image_table, report_document, write_report
from usassist.core.evaluation.run import Evaluation, evaluate_masks
from usassist.core.evaluation.stored import StoredReport, as_stored, read_report
from usassist.core.models.config import ModelConfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the two ways to be called: --data DATASET, or --pred DIR with --truth DIR."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--data", metavar="DATASET", type=Path, help="a dataset folder or a project")
    what.add_argument("--pred", metavar="DIR", type=Path, help="a folder of masks; needs --truth")
    parser.add_argument("--truth", metavar="DIR", type=Path, help="the folder of true masks for --pred")
    parser.add_argument("--split", metavar="S", default="all", help="train, val, test or all (default: all)")
    add_engine_arguments(parser)
    class_options.add_class_arguments(parser)
    parser.add_argument(
        "--retrieval", action="store_true", help="how well images find their captions, and captions their images"
    )
    parser.add_argument(
        "--marks",
        choices=get_args(MarksSetting),
        default="keep",
        help="calipers and texts in the frames: keep them, remove what is found, or add some (default: %(default)s)",
    )
    parser.add_argument("--out", metavar="DIR", type=out_folder, required=True, help="folder for the report")
    parser.add_argument(
        "--against", metavar="REPORT", type=Path, help="an earlier report on the same images: what became better"
    )
    parser.add_argument("--json", action="store_true", help="print report.json on stdout as well")


def run(arguments: argparse.Namespace) -> int:
    """Write report.json, per_image.csv and report.html; what could not be evaluated is listed with its reason."""
    wrong = _wrong_usage(arguments)
    if wrong:
        complain(wrong)
        return Exit.USAGE
    before = None if arguments.against is None else read_report(arguments.against)
    if arguments.data is not None:
        evaluation, facts = _evaluate_engine(arguments)
    else:
        evaluation, facts = _evaluate_folders(arguments)
    if before is not None:
        facts = replace(facts, against=_compared(before, evaluation, facts))
    write_report(arguments.out, evaluation, facts)
    if arguments.json:
        print_json(report_document(evaluation, facts))
    else:
        _print_summary(evaluation, facts, arguments.out)
    report_failures(facts.failed)
    return Exit.PARTLY if facts.failed else Exit.DONE


def _compared(before: StoredReport, evaluation: Evaluation, facts: ReportFacts) -> Against:
    table = per_image_table(evaluation, facts.classes)
    now = as_stored(report_document(evaluation, facts), table, folder=Path("this evaluation"))
    groups = {(score.input, score.frame): score.group for score in evaluation.scores}
    groups |= {(case.input, case.frame): case.group for case in (facts.classes.cases if facts.classes else ())}
    return against(before, now, groups=groups)


def _wrong_usage(arguments: argparse.Namespace) -> str:
    """Return what is wrong with a combination of options, "" for nothing."""
    if (arguments.pred is None) != (arguments.truth is None):
        return "--pred and --truth belong together: the masks, and what they should be."
    asks = class_options.asks_for_classes(arguments)
    if arguments.pred is not None and (arguments.model or arguments.prompt or asks or arguments.retrieval):
        return "--model, --prompt, --classes and --retrieval run an engine; the masks of --pred are there already."
    if arguments.pred is not None and arguments.marks != "keep":
        return f"--marks {arguments.marks} changes what an engine sees; the masks of --pred are there already."
    if arguments.calibrate and arguments.split in ("val", "all"):
        return (
            f"--calibrate fits the temperature on the split val, so a report on {arguments.split!r} would flatter it; "
            f"give --split test."
        )
    return ""


def _evaluate_folders(arguments: argparse.Namespace) -> tuple[Evaluation, ReportFacts]:
    pairing = pair_folders(arguments.pred, arguments.truth)
    failed = list(pairing.failed)
    with progress("evaluating", total=len(pairing.pairs), unit="mask", quiet=arguments.quiet > 0) as bar:
        evaluation = evaluate_masks(_counted(folder_cases(pairing, arguments.pred, failed=failed), bar))
    if pairing.unused:
        complain(f"{len(pairing.unused)} masks in {arguments.pred} have no truth, for instance {pairing.unused[0]}.")
    return evaluation, replace(folder_facts(arguments.pred, arguments.truth), failed=tuple(failed))


def _evaluate_engine(arguments: argparse.Namespace) -> tuple[Evaluation, ReportFacts]:
    quiet = arguments.quiet > 0
    with engine(arguments) as built:
        looks = _looked_for_near_duplicates(built.config, arguments.data)
        examples = load(arguments.data, split=arguments.split, near_duplicates=looks)
        judge = class_options.asked_judge(arguments, built, label_id=LABEL_ID)
        calibration = Temperature()
        if arguments.calibrate:
            # A judge of its own: what is said about the images asked for must not be about these.
            other = class_options.asked_judge(arguments, built, label_id=LABEL_ID) or trained_judge(built)
            calibration = fit_temperature(
                built, other, load(arguments.data, split="val", near_duplicates=looks), quiet=quiet
            )
        evaluation, facts = evaluate_examples(
            built,
            examples,
            prompt=arguments.prompt or None,
            judge=judge,
            calibration=calibration,
            retrieval=arguments.retrieval,
            marks=arguments.marks,
            quiet=quiet,
        )
    return evaluation, replace(facts, data=arguments.data.resolve().name, split=arguments.split)


def _looked_for_near_duplicates(config: ModelConfig | None, data: Path) -> bool:
    """Return whether a model's training on this data did: what it validated on is only found when divided as it was.

    True, as a new training would, for a model that learned from other data: two models are then judged on one val.
    """
    provenance = config.provenance if config is not None else {}
    learned, said = provenance.get("data"), provenance.get("near_duplicates", {})
    if not isinstance(learned, list) or not any(name in learned for name in (data.name, data.resolve().name)):
        return True
    return isinstance(said, Mapping) and said.get("setting", "off") != "off"


def _counted(cases: Iterator[Case], bar: Bar) -> Iterator[Case]:
    for case in cases:
        yield case
        bar.update()


_PRINTED = (
    *("dice", "dice_lesion", "iou", "precision", "recall"),
    *("hd95_px", "assd_px", "nsd_2px", "hd95_mm", "assd_mm", "nsd_1mm"),
)


def _print_summary(evaluation: Evaluation, facts: ReportFacts, out: Path) -> None:
    summary = evaluation.summary
    for name in _PRINTED:
        spread = getattr(summary, name)
        if spread is not None and spread.mean is not None:
            low, high = spread.ci95 or (spread.mean, spread.mean)
            print(f"{name:<14}{spread.mean:9.4f}   95 % {low:.4f} to {high:.4f}   n {spread.n}")
    for name, share, ci95 in (
        ("empty_correct", summary.empty_correct, summary.empty_correct_ci95),
        ("lesion_found", summary.lesion_found, summary.lesion_found_ci95),
    ):
        if share is not None and ci95 is not None:
            print(f"{name:<14}{share:9.4f}   95 % {ci95[0]:.4f} to {ci95[1]:.4f}")
    found = facts.classification
    if found is not None:
        low, high = found.ci95 or (found.auc, found.auc)
        print(f"{'auc':<14}{found.auc:9.4f}   95 % {low:.4f} to {high:.4f}   n {sum(count for _, count in found.n)}")
        print(f"{'accuracy':<14}{found.accuracy:9.4f}\n{'f1':<14}{found.f1:9.4f}")
    if facts.classes is not None and facts.classes.left_out:
        print(left_out_sentence(facts.classes))
    if facts.retrieval is not None:
        for line in retrieval_lines(facts.retrieval):
            print(line)
    for _, name, difference in facts.against.differences if facts.against else ():
        low, high = difference.ci95
        print(f"{name} {difference.mean:+.4f}   95 % {low:+.4f} to {high:+.4f}   p {difference.p:.4f}")
    empty = f", {summary.n_empty_truth} with nothing to find" if evaluation.scores else ""
    print(f"{summary.n} images{empty}: {out / 'report.html'}")
