"""Which objects the masks of a dataset tell apart: `classes.csv`, else the values that its masks hold."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from usassist.core.data.tables import TableRow, read_table, require_columns
from usassist.core.domain import Region
from usassist.core.errors import ExchangeError, TrainingError, UsassistError
from usassist.core.exchange.png_mask import Value, mask_values, read_index, read_mask, require_size

logger = logging.getLogger(__name__)

ONE_OBJECT = "object"
"""What the single object of a dataset is called that names none."""
CLASSES_FILE = "classes.csv"
_BACKGROUND = frozenset({"", "background"})
_MOST_OBJECTS = 254


class ObjectTruth(Protocol):
    """The truth of one frame with its objects told apart."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the indices 1, 2, ...; the same for every frame of a dataset."""

    def read(self, shape: tuple[int, int]) -> npt.NDArray[np.uint8]:
        """Return an HxW uint8 array of indices into `names`, from 1, 0 for none. Raises UsassistError."""

    def require_size(self, shape: tuple[int, int]) -> None:
        """Raise UsassistError for another size than `shape` (rows, columns); cheaper than `read`."""


@dataclass(frozen=True, slots=True)
class Legend:
    """What the values of masks mean: index 0 is background, i is `names[i - 1]`; without `values`, one object."""

    names: tuple[str, ...]
    values: Mapping[Value, int] = field(default_factory=dict)


@dataclass(frozen=True)
class FolderLegend:
    """The legend of a dataset's masks: `declared` by its classes.csv, else found in all of them when it is asked for.

    Every mask has a say, because one that shows two of three objects cannot tell which two.
    """

    masks: tuple[Path, ...]
    declared: Legend | None = None

    @cached_property
    def legend(self) -> Legend:
        """Return what the values mean; the first call reads every mask of a dataset without classes.csv."""
        return self.declared or found_legend(self.masks)


@dataclass(frozen=True, slots=True)
class MaskFile:
    """The truth of one frame in a mask file."""

    path: Path
    folder: FolderLegend

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the dataset's objects."""
        return self.folder.legend.names

    def read(self, shape: tuple[int, int]) -> npt.NDArray[np.uint8]:
        """Return the index of each pixel. Raises ExchangeError for another size and for a value without a name."""
        values = self.folder.legend.values
        return read_index(self.path, shape=shape, values=values) if values else self.any(shape).astype(np.uint8)

    def require_size(self, shape: tuple[int, int]) -> None:
        """Raise ExchangeError for another size, and for a file that is no mask at first sight."""
        require_size(self.path, shape)

    def any(self, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
        """Return where any object is, HxW bool: the rules of `read_mask`, except where classes.csv says more."""
        declared = self.folder.declared
        if declared is not None and declared.values:
            return read_index(self.path, shape=shape, values=declared.values) > 0
        return read_mask(self.path, shape=shape)


@dataclass(frozen=True, slots=True)
class RegionTruth:
    """The truth of one frame in the regions that a reader drew; `names` are label ids."""

    regions: tuple[Region, ...]
    names: tuple[str, ...]

    def read(self, shape: tuple[int, int]) -> npt.NDArray[np.uint8]:
        """Return the index of each pixel; of regions that overlap, the smaller one is on top."""
        self.require_size(shape)
        out = np.zeros(shape, dtype=np.uint8)
        wanted = [region for region in self.regions if region.label_id in self.names]
        for region in sorted(wanted, key=lambda region: -int(np.count_nonzero(region.mask.crop))):
            mask = region.mask
            out[mask.box.slices][mask.crop] = self.names.index(region.label_id) + 1
        return out

    def require_size(self, shape: tuple[int, int]) -> None:
        """Raise UsassistError where a region was drawn on a frame of another size."""
        for region in self.regions:
            if region.label_id in self.names and region.mask.shape != shape:
                raise UsassistError(
                    f"A mask of {region.mask.shape} does not fit its frame of {shape}; re-annotate the frame."
                )


def read_legend(folder: Path) -> Legend | None:
    """Return what `classes.csv` of a dataset folder says, None where there is none.

    Its columns are `value,name` or `r,g,b,name`, a row for each value in the order of the indices; a name may have
    several values, and a blank name or "background" is none. Raises TrainingError.
    """
    path = folder / CLASSES_FILE
    if not path.is_file():
        return None
    columns, rows = read_table(path)
    require_columns(path, columns, ["name"])
    require_columns(path, columns, ["value"] if "r" not in columns else ["r", "g", "b"])
    values: dict[Value, int] = {}
    names: dict[str, int] = {}
    for row in rows:
        value, name = _value(row, where=f"{path}, line {row.line}"), row.cells["name"]
        if value in values:
            raise TrainingError(f"{path}, line {row.line}: the value {value} is named twice; keep one row.")
        values[value] = 0 if name.lower() in _BACKGROUND else names.setdefault(name, len(names) + 1)
    if not 0 < len(names) <= _MOST_OBJECTS:
        raise TrainingError(f"{path} names {len(names)} objects; expected 1 to {_MOST_OBJECTS}.")
    # One object is what any mask of two values shows, whichever they are.
    return Legend(tuple(names), values if len(names) > 1 else {})


def found_legend(masks: Iterable[Path]) -> Legend:
    """Return what the masks of a dataset themselves tell: one object, unless a mask must be several.

    Objects are then called by their value, or "#rrggbb", and stand in that order. Masks that cannot be read are left
    to who reads them.
    """
    values: set[Value] = set()
    several = False
    for path in masks:
        try:
            found = mask_values(path)
        except ExchangeError as fault:
            logger.info("not asked for its values: %s", fault)
            continue
        values.update(found.values)
        several = several or found.several
    if not several:
        return Legend((ONE_OBJECT,))
    if any(isinstance(value, tuple) for value in values):
        values = {value if isinstance(value, tuple) else (value,) * 3 for value in values}
    order: list[Value] = sorted(values, key=lambda value: value if isinstance(value, tuple) else (value,))
    if len(order) > _MOST_OBJECTS:
        raise TrainingError(f"The masks hold {len(order)} values; name the objects among them in {CLASSES_FILE}.")
    return Legend(tuple(_name(value) for value in order), {value: index for index, value in enumerate(order, start=1)})


def _name(value: Value) -> str:
    return "#" + "".join(f"{part:02x}" for part in value) if isinstance(value, tuple) else str(value)


def _value(row: TableRow, *, where: str) -> Value:
    texts = [row.cells[key] for key in (("value",) if "value" in row.cells else ("r", "g", "b"))]
    most = 65535 if len(texts) == 1 else 255
    if not all(text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= most for text in texts):
        raise TrainingError(f"{where}: expected whole numbers from 0 to {most}, found {', '.join(texts)}.")
    return int(texts[0]) if len(texts) == 1 else (int(texts[0]), int(texts[1]), int(texts[2]))
