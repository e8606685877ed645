"""`usassist data check`: what a dataset holds, and what of it stands on both sides of its splits."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from usassist.core.cli.arguments import add_verbosity
from usassist.core.cli.output import Exit, complain, count, print_json, print_table, progress, report_failures, to_json
from usassist.core.data.example import Example
from usassist.core.data.leakage import NO_SPLIT, Crossing, Leakage, Twins, find_leakage, leakage_document
from usassist.core.errors import ExchangeError
from usassist.core.project import atomic

_SHOWN = 20
"""As many of each kind are printed; --json and --out have all of them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare check."""
    actions = parser.add_subparsers(dest="action", metavar="check", required=True)
    check = actions.add_parser("check", help="counts, and what crosses the splits: patients, copies, near-duplicates")
    check.set_defaults(work=_check)
    check.add_argument(
        "data", metavar="DATASET", type=Path, nargs="+", help="dataset folders or projects, checked as one"
    )
    check.add_argument("--out", metavar="FILE", type=Path, help="write the whole report here as JSON")
    check.add_argument("--json", action="store_true", help="print the whole report on stdout as JSON")
    add_verbosity(check, again=True)


def run(arguments: argparse.Namespace) -> int:
    """Do what the action says."""
    return cast("Callable[[argparse.Namespace], int]", arguments.work)(arguments)


def _check(arguments: argparse.Namespace) -> int:
    from usassist.core.data.dataset import load

    out: Path | None = arguments.out
    if out is not None and out.is_dir():
        complain(f"--out {out} is a folder, expected a file.")
        return Exit.USAGE
    examples = [example for path in arguments.data for example in load(path)]
    with progress("reading", total=len(examples), unit="image", quiet=arguments.quiet > 0) as bar:
        report = find_leakage(examples, on_read=bar.update)
    notes = _notes(arguments.data, examples, report)
    document = {"data": [path.resolve().name for path in arguments.data], **leakage_document(report), "notes": notes}
    if out is not None:
        atomic.make_folder(out.parent, error=ExchangeError)
        atomic.write_bytes(out, (to_json(document) + "\n").encode(), error=ExchangeError)
    if arguments.json:
        print_json(document)
    else:
        _print(report)
        for note in notes:
            print(note)
    report_failures((*report.failed, *report.misfits))
    if report.failed or report.misfits:
        return Exit.PARTLY if len(report.failed) < len(examples) else Exit.NOTHING
    return Exit.DONE


def _notes(data: Sequence[Path], examples: Sequence[Example], report: Leakage) -> list[str]:
    """Return what a training would divide itself beside declared splits, and where a table names no class."""
    from usassist.core.data.dataset import with_splits
    from usassist.core.data.divide import say_undeclared
    from usassist.core.data.labels import other_columns
    from usassist.core.data.layouts import plain

    notes = []
    if len(report.counts) > 1 and NO_SPLIT in report.counts:
        said = say_undeclared(examples, with_splits(examples, twins=report.pairs))
        notes += [f"A training would say: {said}"] if said else []
    for path in data:
        columns = other_columns(path / "labels.csv") if plain.recognises(path) else ()
        if columns:
            found = ", ".join(columns)
            notes.append(
                f"{path.resolve().name}/labels.csv has no column 'class', so no image has one; it has {found}."
            )
    return notes


def _print(report: Leakage) -> None:
    classes = sorted({name for counts in report.counts.values() for name in counts})
    header = ("split", "images", "groups", *(name or "(no class)" for name in classes))
    rows = [
        (split, str(sum(n.values())), str(report.groups_of_split[split]), *(str(n.get(name, 0)) for name in classes))
        for split, n in report.counts.items()
    ]
    print_table(rows, header=header)
    print(f"{count(report.images, 'image')} in {count(report.groups, 'group')}. {report.patient_note}")
    if list(report.counts) == [NO_SPLIT]:
        print("There are no splits yet; training makes them by group, near-duplicates on one side.")
    else:
        _print_crossings(report)
    same = [pair for pair in report.undeclared_twins if not pair.crosses]
    every = f"{count(len(report.twins), 'pair')} of near-duplicates"
    if len(report.twins) > len(report.undeclared_twins):
        every += f", {len(report.undeclared_twins)} of them in no common group (dup_group of labels.csv)"
    if len(same) < len(report.undeclared_twins):
        every += f"; {len(same)} of these on one side"
    _section(f"{every}.", [_pair(pair) for pair in same])
    _section(f"{count(len(report.conflicts), 'image')} with a declared label_conflict.", list(report.conflicts))
    wrong = [pair for pair in report.twins if pair.disagree]
    _section(f"{count(len(wrong), 'pair')} of near-duplicates with two classes.", [_pair(pair) for pair in wrong])


def _print_crossings(report: Leakage) -> None:
    if not report.crossings and not report.crossing_twins:
        print("Nothing stands in two splits: no group, no file, no near-duplicate.")
        return
    for kind, name in (("group", "group"), ("same file", "file")):
        found = [crossing for crossing in report.crossings if crossing.kind == kind]
        _section(f"{count(len(found), name)} in more than one split.", [_crossing(item) for item in found])
    across = report.crossing_twins
    _section(f"{count(len(across), 'pair')} of near-duplicates in two splits.", [_pair(pair) for pair in across])


def _section(title: str, lines: Sequence[str]) -> None:
    print(f"{title.removesuffix('.')}:" if lines else title)
    for line in lines[:_SHOWN]:
        print(f"  {line}")
    if len(lines) > _SHOWN:
        print(f"  and {len(lines) - _SHOWN} more; --json lists all")


def _crossing(crossing: Crossing) -> str:
    sides = "; ".join(
        f"{split}: {', '.join(keys[:3])}{' ...' * (len(keys) > 3)}" for split, keys in crossing.members.items()
    )
    return f"{crossing.name}: {sides}" if crossing.kind == "group" else sides


def _pair(pair: Twins) -> str:
    ends = [
        f"{key} ({', '.join(part for part in (split, name) if part not in ('', NO_SPLIT))})".removesuffix(" ()")
        for key, split, name in zip(*_columns(pair), strict=True)
    ]
    return f"{pair.correlation:.2f}  {ends[0]} and {ends[1]}"


def _columns(pair: Twins) -> tuple[tuple[str, str], tuple[str, str], tuple[str, str]]:
    return pair.keys, pair.splits, pair.classes
