"""Pixel-exact masks, stored as the smallest box that holds them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from usassist.core.domain.box import Box
from usassist.core.errors import UsassistError


@dataclass(frozen=True, eq=False)
class Mask:
    """A binary mask of a whole frame: only the crop around its pixels is kept, so a small lesion costs little.

    `shape` is the frame's (rows, columns), `origin` the (row, col) of the crop's first pixel, `crop` a read-only
    bool array. Masks that are true at the same pixels of the same shape are equal, and hash equally.
    """

    shape: tuple[int, int]
    origin: tuple[int, int]
    crop: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        rows, cols = self.crop.shape if self.crop.ndim == 2 else (-1, -1)
        top, left = self.origin
        if (
            self.crop.dtype != np.bool_
            or min(rows, cols, top, left) < 0
            or top + rows > self.shape[0]
            or left + cols > self.shape[1]
        ):
            raise UsassistError(
                f"A mask crop is a 2-D bool array inside its frame of {self.shape}; found {self.crop.dtype} of shape "
                f"{self.crop.shape} at {self.origin}."
            )
        self.crop.flags.writeable = False

    @classmethod
    def from_array(cls, array: npt.NDArray[np.bool_]) -> "Mask":
        """Build from a full HxW bool array; the pixels are copied."""
        rows = np.flatnonzero(array.any(axis=1))
        if rows.size == 0:
            return cls.empty((array.shape[0], array.shape[1]))
        cols = np.flatnonzero(array.any(axis=0))
        top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(cols[0]), int(cols[-1]) + 1
        return cls((array.shape[0], array.shape[1]), (top, left), array[top:bottom, left:right].copy())

    @classmethod
    def empty(cls, shape: tuple[int, int]) -> "Mask":
        """Return the mask with no pixel."""
        return cls(shape, (0, 0), np.zeros((0, 0), dtype=np.bool_))

    def to_array(self) -> npt.NDArray[np.bool_]:
        """Return a new, writable HxW bool array."""
        full = np.zeros(self.shape, dtype=np.bool_)
        full[self.box.slices] = self.crop
        return full

    @property
    def box(self) -> Box:
        """Return the box the crop covers."""
        return Box(*self.origin, self.origin[0] + self.crop.shape[0], self.origin[1] + self.crop.shape[1])

    @cached_property
    def area(self) -> int:
        """Return the number of pixels."""
        return int(np.count_nonzero(self.crop))

    @property
    def is_empty(self) -> bool:
        return self.area == 0

    def contains(self, row: int, col: int) -> bool:
        """Return whether the pixel is in the mask."""
        return self.box.contains(row, col) and bool(self.crop[row - self.origin[0], col - self.origin[1]])

    def tight(self) -> "Mask":
        """Return the same mask with the smallest crop."""
        inner = Mask.from_array(self.crop)
        origin = (self.origin[0] + inner.origin[0], self.origin[1] + inner.origin[1]) if inner.area else (0, 0)
        return Mask(self.shape, origin, inner.crop)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mask):
            return NotImplemented
        mine, theirs = self.tight(), other.tight()
        return mine.shape == theirs.shape and mine.origin == theirs.origin and np.array_equal(mine.crop, theirs.crop)

    def __hash__(self) -> int:
        return hash((self.shape, self.area))


@dataclass(frozen=True, eq=False)
class Contour:
    """A line around or in a mask, never stored: `points` is Nx2 float64 (x, y) with pixel centres at integers."""

    points: npt.NDArray[np.float64]
    closed: bool = True

    def __post_init__(self) -> None:
        if self.points.ndim != 2 or self.points.shape[1] != 2 or self.points.dtype != np.float64:
            raise UsassistError(f"A contour is Nx2 float64; found {self.points.dtype} of shape {self.points.shape}.")
        self.points.flags.writeable = False
