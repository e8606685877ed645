"""Where a person would click next to correct a mask: the middle of its largest mistake."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from usassist.core.errors import UsassistError
from usassist.core.geometry.cv import cv2

Bits = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Click:
    """A click in the middle of pixel (x, y); `positive` where the pixel belongs to the object."""

    x: int
    y: int
    positive: bool


def largest_mistake(found: Bits, truth: Bits) -> tuple[Bits, bool] | None:
    """Return the largest 4-connected part (HxW) that is missing or too much, and whether it is missing; None for none.

    Of parts of one size a missing one comes first. Raises UsassistError where the masks differ in size.
    """
    if found.shape != truth.shape:
        raise UsassistError(f"A mask of {found.shape} cannot be corrected to one of {truth.shape}; use one size.")
    best: tuple[Bits, bool] | None = None
    most = 0
    for wrong, missing in ((truth & ~found, True), (found & ~truth, False)):
        _, labels, stats, _ = cv2.connectedComponentsWithStats(wrong.astype(np.uint8), connectivity=4)
        areas = stats[1:, cv2.CC_STAT_AREA]
        if len(areas) and int(areas.max()) > most:
            most = int(areas.max())
            best = labels == 1 + int(areas.argmax()), missing
    return best


def depth_inside(part: Bits) -> npt.NDArray[np.float32]:
    """Return each pixel's distance in pixels to the nearest one outside the part; the frame's border is outside."""
    padded = np.pad(part, 1).astype(np.uint8)
    return np.asarray(cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1], dtype=np.float32)


def next_click(found: Bits, truth: Bits) -> Click | None:
    """Return the click that corrects most: the point deepest inside the largest mistake; None where there is none.

    `found` and `truth` are HxW bool. The first of equally deep points in reading order.
    """
    mistake = largest_mistake(found, truth)
    if mistake is None:
        return None
    part, missing = mistake
    row, col = np.unravel_index(int(depth_inside(part).argmax()), part.shape)
    return Click(int(col), int(row), positive=missing)
