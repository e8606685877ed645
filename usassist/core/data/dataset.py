"""Dataset folders and usassist projects as one list of examples."""

import hashlib
import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from usassist.core.data.example import Example
from usassist.core.data.frames import open_frames
from usassist.core.data.layouts import examples_of
from usassist.core.data.project_examples import project_examples
from usassist.core.data.splits import Split, joined, split_of_group, strictest, with_both_sides
from usassist.core.data.twins import file_marks, near_marks
from usassist.core.errors import TrainingError
from usassist.core.project.store import is_project

__all__ = ["Example", "fingerprint", "groups_of", "load", "open_frames", "with_splits"]

logger = logging.getLogger(__name__)


def load(path: Path, *, split: str = "all", every_object: bool = False) -> list[Example]:
    """List the examples of a dataset in any layout of `data.layouts`, or of a project, in natural order.

    `split` is train, val, test or all; train and val of a project, which declares none, are those that a training on it
    alone uses. `every_object` takes in the frames of a project that show other objects than its first: for training
    that tells objects apart. Raises TrainingError for a folder of another layout and for a split that does not exist,
    naming those that do.
    """
    if not path.exists():
        raise TrainingError(f"There is no folder {path}; check the path of the dataset.")
    examples = project_examples(path, every_object=True) if every_object and is_project(path) else examples_of(path)
    if split == "all":
        return examples
    if split in ("train", "val") and is_project(path):
        examples = with_splits(examples)
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


def with_splits(examples: Sequence[Example], *, near_duplicates: bool = False) -> list[Example]:
    """Give every example a split, by its group, so that no group and no file stands on two sides.

    A group is what shares a patient, a near-duplicate or a file, the same bytes under another name too, across all
    datasets given. It stands where its strictest member was declared (test, then val, then train), else where the hash
    of its name puts it: 80 % train, 20 % val, the same on every machine. `near_duplicates` looks for those that nobody
    declared as well, which reads every image once.
    """
    groups = groups_of(examples, near_duplicates=near_duplicates)
    declared: dict[str, list[Split]] = defaultdict(list)
    for example, group in zip(examples, groups, strict=True):
        if example.split:
            declared[group].append(example.split)
    known = {group: strictest(splits) for group, splits in declared.items()}
    sides = {group: known.get(group) or split_of_group(group) for group in groups}
    sides = with_both_sides(sides, Counter(groups), fixed=frozenset(known))
    moved = sum(
        bool(example.split) and example.split != known[group] for example, group in zip(examples, groups, strict=True)
    )
    if moved:
        logger.warning("%d images share a group with images of a stricter split and were moved to it.", moved)
    return [replace(example, split=sides[group]) for example, group in zip(examples, groups, strict=True)]


def groups_of(examples: Sequence[Example], *, near_duplicates: bool = False) -> list[str]:
    """Return for each example the name of its group: what shares a patient, a near-duplicate or a file.

    `near_duplicates` looks for those that the data does not declare.
    """
    files = file_marks(examples)
    near = near_marks(examples) if near_duplicates else [[] for _ in examples]
    return joined([[example.group, *a, *b] for example, a, b in zip(examples, files, near, strict=True)])
