"""Dataset folders and usassist projects as one list of examples."""

import hashlib
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from usassist.core.data.labels import Row, match_rows, read_labels
from usassist.core.data.pairing import pair_masks
from usassist.core.data.splits import Split, joined, split_of_group, strictest, with_both_sides
from usassist.core.domain import Mask, Source
from usassist.core.errors import ReadError, TrainingError, UsassistError
from usassist.core.exchange.png_mask import read_mask
from usassist.core.io.display import to_grey8
from usassist.core.io.open_study import find_sources, hash_source, open_source
from usassist.core.project.store import is_project

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Example:
    """One frame with its truth: what a dataset or a project knows about it.

    `truth` reads the mask as an HxW bool array when it is needed; it is never an input to what is evaluated.
    `group` stands for a patient: near-duplicates share it. `split` is train, val, test, or "" where the data has none.
    `spacing_mm` is (row, col) as the dataset declares it.
    """

    key: str
    dataset: str
    source: Source
    frame: int
    truth: Callable[[tuple[int, int]], npt.NDArray[np.bool_]]
    class_name: str = ""
    caption: str = ""
    split: Split | Literal[""] = ""
    group: str = ""
    spacing_mm: tuple[float, float] | None = None

    def read_grey(self) -> npt.NDArray[np.uint8]:
        """Decode the frame as HxW uint8. Raises ReadError."""
        reader = open_source(self.source)
        try:
            return to_grey8(reader.frame(self.frame))
        finally:
            reader.close()

    def read_truth(self, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
        """Read the truth of a frame of (rows, columns). Raises ExchangeError where the sizes differ."""
        return self.truth(shape)


def load(path: Path, *, split: str = "all") -> list[Example]:
    """List the examples of a dataset folder or project, in natural order.

    `split` is train, val, test or all. Raises TrainingError for a folder of another layout and for a split that
    does not exist, naming those that do.
    """
    if is_project(path):
        # Imported here: a project is read through its own room, which a plain folder never needs.
        from usassist.core.data.project_examples import project_examples

        examples = project_examples(path)
    elif not path.exists():
        raise TrainingError(f"There is no folder {path}; check the path of the dataset.")
    elif (path / "images").is_dir() and (path / "masks").is_dir():
        examples = _folder_examples(path)
    else:
        raise TrainingError(
            f"{path} is not a dataset: expected a usassist project, or a folder with images/ and masks/ of the same "
            f"stems and optionally labels.csv."
        )
    if split == "all":
        return examples
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


def _folder_examples(path: Path) -> list[Example]:
    sources, name = find_sources(path / "images"), path.resolve().name
    paired = pair_masks(sources, path / "masks")
    table = path / "labels.csv"
    rows = match_rows(read_labels(table), [source.relative for source in sources], where=table)
    return [
        _folder_example(name, source, mask, rows.get(source.relative, Row()), frame=frame)
        for source in sources
        for frame, mask in paired[source.relative]
    ]


def _folder_example(dataset: str, source: Source, mask: Path, row: Row, *, frame: int) -> Example:
    group = row.group or f"{dataset}/{source.relative}"
    return Example(
        key=f"{dataset}/{source.relative}" + (f"#{frame}" if frame else ""),
        dataset=dataset,
        source=source,
        frame=frame,
        truth=lambda shape: read_mask(mask, shape=shape),
        class_name=row.class_name,
        caption=row.caption,
        split=row.split or "",
        group=f"{dataset}/{group}",
        spacing_mm=row.spacing_mm,
    )


def with_splits(examples: Sequence[Example]) -> list[Example]:
    """Give every example a split, by its group, so that no group and no file stands on two sides.

    A group is what shares a patient, a near-duplicate or a file, the same bytes under another name too, across all
    datasets given. It stands where its strictest member was declared (test, then val, then train), else where the hash
    of its name puts it: 80 % train, 20 % val, the same on every machine.
    """
    groups = joined([[example.group, *marks] for example, marks in zip(examples, _file_marks(examples), strict=True)])
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


def _file_marks(examples: Sequence[Example]) -> list[list[str]]:
    """Return for each example names of its file: its path and, where sizes are equal, its bytes.

    They begin with a character that sorts behind every group's name, so that they never name a group.
    """
    files = {example.source.path.resolve(): example.source for example in examples}
    sizes = Counter(source.size for source in files.values())
    marks = {
        path: [f"\uffff{path}", *(_content_mark(source) if sizes[source.size] > 1 else [])]
        for path, source in files.items()
    }
    return [marks[example.source.path.resolve()] for example in examples]


def _content_mark(source: Source) -> list[str]:
    try:
        return [f"\uffff{source.sha256 or hash_source(source)}"]
    except ReadError:  # said again, with its reason, when the image is read
        return []


def union_truth(masks: Sequence[Mask], shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Return the union of masks as an HxW bool array. Raises UsassistError where a mask has another size."""
    out = np.zeros(shape, dtype=np.bool_)
    for mask in masks:
        if mask.shape != shape:
            raise UsassistError(f"A mask of {mask.shape} does not fit its frame of {shape}; re-annotate the frame.")
        out[mask.box.slices] |= mask.crop
    return out
