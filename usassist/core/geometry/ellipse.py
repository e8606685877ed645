"""The ellipse that has a mask's moments."""

import math
from dataclasses import dataclass

import numpy as np

from usassist.core.domain import Mask
from usassist.core.errors import UsassistError


@dataclass(frozen=True, slots=True)
class Ellipse:
    """An ellipse in pixels: centre (cx, cy), full axis lengths, and the major axis' angle.

    `angle_deg` runs from the x axis towards the y axis (clockwise on the screen), 0 <= angle < 180.
    """

    cx: float
    cy: float
    major: float
    minor: float
    angle_deg: float


def fit_ellipse(mask: Mask) -> Ellipse:
    """Return the ellipse with the same centre and second moments as the mask, each pixel a unit square.

    Raises UsassistError for an empty mask.
    """
    if mask.is_empty:
        raise UsassistError("An empty mask has no ellipse; draw something first.")
    rows, cols = np.nonzero(mask.crop)
    y, x = rows + float(mask.origin[0]), cols + float(mask.origin[1])
    cx, cy = float(x.mean()), float(y.mean())
    # 1/12 is the variance of a unit square: without it a line of pixels would have no width.
    xx = float(np.mean((x - cx) ** 2)) + 1 / 12
    yy = float(np.mean((y - cy) ** 2)) + 1 / 12
    xy = float(np.mean((x - cx) * (y - cy)))
    middle, spread = (xx + yy) / 2, math.hypot((xx - yy) / 2, xy)
    angle = math.degrees(0.5 * math.atan2(2 * xy, xx - yy)) % 180.0
    return Ellipse(cx, cy, 4 * math.sqrt(middle + spread), 4 * math.sqrt(max(middle - spread, 0.0)), angle)
