"""`usassist-train segment RECIPE --data DATASET`: trains, and leaves a run folder that `usassist models add` takes."""

import argparse
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from usassist.core.cli.arguments import device_name, out_folder
from usassist.core.cli.main import add_verbosity, guarded
from usassist.core.cli.output import Exit, complain, print_json

if TYPE_CHECKING:
    from usassist.core.training.loop import EpochReport
    from usassist.core.training.run import RunResult


def main(argv: Sequence[str] | None = None) -> int:
    """Run `usassist-train` with `argv` (default: the process's) and return the exit status of CLI.md."""
    arguments = build_parser().parse_args(argv)
    return guarded(arguments.run, arguments)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of `usassist-train`."""
    parser = argparse.ArgumentParser(prog="usassist-train", description="Train a model. For research.")
    kinds = parser.add_subparsers(dest="kind", metavar="KIND", required=True)
    segment = kinds.add_parser("segment", help="train a segmenter on masks", description="Train a segmenter on masks.")
    segment.add_argument("recipe", nargs="?", type=Path, metavar="RECIPE.toml", help="what to train and how")
    segment.add_argument(
        "--data",
        nargs="+",
        action="extend",
        default=[],
        type=Path,
        metavar="DATASET",
        help="dataset folders or projects",
    )
    segment.add_argument(
        "--set", nargs="+", action="extend", default=[], dest="overrides", metavar="KEY=VALUE", help="change the recipe"
    )
    segment.add_argument(
        "--out", type=out_folder, metavar="RUN", help="the run's folder (default runs/<recipe>-<time>)"
    )
    segment.add_argument("--resume", type=Path, metavar="RUN", help="continue a run from its last finished epoch")
    segment.add_argument("--device", type=device_name, default="auto", help="auto, cpu or cuda (default auto)")
    segment.add_argument("--json", action="store_true", help="print one JSON document about the run at the end")
    segment.set_defaults(run=run_segment)
    add_verbosity(segment)
    return parser


def run_segment(arguments: argparse.Namespace) -> int:
    """Train or resume and return an exit status; raises TrainingError."""
    if (arguments.recipe is None) == (arguments.resume is None):
        complain("Give a recipe to start a run, or --resume RUN to continue one; exactly one of the two.")
        return Exit.USAGE
    if arguments.resume is not None and (arguments.data or arguments.overrides or arguments.out):
        complain("--resume goes on with the recipe and data of its run; leave out --data, --set and --out.")
        return Exit.USAGE

    from usassist.core.training.run import resume_segment, train_segment

    show = None if arguments.quiet else _print_epoch
    if arguments.resume is not None:
        result = resume_segment(arguments.resume, device=arguments.device, on_epoch=show)
    else:
        out = arguments.out or Path("runs") / f"{arguments.recipe.stem}-{datetime.now().astimezone():%Y%m%d-%H%M%S}"
        result = train_segment(
            arguments.recipe,
            arguments.data,
            out,
            overrides=arguments.overrides,
            device=arguments.device,
            on_epoch=show,
        )
    _print_result(result, as_json=arguments.json)
    if result.interrupted:
        return Exit.INTERRUPTED
    return Exit.PARTLY if result.failed else Exit.DONE


def _print_result(result: "RunResult", *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "run": str(result.folder),
                "epochs": result.epochs,
                "best": result.best,
                "interrupted": result.interrupted,
                "failed": list(result.failed),
            }
        )
    else:
        print(f"{result.epochs} epochs, best {result.best:.4f}: {result.folder}")
    for reason in result.failed:
        complain(f"left out: {reason}")


def _print_epoch(report: "EpochReport") -> None:
    val = report.val
    print(
        f"epoch {report.epoch:3d}  loss {report.loss:.4f}  val score {val['score']:.4f}  "
        f"lesion {val.get('dice_lesion', 0.0):.4f}  found {val.get('found', 0.0):.3f}  "
        f"empty {val.get('empty_correct', 0.0):.3f}  {report.seconds:.0f} s",
        file=sys.stderr,
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
