"""Which mask a place that is pointed at is about: one that it lies in or beside, or another object elsewhere."""

import numpy as np

from usassist.core.domain import Mask
from usassist.core.geometry.components import intersect

BESIDE = 0.25
"""A place further from a mask than this part of its longer side is about another object.

In BUSI and BrEaST (train and val) 25 of 26 middles of a second lesion lie further from the first one, the next at 0.33;
the middles of what a proposal misses of its lesion lie within 0.17 on val.
"""


def away_from(mask: Mask, x: float, y: float) -> float:
    """Return how many pixels lie between (x, y) and the middle of a mask's nearest pixel; infinity for an empty one."""
    if mask.is_empty:
        return float("inf")
    rows, cols = np.nonzero(mask.crop)
    top, left = mask.origin
    return float(np.sqrt(((rows + (top - y)) ** 2 + (cols + (left - x)) ** 2).min()))


def is_meant(mask: Mask, x: float, y: float, *, near: float = 0.0) -> bool:
    """Return whether a click at (x, y) is about a mask: at most `near` pixels or `BESIDE` away from it."""
    box = mask.tight().box
    return away_from(mask, x, y) <= max(near, BESIDE * max(box.height, box.width), 1.0)


def takes_over(answer: Mask, waiting: Mask) -> bool:
    """Return whether an answer holds more than half of an outline that waits: the two are one object, not two.

    Raises UsassistError where the frames differ in size.
    """
    return 2 * intersect(answer, waiting).area > waiting.area
