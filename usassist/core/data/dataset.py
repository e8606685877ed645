"""Dataset folders and usassist projects as one list of examples."""

import csv
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from usassist.core.data.splits import split_of_group
from usassist.core.domain import Mask, Source
from usassist.core.errors import TrainingError, UsassistError
from usassist.core.exchange.png_mask import read_mask
from usassist.core.io.display import to_grey8
from usassist.core.io.open_study import find_sources, open_source
from usassist.core.project.store import is_project

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True)
class Example:
    """One frame with its truth: what a dataset or a project knows about it.

    `truth` reads the mask as an HxW bool array when it is needed; it is never an input to what is evaluated.
    `group` stands for a patient: near-duplicates share it. `split` is "" where the data has none.
    """

    key: str
    dataset: str
    source: Source
    frame: int
    truth: Callable[[tuple[int, int]], npt.NDArray[np.bool_]]
    class_name: str = ""
    caption: str = ""
    split: str = ""
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
    rows = _read_labels(path / "labels.csv")
    masks = {mask.stem: mask for mask in sorted((path / "masks").iterdir()) if mask.is_file()}
    cines: dict[str, list[tuple[int, Path]]] = {}
    for stem, mask in masks.items():
        clip, _, index = stem.rpartition("_")
        if len(index) == 4 and index.isdecimal():
            cines.setdefault(clip, []).append((int(index), mask))
    examples: list[Example] = []
    missing: list[str] = []
    for source in find_sources(path / "images"):
        stem, row = Path(source.relative).stem, rows.get(Path(source.relative).name, {})
        frames = [(0, masks[stem])] if stem in masks else cines.get(stem, [])
        if not frames:
            missing.append(source.relative)
        examples += [_folder_example(path.name, source, mask, row, frame=frame) for frame, mask in frames]
    if missing:
        raise TrainingError(
            f"{path}: {len(missing)} images have no mask of the same stem in masks/, for instance {missing[0]}; "
            f"add an empty mask for an image without an object, and STEM_0000.png and so on for a cine."
        )
    return examples


def _folder_example(dataset: str, source: Source, mask: Path, row: dict[str, str], *, frame: int) -> Example:
    group = row.get("dup_group") or f"{dataset}/{source.relative}"
    return Example(
        key=f"{dataset}/{source.relative}" + (f"#{frame}" if frame else ""),
        dataset=dataset,
        source=source,
        frame=frame,
        truth=lambda shape: read_mask(mask, shape=shape),
        class_name=row.get("class", ""),
        caption=row.get("caption", ""),
        split=row["split"] if row.get("split") in SPLITS else "",
        group=f"{dataset}/{group}",
        spacing_mm=_spacing(row),
    )


def _spacing(row: dict[str, str]) -> tuple[float, float] | None:
    try:
        spacing = float(row["spacing_row_mm"]), float(row["spacing_col_mm"])
    except (KeyError, ValueError):
        return None
    return spacing if min(spacing) > 0 else None


def _read_labels(path: Path) -> dict[str, dict[str, str]]:
    """Return the rows of labels.csv by file name; no file, no rows."""
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if "file" not in (reader.fieldnames or ()):
            raise TrainingError(f"{path}: expected a column 'file', found {', '.join(reader.fieldnames or ())}.")
        return {row["file"]: row for row in reader}


def with_splits(examples: Sequence[Example]) -> list[Example]:
    """Give examples without a split one by their group: 80 % train, 20 % val, the same on every machine."""
    return [e if e.split else replace(e, split=split_of_group(e.group)) for e in examples]


def union_truth(masks: Sequence[Mask], shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Return the union of masks as an HxW bool array. Raises UsassistError where a mask has another size."""
    out = np.zeros(shape, dtype=np.bool_)
    for mask in masks:
        if mask.shape != shape:
            raise UsassistError(f"A mask of {mask.shape} does not fit its frame of {shape}; re-annotate the frame.")
        out[mask.box.slices] |= mask.crop
    return out
