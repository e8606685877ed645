"""CoTexNet's data: images and masks in one folder each, and a table for each split that pairs them by name.

`{train,val,test}_data.csv` have the columns `dataset`, `img_name` and `mask_name`. `ROIs` are images cut out with the
truth, so they are never read: what is evaluated may not see them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from usassist.core.data.example import Example
from usassist.core.data.labels import SPLITS
from usassist.core.data.layouts.layout import Layout, require_there, with_masks
from usassist.core.data.splits import Split
from usassist.core.data.tables import read_table, relative_name, require_columns
from usassist.core.errors import TrainingError
from usassist.core.io.find import find_sources

_COLUMNS = ("dataset", "img_name", "mask_name")


@dataclass(frozen=True, slots=True)
class _Pair:
    """A row: the image and mask by their names in `images` and `masks`."""

    table: Path
    line: int
    split: Split
    dataset: str
    image: str
    mask: str


def recognises(path: Path) -> bool:
    """Return whether there are both folders and at least one of the tables."""
    return (path / "images").is_dir() and (path / "masks").is_dir() and bool(_tables(path))


def examples(path: Path) -> list[Example]:
    """List the rows of the tables, split by split, each image a group of its own. Raises TrainingError."""
    sources = {source.relative: source for source in find_sources(path / "images")}
    pairs = [pair for split, table in _tables(path).items() for pair in _pairs(split, table)]
    for table in _tables(path).values():
        names = [pair.image for pair in pairs if pair.table == table]
        require_there(names, sources, where=table, folder=path / "images")
    seen: dict[str, _Pair] = {}
    found: list[tuple[Example, Path | None]] = []
    for pair in pairs:
        _require_once(seen.setdefault(pair.image, pair), pair)
        mask = path / "masks" / pair.mask
        if not mask.is_file():
            raise TrainingError(
                f"{pair.table}, line {pair.line}: the mask {pair.mask} of {pair.image} is not in {mask.parent}; "
                f"copy it again or correct the row."
            )
        name = pair.dataset or path.resolve().name
        example = Example(
            key=f"{name}/{pair.image}",
            dataset=name,
            source=sources[pair.image],
            frame=0,
            split=pair.split,
            group=f"{path.resolve().name}/{pair.image}",
        )
        found.append((example, mask))
    return with_masks(found, path)


def _tables(path: Path) -> dict[Split, Path]:
    """Return the table of each split that has one, in the folder itself or in `data_process`, as published."""
    places = [(split, folder / f"{split}_data.csv") for split in SPLITS for folder in (path / "data_process", path)]
    return {split: table for split, table in places if table.is_file()}


def _pairs(split: Split, table: Path) -> Iterator[_Pair]:
    columns, rows = read_table(table)
    require_columns(table, columns, _COLUMNS)
    for row in rows:
        if any(row.cells.values()):
            where = f"{table}, line {row.line}"
            dataset, image, mask = (row.cells[column] for column in _COLUMNS)
            image, mask = relative_name(image, where=where), relative_name(mask, where=where)
            yield _Pair(table, row.line, split, dataset, image, mask)


def _require_once(first: _Pair, pair: _Pair) -> None:
    if first is not pair:
        raise TrainingError(
            f"{pair.table}, line {pair.line}: {pair.image} with the mask {pair.mask} is in {first.table.name}, line "
            f"{first.line}, already, with the mask {first.mask}; keep one row, with an index mask for several objects."
        )


SPEC = Layout(
    name="cotexnet",
    expected="the CoTexNet layout: images, masks and {train,val,test}_data.csv with the columns dataset, img_name and "
    "mask_name",
    recognises=recognises,
    examples=examples,
)
