"""Dataset folders and usassist projects as one list of examples."""

import hashlib
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from usassist.core.data.example import Example
from usassist.core.data.frames import open_frames
from usassist.core.data.layouts import examples_of
from usassist.core.data.near_duplicates import NearPair
from usassist.core.data.project_examples import project_examples
from usassist.core.data.splits import Split, joined, split_of_group, strictest, with_both_sides
from usassist.core.data.twins import file_marks, near_twins
from usassist.core.errors import TrainingError
from usassist.core.project.store import is_project

__all__ = [
    "Example",
    "fingerprint",
    "groups_of",
    "linked",
    "load",
    "open_frames",
    "undeclared_twins",
    "with_splits",
]

logger = logging.getLogger(__name__)


def load(path: Path, *, split: str = "all", every_object: bool = False, near_duplicates: bool = True) -> list[Example]:
    """List the examples of a dataset in any layout of `data.layouts`, or of a project, in natural order.

    `split` is train, val, test or all; train and val of a project, which declares none, are those that a training on it
    alone uses (one that looks for near-duplicates, or does not). `every_object` takes in the frames of a project that
    show other objects than its first: for training that tells objects apart. Raises TrainingError for a folder of
    another layout and for a split that does not exist, naming those that do.
    """
    if not path.exists():
        raise TrainingError(f"There is no folder {path}; check the path of the dataset.")
    examples = project_examples(path, every_object=True) if every_object and is_project(path) else examples_of(path)
    if split == "all":
        return examples
    if split in ("train", "val") and is_project(path):
        examples = with_splits(examples, twins=undeclared_twins(examples) if near_duplicates else ())
    chosen = [example for example in examples if example.split == split]
    if not chosen:
        there = sorted({example.split for example in examples if example.split})
        known = f"it has {', '.join(there)}" if there else "it has no splits; use all"
        raise TrainingError(f"{path} has no split {split!r}: {known}.")
    return chosen


def fingerprint(examples: Iterable[Example]) -> str:
    """Return a SHA-256 over which files (relative path, size) and splits an experiment used, independent of order."""
    rows = sorted(f"{e.dataset}|{e.source.relative}|{e.frame}|{e.source.size}|{e.split}" for e in examples)
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def with_splits(examples: Sequence[Example], *, twins: Sequence[NearPair] = ()) -> list[Example]:
    """Give every example a split, by its group, so that no group and no file stands on two sides.

    A group is what shares a patient, a near-duplicate or a file, the same bytes under another name too, across all
    datasets given. It stands where its strictest member was declared (test, then val, then train), else where the hash
    of its name puts it: 80 % train, 20 % val, the same on every machine. `twins` (`undeclared_twins`) join groups: what
    has no declared split follows its near-duplicates; a declared one stays where it is.
    """
    groups = groups_of(examples)
    declared: dict[str, list[Split]] = defaultdict(list)
    for example, group in zip(examples, groups, strict=True):
        if example.split:
            declared[group].append(example.split)
    known = {group: strictest(splits) for group, splits in declared.items()}
    units, fixed = _units(groups, linked(groups, twins), known)
    sides = {unit: fixed.get(unit) or split_of_group(unit) for unit in units}
    sides = with_both_sides(sides, Counter(units), fixed=frozenset(fixed))
    moved = sum(
        bool(example.split) and example.split != known[group] for example, group in zip(examples, groups, strict=True)
    )
    if moved:
        logger.warning("%d images share a group with images of a stricter split and were moved to it.", moved)
    return [replace(example, split=sides[unit]) for example, unit in zip(examples, units, strict=True)]


def _units(
    groups: Sequence[str], wide: Sequence[str], known: Mapping[str, Split | None]
) -> tuple[list[str], dict[str, Split]]:
    """Return what moves as one: a wide group, in parts where its groups were declared in several splits.

    Each is called by its first group; the second value is the split of those that have one.
    """
    around: dict[str, list[Split]] = defaultdict(list)
    for group, name in zip(groups, wide, strict=True):
        if split := known.get(group):
            around[name].append(split)
    sides = [known.get(group) or strictest(around[name]) for group, name in zip(groups, wide, strict=True)]
    first: dict[tuple[str, Split | None], str] = {}
    for group, part in sorted(zip(groups, zip(wide, sides, strict=True), strict=True), key=lambda item: item[0]):
        first.setdefault(part, group)
    units = [first[part] for part in zip(wide, sides, strict=True)]
    return units, {unit: side for unit, side in zip(units, sides, strict=True) if side is not None}


def groups_of(examples: Sequence[Example]) -> list[str]:
    """Return for each example the name of its group: what shares a patient, a declared near-duplicate or a file."""
    return joined([[example.group, *marks] for example, marks in zip(examples, file_marks(examples), strict=True)])


def linked(groups: Sequence[str], twins: Sequence[NearPair]) -> list[str]:
    """Return for each example its group after near-duplicates joined theirs, called by the first of those joined."""
    links = [[groups[pair.first], groups[pair.second]] for pair in twins]
    return joined([*([group] for group in groups), *links])[: len(groups)]


def undeclared_twins(examples: Sequence[Example], *, on_read: Callable[[], object] | None = None) -> list[NearPair]:
    """Return the near-duplicates, by their places, that no group of `groups_of` holds; every image is read once.

    Images that cannot be read have none; whoever uses them says so. `on_read` is called for each that was read.
    """
    return near_twins(examples, known=groups_of(examples), on_read=on_read)
