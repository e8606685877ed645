"""`usassist-train KIND RECIPE --data DATASET`: trains, and leaves a run folder that `usassist models add` takes."""

import argparse
import importlib
import math
import os
import signal
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

from usassist.core import log
from usassist.core.cli.arguments import add_verbosity, device_name, out_folder
from usassist.core.cli.main import Command, guarded
from usassist.core.cli.output import Exit, complain, print_json, progress_of_each

if TYPE_CHECKING:
    from usassist.core.training.loop import EpochReport
    from usassist.core.training.run import RunResult, Told

KINDS = {
    "segment": "train a segmenter on masks",
    "classify": "train a classifier on the classes of images",
    "contrast": "fine-tune the towers on images with captions",
}
"""What `training.task.TASKS` knows, with one line each; listed here because --help must not import torch."""
_COMPARE = "train several recipes with several seeds and print one table"


def main(argv: Sequence[str] | None = None) -> int:
    """Run `usassist-train` with `argv` (default: the process's) and return the exit status of CLI.md."""
    if (
        argv is None
    ):  # a process of its own: what ends it politely (a window, a scheduler) keeps the best, as Ctrl+C does
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    given = list(sys.argv[1:] if argv is None else argv)
    arguments = build_parser(given).parse_args(given)
    return guarded(arguments.run, arguments)


def build_parser(given: Sequence[str] = ()) -> argparse.ArgumentParser:
    """Return the parser of `usassist-train`; `compare` declares its arguments only where it is among `given`."""
    parser = argparse.ArgumentParser(prog="usassist-train", description="Train a model. For research.")
    kinds = parser.add_subparsers(dest="kind", metavar="KIND", required=True)
    for name, summary in KINDS.items():
        kind = kinds.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        _add_arguments(kind)
        kind.set_defaults(run=run_task)
        add_verbosity(kind)
    compare = kinds.add_parser("compare", help=_COMPARE, description=_COMPARE[0].upper() + _COMPARE[1:] + ".")
    if "compare" in given:
        command = cast("Command", importlib.import_module("usassist.core.cli.compare"))
        command.add_arguments(compare)
        add_verbosity(compare)
        compare.set_defaults(run=command.run)
    return parser


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", nargs="?", type=Path, metavar="RECIPE.toml", help="what to train and how")
    parser.add_argument(
        "--data",
        nargs="+",
        action="extend",
        default=[],
        type=Path,
        metavar="DATASET",
        help="dataset folders, projects or lists of captions",
    )
    parser.add_argument(
        "--set", nargs="+", action="extend", default=[], dest="overrides", metavar="KEY=VALUE", help="change the recipe"
    )
    parser.add_argument("--out", type=out_folder, metavar="RUN", help="the run's folder (default runs/<recipe>-<time>)")
    parser.add_argument("--resume", type=Path, metavar="RUN", help="continue a run from its last finished epoch")
    parser.add_argument("--device", type=device_name, default="auto", help="auto, cpu or cuda (default auto)")
    parser.add_argument("--json", action="store_true", help="print one JSON document about the run at the end")


def run_task(arguments: argparse.Namespace) -> int:
    """Train or resume and return an exit status; raises TrainingError."""
    if (arguments.recipe is None) == (arguments.resume is None):
        complain("Give a recipe to start a run, or --resume RUN to continue one; exactly one of the two.")
        return Exit.USAGE
    if arguments.resume is not None and (arguments.data or arguments.overrides or arguments.out):
        complain("--resume goes on with the recipe and data of its run; leave out --data, --set and --out.")
        return Exit.USAGE

    # Of several processes only the first talks; torchrun numbers them.
    is_first = os.environ.get("RANK", "0") == "0"
    if not is_first:
        log.configure(verbosity=-1)
    if _is_one_of_several():
        # Before torch is imported: its C++ parts tell people about the speed of settings that are not theirs.
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    from usassist.core.training.run import resume, train

    quiet = arguments.quiet > 0 or not is_first
    with progress_of_each(quiet=quiet) as on_progress:
        told: Told = {
            "task": arguments.kind,
            "device": arguments.device,
            "on_epoch": None if quiet else _print_epoch,
            "on_progress": on_progress,
        }
        if arguments.resume is not None:
            result = resume(arguments.resume, **told)
        else:
            out = arguments.out or Path("runs") / f"{arguments.recipe.stem}-{datetime.now().astimezone():%Y%m%d-%H%M%S}"
            result = train(arguments.recipe, arguments.data, out, overrides=arguments.overrides, **told)
    if is_first:
        _print_result(result, arguments.kind, as_json=arguments.json)
    if result.interrupted:
        return Exit.INTERRUPTED
    # torchrun takes every status but 0 for a crash: it ends the other processes, shows a traceback and returns 1. What
    # was left out is listed all the same.
    return Exit.PARTLY if result.failed and not _is_one_of_several() else Exit.DONE


def _is_one_of_several() -> bool:
    """Return whether torchrun started this process beside others."""
    return os.environ.get("WORLD_SIZE", "1") != "1"


def _print_result(result: "RunResult", kind: str, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "run": str(result.folder),
                "epochs": result.epochs,
                "best": result.best,
                "selected_by": result.selected_by,
                "interrupted": result.interrupted,
                "failed": list(result.failed),
            }
        )
    elif math.isfinite(result.best):
        print(f"{result.epochs} epochs, {result.selected_by} of what is kept {result.best:.4f}: {result.folder}")
    else:
        print(f"{result.epochs} epochs: {result.folder}")
    if result.interrupted and result.epochs == 0:
        complain(f"no epoch was finished; `usassist-train {kind} --resume {result.folder}` begins again.")
    for reason in result.failed:
        complain(f"left out: {reason}")


def _print_epoch(report: "EpochReport") -> None:
    """Print an epoch's loss and whatever its validation found, the selecting score first."""
    chosen = report.selected_by
    scores = {name: value for name, value in report.val.items() if name not in ("n", "score", chosen)}
    if chosen in report.val:
        scores = {f"val {chosen}": report.val[chosen], **scores}
    words = "  ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in scores.items())
    skipped = f"  {report.skipped} steps skipped" if report.skipped else ""
    print(
        f"epoch {report.epoch:3d}  loss {report.loss:.4f}  {words}{skipped}  {report.seconds:.0f} s",
        file=sys.stderr,
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
