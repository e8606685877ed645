"""How far the borders of two masks are apart.

A mask's surface is the set of its pixels that its 4-connected erosion removes; beyond the frame is background, so
pixels of the mask at the frame's border belong to it. A distance runs between pixel centres, from each surface pixel to
the nearest surface pixel of the other mask, and is exact. DeepMind's `surface-distance` is the model for the meaning of
HD95 and NSD (two directed percentiles, the larger counts; both surfaces in one share), with one difference: it puts
surface elements on pixel corners and weighs them by their length, here every surface pixel counts once. On distorted
truths of 65 breast lesions the two were 0.1 px of HD95 and 0.02 of NSD apart, at most 0.6 px and 0.05.

Both masks empty: distances 0 and NSD 1. One empty: distances are the diagonal of the frame and NSD is 0.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from usassist.core.domain import Box
from usassist.core.errors import UsassistError
from usassist.core.geometry.cv import cv2
from usassist.core.geometry.raster import pixels_in
from usassist.core.metrics.overlap import Pixels, as_mask, require_same_frame

Spacing = tuple[float, float]
"""(row, col) size of a pixel, in mm."""

_CV2_REACH = 1500
"""Up to this many pixels a float32 root can be rounded back to the integer it is the root of; past 2048 it cannot."""

_CHUNK = 1 << 21
"""Distances held at once by the search along rows: 16 MB."""


@dataclass(frozen=True, eq=False)
class SurfaceDistances:
    """The distances from each surface to the other: float64, unordered; empty where a mask is.

    `missing` is what a distance is where one of the masks is empty: 0 where both are, else the frame's diagonal.
    """

    from_truth: npt.NDArray[np.float64]
    from_pred: npt.NDArray[np.float64]
    missing: float

    def scaled(self, size: float) -> "SurfaceDistances":
        """Return the distances in another unit, from pixels to mm for instance: each times `size`."""
        return SurfaceDistances(self.from_truth * size, self.from_pred * size, self.missing * size)

    @property
    def hd95(self) -> float:
        """Return the larger of the two directed 95th percentiles (linear interpolation between order statistics)."""
        if self.from_truth.size == 0 or self.from_pred.size == 0:
            return self.missing
        return float(max(np.percentile(self.from_truth, 95), np.percentile(self.from_pred, 95)))

    @property
    def assd(self) -> float:
        """Return the mean over the distances of both directions taken together."""
        if self.from_truth.size == 0 or self.from_pred.size == 0:
            return self.missing
        return float((self.from_truth.sum() + self.from_pred.sum()) / (self.from_truth.size + self.from_pred.size))

    def nsd(self, tolerance: float) -> float:
        """Return the share of both surfaces, 0 to 1, that lies at most `tolerance` from the other one."""
        if self.from_truth.size == 0 or self.from_pred.size == 0:
            return float(self.missing == 0)
        near = np.count_nonzero(self.from_truth <= tolerance) + np.count_nonzero(self.from_pred <= tolerance)
        return float(near / (self.from_truth.size + self.from_pred.size))


def surface(pixels: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return the pixels of an HxW bool mask that its 4-connected erosion removes.

    >>> surface(np.ones((5, 5), dtype=bool)).astype(int)
    array([[1, 1, 1, 1, 1],
           [1, 0, 0, 0, 1],
           [1, 0, 0, 0, 1],
           [1, 0, 0, 0, 1],
           [1, 1, 1, 1, 1]])
    """
    wide = np.pad(pixels, 1)
    inner = wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:]
    return pixels & ~inner


def surface_distances(truth: Pixels, pred: Pixels, *, spacing_mm: Spacing | None = None) -> SurfaceDistances:
    """Return the distances between the surfaces of two masks: in pixels, or in mm where a spacing is given.

    Raises UsassistError for masks of unequal sizes and for a spacing that is not positive.
    """
    require_same_frame(truth, pred)
    a, b = as_mask(truth), as_mask(pred)
    spacing = (1.0, 1.0) if spacing_mm is None else spacing_mm
    if not all(math.isfinite(step) and step > 0 for step in spacing):
        raise UsassistError(f"The spacing is two positive numbers of mm per pixel; found {spacing_mm}.")
    nothing = np.zeros(0, dtype=np.float64)
    if a.is_empty or b.is_empty:
        diagonal = math.hypot(a.shape[0] * spacing[0], a.shape[1] * spacing[1])
        return SurfaceDistances(nothing, nothing, 0.0 if a.is_empty and b.is_empty else diagonal)
    # Nothing outside the box around both masks can be a surface or lie between two of them.
    box = a.box.union(b.box)
    surface_a, surface_b = surface(pixels_in(a, box)), surface(pixels_in(b, box))
    return SurfaceDistances(
        _to_nearest(surface_a, surface_b, spacing, box), _to_nearest(surface_b, surface_a, spacing, box), 0.0
    )


def hd95(truth: Pixels, pred: Pixels, *, spacing_mm: Spacing | None = None) -> float:
    """Return the 95th percentile Hausdorff distance, in pixels, or in mm where a spacing is given.

    >>> a = np.zeros((5, 5), dtype=bool); a[2, 2] = True
    >>> b = np.zeros((5, 5), dtype=bool); b[2, 4] = True
    >>> hd95(a, b), hd95(a, b, spacing_mm=(0.1, 0.5))
    (2.0, 1.0)
    >>> hd95(a & False, b & False), round(hd95(a, b & False), 4)
    (0.0, 7.0711)
    """
    return surface_distances(truth, pred, spacing_mm=spacing_mm).hd95


def assd(truth: Pixels, pred: Pixels, *, spacing_mm: Spacing | None = None) -> float:
    """Return the average symmetric surface distance, in pixels, or in mm where a spacing is given.

    >>> a = np.zeros((5, 5), dtype=bool); a[0, 0] = True
    >>> b = np.zeros((5, 5), dtype=bool); b[0, :2] = True
    >>> round(assd(a, b), 4)
    0.3333
    """
    return surface_distances(truth, pred, spacing_mm=spacing_mm).assd


def nsd(truth: Pixels, pred: Pixels, *, tolerance: float = 2.0, spacing_mm: Spacing | None = None) -> float:
    """Return the normalised surface Dice at a tolerance in pixels, or in mm where a spacing is given.

    >>> a = np.zeros((5, 5), dtype=bool); a[0, 0] = True
    >>> b = np.zeros((5, 5), dtype=bool); b[0, :4] = True
    >>> nsd(a, b), nsd(a, b, tolerance=1.0)
    (0.8, 0.6)
    """
    return surface_distances(truth, pred, spacing_mm=spacing_mm).nsd(tolerance)


def _to_nearest(
    start: npt.NDArray[np.bool_], goal: npt.NDArray[np.bool_], spacing: Spacing, box: Box
) -> npt.NDArray[np.float64]:
    """Return the distance from each pixel of `start` to the nearest pixel of `goal`, both of the box's size."""
    if spacing[0] == spacing[1] and math.hypot(box.height, box.width) <= _CV2_REACH:
        field = cv2.distanceTransform((~goal).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        # OpenCV's float32 root is a hair off: between pixel centres the square is an integer.
        squared = np.rint(field[start].astype(np.float64) ** 2)
        return np.asarray(np.sqrt(squared) * spacing[0], dtype=np.float64)
    return _search_along_rows(start, goal, spacing)


def _search_along_rows(
    start: npt.NDArray[np.bool_], goal: npt.NDArray[np.bool_], spacing: Spacing
) -> npt.NDArray[np.float64]:
    """Return exact distances for any spacing: down the columns once, then along the row of each starting pixel."""
    height, width = goal.shape
    rows = np.arange(height, dtype=np.float64)[:, None]
    above = np.maximum.accumulate(np.where(goal, rows, -np.inf), axis=0)
    below = np.minimum.accumulate(np.where(goal, rows, np.inf)[::-1], axis=0)[::-1]
    down_squared = (np.minimum(rows - above, below - rows) * spacing[0]) ** 2
    across_squared = (np.arange(-width, width + 1) * spacing[1]) ** 2
    windows = np.lib.stride_tricks.sliding_window_view(across_squared, width)
    at_row, at_col = np.nonzero(start)
    nearest = np.empty(len(at_row), dtype=np.float64)
    step = max(1, _CHUNK // width)
    for first in range(0, len(at_row), step):
        part = slice(first, first + step)
        # Window `width - c` holds the squared distances from column c to columns 0, 1, ...
        candidates = down_squared[at_row[part]] + windows[width - at_col[part]]
        nearest[part] = candidates.min(axis=1)
    return np.sqrt(nearest)
