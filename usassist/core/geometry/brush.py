"""What a round brush covers."""

import math

import numpy as np
import numpy.typing as npt

from usassist.core.domain import Box, Mask
from usassist.core.errors import UsassistError

_TOUCH = 1e-9
"""Centres at exactly the radius belong to the stroke, whatever the rounding of the last bit."""


def stroke_mask(points: npt.NDArray[np.float64], radius: float, shape: tuple[int, int]) -> Mask:
    """Return the pixels whose centre is at most `radius` pixels from a line of points: a disc for a single point.

    `points` is Nx2 (x, y), pixel centres at integers; parts beyond the frame of `shape` (rows, columns) are cut off.
    Work and memory go with the stroke's own box. Raises UsassistError for a point that is not finite or a radius that
    is not positive.
    """
    line = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    if not (np.isfinite(line).all() and math.isfinite(radius) and radius > 0):
        raise UsassistError(f"A brush stroke needs finite points and a positive radius; found the radius {radius}.")
    if len(line) == 0:
        return Mask.empty(shape)
    reach = radius + _TOUCH
    box = _reached(line, reach, shape)
    if box.is_empty:
        return Mask.empty(shape)
    start, stop = (line, line) if len(line) == 1 else (line[:-1], line[1:])
    segment, row = _rows_reached(start, stop, reach, box)
    low, high = _intervals(start[segment], stop[segment], row, reach)
    first = np.clip(np.ceil(low), box.left, box.right).astype(np.intp) - box.left
    last = np.clip(np.floor(high) + 1, box.left, box.right).astype(np.intp) - box.left
    kept = last > first
    base = (row[kept] - box.top) * (box.width + 1)
    size = box.height * (box.width + 1)
    change = np.bincount(base + first[kept], minlength=size) - np.bincount(base + last[kept], minlength=size)
    covered = np.cumsum(change.reshape(box.height, box.width + 1)[:, :-1], axis=1) > 0
    return Mask(shape, (box.top, box.left), covered).tight()


def _reached(line: npt.NDArray[np.float64], reach: float, shape: tuple[int, int]) -> Box:
    limit = np.array([shape[1], shape[0]], dtype=np.float64)
    low = np.clip(np.ceil(line.min(axis=0) - reach), 0, limit)
    high = np.clip(np.floor(line.max(axis=0) + reach) + 1, low, limit)
    return Box(int(low[1]), int(low[0]), int(high[1]), int(high[0]))


def _rows_reached(
    start: npt.NDArray[np.float64], stop: npt.NDArray[np.float64], reach: float, box: Box
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return (segment, row) for every row of the box that each segment's capsule can touch."""
    first = np.clip(np.ceil(np.minimum(start[:, 1], stop[:, 1]) - reach), box.top, box.bottom).astype(np.intp)
    last = np.clip(np.floor(np.maximum(start[:, 1], stop[:, 1]) + reach) + 1, first, box.bottom).astype(np.intp)
    count = last - first
    segment = np.repeat(np.arange(len(count)), count)
    row = np.arange(len(segment)) - np.repeat(np.cumsum(count) - count, count) + first[segment]
    return segment, row


def _intervals(
    a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], row: npt.NDArray[np.intp], reach: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the x interval in which each capsule from `a` to `b` meets its row.

    A capsule is convex, so the interval is the hull of what its two discs and the slab between them give.
    """
    low = np.full(len(row), np.inf)
    high = np.full(len(row), -np.inf)
    for end in (a, b):
        rest = reach * reach - (row - end[:, 1]) ** 2
        half = np.sqrt(np.maximum(rest, 0.0))
        low = np.where(rest >= 0, np.minimum(low, end[:, 0] - half), low)
        high = np.where(rest >= 0, np.maximum(high, end[:, 0] + half), high)

    length = np.hypot(b[:, 0] - a[:, 0], b[:, 1] - a[:, 1])
    unit = (b - a) / np.where(length > 0, length, 1.0)[:, None]
    dy = row - a[:, 1]
    # Along the segment: 0 <= (x - ax) ux + dy uy <= length; across it: -reach <= (x - ax) uy - dy ux <= reach.
    along = _between(unit[:, 0], -dy * unit[:, 1], length - dy * unit[:, 1])
    across = _between(unit[:, 1], dy * unit[:, 0] - reach, dy * unit[:, 0] + reach)
    slab_low, slab_high = np.maximum(along[0], across[0]), np.minimum(along[1], across[1])
    held = (slab_low <= slab_high) & (length > 0)
    low = np.where(held, np.minimum(low, a[:, 0] + slab_low), low)
    high = np.where(held, np.maximum(high, a[:, 0] + slab_high), high)
    return np.where(high >= low, low, 0.0), np.where(high >= low, high, -1.0)


def _between(
    factor: npt.NDArray[np.float64], low: npt.NDArray[np.float64], high: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the interval of t with `low <= factor * t <= high`: (inf, -inf) where there is none."""
    flat = np.abs(factor) < 1e-12
    free = flat & (low <= 0) & (high >= 0)
    safe = np.where(flat, 1.0, factor)
    one, two = low / safe, high / safe
    lower = np.where(flat, np.where(free, -np.inf, np.inf), np.minimum(one, two))
    upper = np.where(flat, np.where(free, np.inf, -np.inf), np.maximum(one, two))
    return lower, upper
