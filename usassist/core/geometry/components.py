"""The parts of a mask, and masks put together."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from usassist.core.domain import Mask
from usassist.core.errors import UsassistError
from usassist.core.geometry.cv import cv2
from usassist.core.geometry.raster import pixels_in


def components(mask: Mask) -> list[Mask]:
    """Return the 8-connected parts of a mask, the largest first; parts of one size in reading order."""
    if mask.is_empty:
        return []
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.crop.astype(np.uint8), connectivity=8)
    top, left = mask.origin
    parts = []
    for label in _by_size(stats):
        x, y, width, height = (int(value) for value in stats[label, :4])
        parts.append(Mask(mask.shape, (top + y, left + x), labels[y : y + height, x : x + width] == label))
    return parts


def keep_largest(mask: Mask, count: int = 1) -> Mask:
    """Return the `count` largest 8-connected parts as one mask; all of it where there are no more.

    Raises UsassistError for a negative count.
    """
    if count < 0:
        raise UsassistError(f"The number of parts to keep is 0 or more; found {count}.")
    if mask.is_empty or count == 0:
        return Mask.empty(mask.shape)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.crop.astype(np.uint8), connectivity=8)
    kept = np.zeros(len(stats), dtype=np.bool_)
    kept[_by_size(stats)[:count]] = True
    return Mask(mask.shape, mask.origin, kept[labels]).tight()


def fill_holes(mask: Mask) -> Mask:
    """Return the mask with its holes filled: background that no 4-connected path joins to the outside.

    A gap that reaches the border of the frame is open to the outside and stays.
    """
    if mask.is_empty:
        return mask
    background = np.pad(~mask.crop, 1, constant_values=True).astype(np.uint8)
    _, labels = cv2.connectedComponents(background, connectivity=4)
    return Mask(mask.shape, mask.origin, labels[1:-1, 1:-1] != labels[0, 0])


def union(a: Mask, b: Mask) -> Mask:
    """Return the pixels of either mask; raises UsassistError where the frames differ in size."""
    return _combine(a, b, np.logical_or)


def subtract(a: Mask, b: Mask) -> Mask:
    """Return the pixels of `a` that are not in `b`; raises UsassistError where the frames differ in size."""
    return _combine(a, b, np.greater)


def intersect(a: Mask, b: Mask) -> Mask:
    """Return the pixels of both masks; raises UsassistError where the frames differ in size."""
    return _combine(a, b, np.logical_and)


def _by_size(stats: npt.NDArray[np.int32]) -> npt.NDArray[np.intp]:
    """Return the labels of the parts, the largest first; 0 is the background."""
    areas = stats[1:, cv2.CC_STAT_AREA]
    corner = np.lexsort((stats[1:, cv2.CC_STAT_LEFT], stats[1:, cv2.CC_STAT_TOP], -areas))
    return corner + 1


def _combine(
    a: Mask,
    b: Mask,
    operation: Callable[[npt.NDArray[np.bool_], npt.NDArray[np.bool_]], npt.NDArray[np.bool_]],
) -> Mask:
    if a.shape != b.shape:
        raise UsassistError(
            f"Masks can be put together on one frame only; found frames of {a.shape} and {b.shape} rows and columns."
        )
    box = a.box.union(b.box)
    if box.is_empty:
        return Mask.empty(a.shape)
    pixels = operation(pixels_in(a, box), pixels_in(b, box))
    return Mask(a.shape, (box.top, box.left), pixels).tight()
