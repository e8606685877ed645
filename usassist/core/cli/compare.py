"""`usassist-train compare RECIPE ... --data DATASET`: several recipes and seeds, one table."""

import argparse
import hashlib
import sys
from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from usassist.core.cli.arguments import device_name, out_folder
from usassist.core.cli.inputs import Failure
from usassist.core.cli.output import Exit, complain, count, print_json, print_table, report_failures, status
from usassist.core.errors import UsassistError

if TYPE_CHECKING:
    from usassist.core.cli.trial_scores import Asked, Images
    from usassist.core.cli.trials import Trial
    from usassist.core.evaluation.comparison import Candidate, ComparisonFacts, Row
    from usassist.core.evaluation.stored import StoredReport
    from usassist.core.training.loop import EpochReport

_FAULTS = (UsassistError, RuntimeError, ValueError, LookupError, TypeError, OSError, MemoryError, AssertionError)
"""What the libraries below raise for one recipe, memory that runs out included: no reason to lose the other ones."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the recipes, the data, how often and on how much of it to train, and what to score on."""
    parser.add_argument("recipes", nargs="+", type=Path, metavar="RECIPE.toml", help="what to train")
    parser.add_argument(
        "--against", metavar="NAME", help="the recipe the others are compared to, by its file's stem (the first)"
    )
    parser.add_argument(
        "--data", nargs="+", action="extend", required=True, type=Path, metavar="DATASET", help="to train on, and score"
    )
    parser.add_argument(
        "--test-data", nargs="+", action="extend", default=[], type=Path, metavar="DATASET", help="to score on only"
    )
    parser.add_argument("--seeds", type=_positive, default=3, metavar="N", help="trainings of each recipe (default 3)")
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument(
        "--ratios",
        nargs="+",
        type=_ratio,
        default=[],
        metavar="R",
        help="shares of the training images, as 0.01 0.05 1",
    )
    amount.add_argument(
        "--shots", nargs="+", type=_positive, default=[], metavar="K", help="training images of a class"
    )
    parser.add_argument(
        "--folds",
        type=_folds,
        default=0,
        metavar="K",
        help="cross-validation: K trainings a seed (at least 3), all images scored",
    )
    parser.add_argument(
        "--split", choices=("val", "test"), default="val", help="what to score; test is for the final number (val)"
    )
    parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        dest="overrides",
        metavar="KEY=VALUE",
        help="change all recipes",
    )
    parser.add_argument(
        "--out", type=out_folder, metavar="DIR", help="folder of the runs and the table; the same again goes on"
    )
    parser.add_argument("--device", type=device_name, default="auto", help="auto, cpu or cuda (default auto)")
    parser.add_argument("--json", action="store_true", help="print comparison.json on stdout instead of the table")


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1")
    return value


def _folds(text: str) -> int:
    value = int(text)
    if value < 3:
        raise argparse.ArgumentTypeError(f"{text} is too few: at least 3, to train, validate and score")
    return value


def _ratio(text: str) -> float:
    value = float(text)
    if not 0.0 < value <= 1.0:
        raise argparse.ArgumentTypeError(f"{text} is not a share above 0 and up to 1")
    return value


def run(arguments: argparse.Namespace) -> int:
    """Train what is missing, score everything, print and write the table; raises UsassistError where nothing can be."""
    if arguments.folds and arguments.test_data:
        complain("--folds scores every image of --data once; leave out --test-data.")
        return Exit.USAGE
    from usassist.core.cli.trial_scores import images_to_score
    from usassist.core.cli.trials import look_for_near_duplicates, plan
    from usassist.core.evaluation.comparison import ComparisonFacts, Setting, compare
    from usassist.core.evaluation.comparison_report import comparison_document, write_comparison
    from usassist.core.models.device import resolve

    out = arguments.out or Path("runs") / f"compare-{datetime.now().astimezone():%Y%m%d-%H%M%S}"
    settings = [Setting(ratio=ratio) for ratio in arguments.ratios] + [Setting(shots=k) for k in arguments.shots]
    recipes = _in_order(arguments.recipes, arguments.against)
    device = str(resolve(arguments.device))
    trials = plan(recipes, settings or [Setting()], seeds=arguments.seeds, out=out, folds=arguments.folds)
    asked = images_to_score(
        arguments.data,
        arguments.test_data,
        split=arguments.split,
        folds=arguments.folds,
        near_duplicates=look_for_near_duplicates(recipes, arguments.overrides),
    )
    failed: list[Failure] = []
    trained = _train_all(trials, arguments, asked, failed)
    candidates = _evaluate_all(trained, asked, arguments, failed)
    rows = compare(candidates, groups={images.name: images.groups() for images in asked.images})
    facts = ComparisonFacts(
        tuple(path.resolve().name for path in arguments.data),
        arguments.split,
        tuple(arguments.overrides),
        device,
        tuple(failed),
        tuple(images.warning for images in asked.images if images.warning),
        _question(arguments, recipes, asked),
    )
    kept = write_comparison(out, rows, facts)
    if arguments.json:
        print_json(comparison_document(rows, facts))
    else:
        _print_rows(rows)
        print(f"{count(len(trained), 'training')}, scored on {arguments.split}: {out / 'comparison.html'}")
    _complain_of(facts, kept)
    return status(done=len(rows), failed=len(failed))


def _complain_of(facts: "ComparisonFacts", kept: Path | None) -> None:
    """Say what is not in the table: where an earlier one went, what speaks against the data, what failed."""
    if kept is not None:
        complain(f"an earlier comparison in {kept.parent} asked something else; it is kept as {kept.name}.")
    for warning in facts.warnings:
        complain(warning)
    report_failures(facts.failed)


def _question(arguments: argparse.Namespace, recipes: Sequence[Path], asked: "Asked") -> dict[str, Any]:
    """Return what tells one comparison from another: the recipes as they are written, the data, how it is trained."""
    return {
        "recipes": {path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in recipes if path.is_file()},
        "first": recipes[0].stem,
        "data": asked.data_fingerprint,
        "scored": asked.scored(),
        **{name: getattr(arguments, name) for name in ("seeds", "ratios", "shots", "folds", "split", "overrides")},
    }


def _in_order(recipes: Sequence[Path], against: str | None) -> list[Path]:
    """Return the recipes with the one to compare to first. Raises UsassistError where there is none of that name."""
    if against is None:
        return list(recipes)
    if against not in [recipe.stem for recipe in recipes]:
        raise UsassistError(
            f"--against {against} is none of the recipes: {', '.join(recipe.stem for recipe in recipes)}."
        )
    return sorted(recipes, key=lambda recipe: recipe.stem != against)


def _train_all(
    trials: "Sequence[Trial]", arguments: argparse.Namespace, asked: "Asked", failed: list[Failure]
) -> "list[Trial]":
    """Train every trial and return those that are finished; one that fails is noted, and the rest goes on."""
    from usassist.core.cli.trials import train_trial

    done = []
    for number, trial in enumerate(trials, start=1):
        if not arguments.quiet:
            print(f"{number} of {len(trials)}: {trial.name}", file=sys.stderr, flush=True)
        try:
            result = train_trial(
                trial,
                arguments.data,
                overrides=arguments.overrides,
                asked=asked,
                device=arguments.device,
                on_epoch=None if arguments.quiet else _print_epoch,
            )
        except _FAULTS as error:
            failed.append((trial.name, str(error) or type(error).__name__))
            continue
        if result is not None and result.interrupted:
            raise KeyboardInterrupt
        done.append(trial)
    return done


def _evaluate_all(
    trained: "Sequence[Trial]", asked: "Asked", arguments: argparse.Namespace, failed: list[Failure]
) -> "list[Candidate]":
    """Score every training on all images asked for; what fails is noted, and the rest goes on."""
    from usassist.core.cli.trial_scores import as_trained
    from usassist.core.evaluation.comparison import Candidate

    candidates = []
    for (recipe, setting), same in groupby(trained, key=lambda trial: (trial.recipe.stem, trial.setting)):
        trials = list(same)
        trainable, parameters = _counted(trials[0])
        for images in asked.images:
            runs = []
            for _, of_seed in groupby(trials, key=lambda trial: trial.seed):
                scored = [(trial, _scored(trial, images, arguments, failed)) for trial in of_seed]
                reports = [(trial, report) for trial, report in scored if report is not None]
                if len(reports) == max(1, arguments.folds):
                    runs.append(as_trained(reports))
            candidates.append(Candidate(recipe, setting, images.name, tuple(runs), trainable, parameters))
    return candidates


def _scored(
    trial: "Trial", images: "Images", arguments: argparse.Namespace, failed: list[Failure]
) -> "StoredReport | None":
    from usassist.core.cli.trial_scores import evaluate_trial

    try:
        return evaluate_trial(trial, images, device=arguments.device, quiet=arguments.quiet > 0)
    except _FAULTS as error:
        failed.append((f"{trial.name} on {images.name}", str(error) or type(error).__name__))
        return None


def _counted(trial: "Trial") -> tuple[int | None, int | None]:
    """Return how many parameters learned and how many there are; not known where the model cannot be built."""
    from usassist.core.cli.trial_scores import count_parameters

    try:
        return count_parameters(trial.folder)
    except UsassistError:
        return None, None  # its evaluation says why


def _print_rows(rows: "Sequence[Row]") -> None:
    from usassist.core.evaluation.comparison_page import HEADER, row_cells

    print_table([row_cells(row) for row in rows], header=HEADER)


def _print_epoch(report: "EpochReport") -> None:
    found = f"val {report.selected_by} {report.val.get(report.selected_by, 0.0):.4f}"
    print(
        f"  epoch {report.epoch:3d}  loss {report.loss:.4f}  {found}  {report.seconds:.0f} s",
        file=sys.stderr,
        flush=True,
    )
