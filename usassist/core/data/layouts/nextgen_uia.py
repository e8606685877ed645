"""NextGen-UIA's data: one pool of images and masks, and for each task and dataset the lists that choose from it.

`all/images`, `all/masks`, `segmentation/<D>/{train,val,test}.txt` with a file name a line, and
`classification/<D>/labels.csv` with rows `file,label` and no header, beside lists of the same names. Its captions
(`finetune/*.jsonl`) pair with texts, not masks, and are read where captions are.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from usassist.core.data.example import Example
from usassist.core.data.labels import SPLITS
from usassist.core.data.layouts.layout import Layout, require_there, with_masks
from usassist.core.data.pairing import pair_masks
from usassist.core.data.splits import Split
from usassist.core.data.tables import read_pairs, read_text, relative_name
from usassist.core.errors import TrainingError
from usassist.core.io.find import find_sources
from usassist.core.io.natural import natural_key

_SEGMENTATION, _CLASSIFICATION = "segmentation", "classification"
_CLASS_OF = {"0": "benign", "1": "malignant"}
"""What the numbers in the published tables stand for; other labels are taken as names."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Which part of the data a path means: all of it, one task, or one dataset of one task."""

    root: Path
    task: str = ""
    dataset: str = ""

    @property
    def is_there(self) -> bool:
        """Return whether this is a place in a NextGen-UIA folder."""
        tasks = [self.task] if self.task else [_SEGMENTATION, _CLASSIFICATION]
        lists = any(t in (_SEGMENTATION, _CLASSIFICATION) and (self.root / t / self.dataset).is_dir() for t in tasks)
        return lists and (self.root / "all" / "images").is_dir()

    def folders(self) -> list[Path]:
        """Return the folders of lists, one a dataset; one that both tasks have stands under segmentation."""
        if self.dataset:
            return [self.root / self.task / self.dataset]
        if self.task:
            return _folders(self.root / self.task)
        segmented = _folders(self.root / _SEGMENTATION)
        known = {folder.name for folder in segmented}
        return segmented + [f for f in _folders(self.root / _CLASSIFICATION) if f.name not in known]


def recognises(path: Path) -> bool:
    """Return whether this is all of it, a task (`ROOT/segmentation`) or one dataset (`ROOT/segmentation/BUSI`)."""
    return _place(path) is not None


def examples(path: Path) -> list[Example]:
    """List the images that the lists at `path` name; those of segmentation need a mask. Raises TrainingError.

    The classes of a dataset come from its classification, where it has one. Every image is a group of its own, however
    many lists name it.
    """
    place = _place(path)
    lists = [_read(folder) for folder in place.folders()] if place else []
    if place is None or not lists:
        raise TrainingError(f"{path} holds no lists of images; expected {SPEC.expected}.")
    images = place.root / "all" / "images"
    sources = {source.relative: source for source in find_sources(images)}
    for listed in lists:
        require_there(listed.splits, sources, where=listed.where, folder=images)
    segmented = [name for listed in lists if listed.is_segmentation for name in listed.splits]
    paired = pair_masks(list(sources.values()), place.root / "all" / "masks", required=dict.fromkeys(segmented))
    found: list[tuple[Example, Path | None]] = [
        (
            Example(
                key=f"{listed.where.name}/{name}" + (f"#{frame}" if frame else ""),
                dataset=listed.where.name,
                source=sources[name],
                frame=frame,
                class_name=listed.classes.get(name, ""),
                split=split,
                group=f"{place.root.name}/{name}",
            ),
            mask,
        )
        for listed in lists
        for name, split in sorted(listed.splits.items(), key=lambda item: natural_key(item[0]))
        for frame, mask in paired.get(name, [(0, None)])
    ]
    return with_masks(found, place.root)


def _place(path: Path) -> _Place | None:
    whole = path.resolve()
    parts = (whole.parent.parent, whole.parent.name, whole.name)
    places = (_Place(whole), _Place(whole.parent, whole.name), _Place(*parts))
    return next((place for place in places if place.is_there), None)


def _folders(task: Path) -> list[Path]:
    if not task.is_dir():
        return []
    found = [folder for folder in task.iterdir() if folder.is_dir() and not folder.name.startswith(".")]
    return sorted(found, key=lambda folder: natural_key(folder.name))


@dataclass(frozen=True, slots=True)
class _List:
    """What the lists of one dataset say: the split of each image they name, "" without one, and its class."""

    where: Path
    splits: Mapping[str, Split | Literal[""]]
    classes: Mapping[str, str]

    @property
    def is_segmentation(self) -> bool:
        """Return whether these lists are for segmentation."""
        return self.where.parent.name == _SEGMENTATION


def _read(folder: Path) -> _List:
    splits: dict[str, Split | Literal[""]] = {}
    for split in SPLITS:
        table = folder / f"{split}.txt"
        for line, name in _lines(table):
            if splits.setdefault(name, split) != split:
                raise TrainingError(
                    f"{table}, line {line}: {name} is in {splits[name]}.txt as well; an image is in one split."
                )
    classes = _classes(folder.parent.parent / _CLASSIFICATION / folder.name / "labels.csv")
    if folder.parent.name == _CLASSIFICATION:
        splits = {**dict.fromkeys(classes, ""), **splits}
    if not splits:
        raise TrainingError(f"{folder} lists no image; expected train.txt, val.txt and test.txt, a name a line.")
    return _List(folder, splits, classes)


def _lines(table: Path) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(read_text(table).splitlines() if table.is_file() else (), start=1):
        if line.strip():
            yield number, relative_name(line.strip(), where=f"{table}, line {number}")


def _classes(table: Path) -> dict[str, str]:
    classes: dict[str, str] = {}
    for line, file, label in read_pairs(table) if table.is_file() else ():
        if line == 1 and file.lower() in ("file", "filename", "image", "name"):
            continue  # some copies have a header all the same
        name, class_name = relative_name(file, where=f"{table}, line {line}"), _CLASS_OF.get(label, label)
        if classes.setdefault(name, class_name) != class_name:
            raise TrainingError(
                f"{table}, line {line}: {name} is {class_name} here and {classes[name]} above; keep one."
            )
    return classes


SPEC = Layout(
    name="nextgen_uia",
    expected="the NextGen-UIA layout: all/images, all/masks, segmentation/<D>/{train,val,test}.txt and "
    "classification/<D>/labels.csv (the folder of one <D> is a dataset too)",
    recognises=recognises,
    examples=examples,
)
