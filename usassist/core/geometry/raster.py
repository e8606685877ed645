"""Masks to outlines and back, without losing a pixel.

Points are (x, y) with pixel centres at integers, so a pixel's corners lie at half-integers. Outlines run along the
pixels' edges, not through their centres: the centre line of `cv2.findContours` cannot tell a one-pixel hole or a thin
line from nothing.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from usassist.core.domain import Box, Contour, Mask
from usassist.core.errors import UsassistError


def pixels_in(mask: Mask, box: Box) -> npt.NDArray[np.bool_]:
    """Return the mask's pixels inside a box as a new, writable bool array of the box's size.

    The box may reach beyond the frame; there is nothing there.
    """
    out = np.zeros((box.height, box.width), dtype=np.bool_)
    common = box.intersection(mask.box)
    if not common.is_empty:
        top, left = mask.origin
        source = mask.crop[common.top - top : common.bottom - top, common.left - left : common.right - left]
        out[common.top - box.top : common.bottom - box.top, common.left - box.left : common.right - box.left] = source
    return out


def contours_of(mask: Mask) -> tuple[Contour, ...]:
    """Return the closed outlines of a mask: one ring around each 8-connected part and one around each of its holes.

    Only the points where the outline turns are kept. An outer ring has a positive shoelace area in (x, y) with y
    pointing down (clockwise on the screen), a hole a negative one. `mask_of(contours_of(m), m.shape) == m` always.
    """
    if mask.is_empty:
        return ()
    corners, tails, following = _turning_points(np.pad(mask.crop, 1))
    top, left = mask.origin
    # Corner (0, 0) of the padded crop's inner grid is the top left corner of the crop's first pixel.
    points = corners[:, ::-1] + np.array([left - 0.5, top - 0.5])
    return tuple(Contour(points[ring]) for ring in _rings(tails, following))


def mask_of(contours: Sequence[Contour], shape: tuple[int, int]) -> Mask:
    """Return the pixels whose centre lies inside an odd number of the closed contours; an open contour holds nothing.

    A centre exactly on an edge counts as inside on the left and upper side, and as outside on the right and lower side,
    so polygons that share an edge never share a pixel. Parts beyond the frame of `shape` (rows, columns) are cut off.
    Raises UsassistError for a point that is not finite.
    """
    rings = [contour.points for contour in contours if contour.closed and len(contour.points) >= 3]
    if not rings:
        return Mask.empty(shape)
    start = np.concatenate(rings)
    stop = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings])
    box = _pixel_box(start, shape)
    if box.is_empty:
        return Mask.empty(shape)
    rows, cols = _crossings(start, stop, box)
    # The spare column takes the crossings to the right of the box.
    flat = np.bincount(rows * (box.width + 1) + cols, minlength=box.height * (box.width + 1))
    toggles = flat.reshape(box.height, box.width + 1)[:, :-1]
    inside = (np.cumsum(toggles, axis=1) & 1).astype(np.bool_)
    return Mask(shape, (box.top, box.left), inside).tight()


def polygon_mask(points: npt.NDArray[np.float64], shape: tuple[int, int]) -> Mask:
    """Return the pixels whose centre lies inside a polygon that a person drew.

    `points` is Nx2 (x, y), closed by itself; where the line crosses itself the even-odd rule holds. Fewer than three
    points hold nothing. Raises UsassistError for a point that is not finite.
    """
    return mask_of((Contour(np.array(points, dtype=np.float64).reshape(-1, 2)),), shape)


def _turning_points(
    padded: npt.NDArray[np.bool_],
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the outline's turning points (row, col), the tail of each horizontal edge, and the tail that follows it.

    Along every grid line the turning points pair up into edges, so one sort by row and one by column link them all.
    Where two pixels touch at a corner only, the point appears twice, and both pixels join one ring.
    """
    above_left, above_right = padded[:-1, :-1], padded[:-1, 1:]
    below_left, below_right = padded[1:, :-1], padded[1:, 1:]
    falling = above_left & below_right & ~above_right & ~below_left
    rising = above_right & below_left & ~above_left & ~below_right
    turns = (above_left ^ above_right ^ below_left ^ below_right) | falling | rising
    single = np.argwhere(turns)
    twice = (falling | rising)[turns]
    corners = np.repeat(single, np.where(twice, 2, 1), axis=0)
    # In reading order the first copy of a doubled point ends the edge on its left, the second begins that on its right.
    second = np.zeros(len(corners), dtype=np.intp)
    second[1:] = (corners[1:] == corners[:-1]).all(axis=1)
    # The copy that ends the edge above comes first down the column: which one that is keeps the two pixels together.
    order = np.lexsort((second ^ falling[tuple(corners.T)], corners[:, 0], corners[:, 1]))
    down = np.empty(len(corners), dtype=np.intp)
    down[order[0::2]], down[order[1::2]] = order[1::2], order[0::2]

    lefts = np.arange(0, len(corners), 2)
    # Edges run to the right along the top of the mask and to the left along its bottom.
    rightwards = below_right[tuple(corners[lefts].T)]
    tails = np.where(rightwards, lefts, lefts + 1)
    following = down[tails ^ 1]
    return corners, tails, following


def _rings(tails: npt.NDArray[np.intp], following: npt.NDArray[np.intp]) -> list[npt.NDArray[np.intp]]:
    """Return the rings as indices of turning points; edge k runs from `tails[k]` to its neighbour `tails[k] ^ 1`."""
    tail_of, next_of = tails.tolist(), (following >> 1).tolist()
    seen = [False] * len(tail_of)
    rings = []
    for first in range(len(tail_of)):
        ring: list[int] = []
        edge = first
        while not seen[edge]:
            seen[edge] = True
            tail = tail_of[edge]
            ring += (tail, tail ^ 1)
            edge = next_of[edge]
        if ring:
            rings.append(np.array(ring, dtype=np.intp))
    return rings


def _pixel_box(points: npt.NDArray[np.float64], shape: tuple[int, int]) -> Box:
    """Return the box of the frame's pixels whose centres can lie inside the points' bounding box."""
    if not np.isfinite(points).all():
        raise UsassistError("A contour has a point that is not a finite number; draw it again.")
    limit = np.array([shape[1], shape[0]], dtype=np.float64)
    low = np.clip(np.ceil(points.min(axis=0)), 0, limit).astype(int)
    high = np.clip(np.floor(points.max(axis=0)) + 1, low, limit).astype(int)
    return Box(int(low[1]), int(low[0]), int(max(low[1], high[1])), int(max(low[0], high[0])))


def _crossings(
    start: npt.NDArray[np.float64], stop: npt.NDArray[np.float64], box: Box
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return, for every edge and every row of centres it crosses, the (row, first column right of it) in the box."""
    upper = np.where((start[:, 1] <= stop[:, 1])[:, None], start, stop)
    lower = np.where((start[:, 1] <= stop[:, 1])[:, None], stop, start)
    first = np.clip(np.ceil(upper[:, 1]), box.top, box.bottom).astype(np.intp)
    last = np.clip(np.ceil(lower[:, 1]), box.top, box.bottom).astype(np.intp)
    count = last - first
    edge = np.repeat(np.arange(len(count)), count)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    share = (row - upper[edge, 1]) / (lower[edge, 1] - upper[edge, 1])
    x = upper[edge, 0] + share * (lower[edge, 0] - upper[edge, 0])
    column = np.clip(np.ceil(x), box.left, box.right).astype(np.intp) - box.left
    return row - box.top, column
