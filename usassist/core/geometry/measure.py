"""Sizes of a mask, in pixels always and in millimetres only where the file declares them."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from usassist.core.domain import Box, Frame, Mask
from usassist.core.errors import UsassistError
from usassist.core.geometry.cv import cv2
from usassist.core.geometry.raster import contours_of


@dataclass(frozen=True, slots=True)
class Measurement:
    """Sizes of a mask: `_px` in pixels, `_mm` and `_mm2` in millimetres, None where the spacing is not known.

    The long axis is the largest distance between two points of the outline, the short axis the outline's width across
    it. In millimetres both are found anew: with unequal spacing the long axis may point elsewhere. The perimeter counts
    every outline, holes too.
    """

    area_px: int
    long_axis_px: float
    short_axis_px: float
    perimeter_px: float
    area_mm2: float | None = None
    long_axis_mm: float | None = None
    short_axis_mm: float | None = None


def measure(mask: Mask, frame: Frame) -> Measurement:
    """Return the mask's sizes; in millimetres only where all of it lies in one scan region that has a length spacing.

    Raises UsassistError where the mask is of another size than the frame.
    """
    if mask.shape != frame.shape:
        raise UsassistError(
            f"A mask is measured on its own frame; found a mask of {mask.shape} on a frame of {frame.shape} rows and "
            "columns."
        )
    if mask.is_empty:
        return Measurement(0, 0.0, 0.0, 0.0)
    outline = np.concatenate([contour.points for contour in contours_of(mask)])
    long_px, short_px = _axes(outline)
    perimeter = _perimeter(mask)
    spacing = spacing_of(mask, frame)
    if spacing is None:
        return Measurement(mask.area, long_px, short_px, perimeter)
    long_mm, short_mm = _axes(outline * np.array([spacing[1], spacing[0]]))
    return Measurement(mask.area, long_px, short_px, perimeter, mask.area * spacing[0] * spacing[1], long_mm, short_mm)


def spacing_of(mask: Mask, frame: Frame) -> tuple[float, float] | None:
    """Return the (row, col) mm per pixel that holds for every pixel of the mask.

    None where the mask is empty, reaches over several scan regions or none, or lies where no length spacing is known.
    """
    if mask.is_empty:
        return None
    if not frame.regions:
        return frame.spacing_mm
    box = mask.box
    owner = np.full(mask.crop.shape, -1, dtype=np.intp)
    for index, region in enumerate(frame.regions):
        common = box.intersection(region.box)
        if not common.is_empty:
            local = Box(common.top - box.top, common.left - box.left, common.bottom - box.top, common.right - box.left)
            owner[local.slices] = index
    owners = np.unique(owner[mask.crop])
    if len(owners) != 1 or owners[0] < 0:
        return None
    return frame.regions[int(owners[0])].spacing_mm


def _axes(outline: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return the outline's largest diameter and its width across it, in the units of the points."""
    hull = outline[cv2.convexHull(outline.astype(np.float32), returnPoints=False).ravel()]
    apart = hull[:, None, :] - hull[None, :, :]
    squared = np.einsum("ijk,ijk->ij", apart, apart)
    i, j = np.unravel_index(int(np.argmax(squared)), squared.shape)
    long_axis = math.sqrt(float(squared[i, j]))
    direction = (hull[j] - hull[i]) / long_axis
    across = hull @ np.array([-direction[1], direction[0]])
    return long_axis, float(across.max() - across.min())


def _perimeter(mask: Mask) -> float:
    """Return the Cauchy-Crofton estimate from lines in four directions; pixel edges would make a circle 27 % longer."""
    pixels = np.pad(mask.crop, 1)
    enters_right = np.count_nonzero(~pixels[:, :-1] & pixels[:, 1:])
    enters_down = np.count_nonzero(~pixels[:-1] & pixels[1:])
    enters_falling = np.count_nonzero(~pixels[:-1, :-1] & pixels[1:, 1:])
    enters_rising = np.count_nonzero(~pixels[1:, :-1] & pixels[:-1, 1:])
    straight, oblique = int(enters_right + enters_down), int(enters_falling + enters_rising)
    return math.pi / 4 * (straight + oblique / math.sqrt(2))
