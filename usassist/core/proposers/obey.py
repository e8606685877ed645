"""What a person clicked is so: an answer, made to agree with the clicks that it answers.

A decoder weighs clicks against what it sees and may leave a clicked pixel as it was. After `obeyed` every clicked pixel
has its click's sign:

- What was clicked away goes: the whole 4-connected piece around it where the click is deep in it and no positive click
  lies in it, else a disc around the click that reaches to the piece's nearest border. A box says that something is
  there, so the last piece of its answer loses the disc only.
- What was clicked and is missing comes: the part around it that the model holds for at least half as likely.
- Pieces that neither a positive click nor the mask before touches go: the object that is pointed at is one. Who only
  takes away from a mask may be left with nothing; in a box, which says that something is there, they stay then, and
  where it was drawn after that mask.

Of clicks on one pixel the later one counts; between clicks of both signs the nearer one decides.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from usassist.core.domain import Box, Mask, Prompt, PromptPoint
from usassist.core.geometry.cv import cv2
from usassist.core.geometry.next_click import depth_inside
from usassist.core.geometry.raster import pixels_in

Bits = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
Pixel = tuple[int, int]
"""Row and column."""

_DEEP = 0.8
"""A click this deep in a piece, as a share of the piece's greatest depth, is about all of it."""
_AS_LIKELY = 0.5
"""What comes with a clicked pixel is at least this much as likely as that."""
_REACH = 0.06
"""How far that reaches, as a share of the scan's longer side; twice as far was no better on val."""


def obeyed(mask: Mask, prompt: Prompt, *, seen: Box, likely: Floats) -> Mask:
    """Return an answer to a prompt as its clicks say it is; the very mask where nothing contradicts them.

    `seen` is the part of the frame that was looked at: clicks beside it count for nothing, and the answer stays in it.
    `likely` (HxW) are the model's probabilities. Without clicks nothing changes.
    Complexity: a look at each clicked pixel and one labelling of the mask's crop. A click that is not followed costs a
    copy of the crop, and the filling of its piece and the distances in that piece's box.
    """
    signs = _signs(prompt.points, seen)
    wanted = [at for at, positive in signs.items() if positive]
    refused = [at for at, positive in signs.items() if not positive]
    for at in refused:
        if mask.contains(*at):
            mask = _without(mask, at, wanted, in_box=prompt.box is not None)
    for at in wanted:
        if not mask.contains(*at):
            mask = _with(mask, at, refused, seen=seen, likely=likely)
    before = None if prompt.mask is None or prompt.mask.is_empty else prompt.mask
    if signs and not mask.is_empty and (before is not None or (wanted and prompt.box is None)):
        touched = _touched(mask, wanted, before)
        mask = mask if touched.is_empty and prompt.box is not None else touched
    return mask


def _signs(points: Sequence[PromptPoint], seen: Box) -> dict[Pixel, bool]:
    """Return what is said of each clicked pixel of the scan: of several clicks on one the latest."""
    signs = {}
    for point in points:
        if seen.contains(point.y + 0.5, point.x + 0.5):
            signs[math.floor(point.y + 0.5), math.floor(point.x + 0.5)] = point.positive
    return signs


def _without(mask: Mask, at: Pixel, wanted: Sequence[Pixel], *, in_box: bool) -> Mask:
    """Return a mask without the piece around a clicked pixel, or without a disc around that."""
    top, left = mask.origin
    filled = mask.crop.astype(np.uint8)
    area, _, _, (column, row, width, height) = cv2.floodFill(filled, None, (at[1] - left, at[0] - top), 2)
    place = slice(row, row + height), slice(column, column + width)
    part = filled[place] == 2
    piece = Mask(mask.shape, (top + row, left + column), part)
    depth = depth_inside(part)
    reach = float(depth[at[0] - piece.origin[0], at[1] - piece.origin[1]])
    is_about_all = reach >= _DEEP * float(depth.max()) and not any(piece.contains(*other) for other in wanted)
    crop = mask.crop.copy()
    if is_about_all and not (in_box and area == mask.area):
        crop[place] &= ~part
    else:
        box = _around(at, reach).intersection(mask.box)
        crop[box.top - top : box.bottom - top, box.left - left : box.right - left] &= ~_near(box, at, wanted, reach)
    return Mask(mask.shape, mask.origin, crop).tight()


def _with(mask: Mask, at: Pixel, refused: Sequence[Pixel], *, seen: Box, likely: Floats) -> Mask:
    """Return a mask with the part around a clicked pixel that is about as likely as that."""
    reach = max(1.0, _REACH * max(seen.height, seen.width))
    box = _around(at, reach).intersection(seen)
    part = _near(box, at, refused, reach) & (likely[box.slices] >= _AS_LIKELY * likely[at])
    part[at[0] - box.top, at[1] - box.left] = True  # also where the model has no number for it
    _, labels = cv2.connectedComponents(part.view(np.uint8), connectivity=4)
    full = mask.to_array()
    full[box.slices] |= labels == labels[at[0] - box.top, at[1] - box.left]
    return Mask.from_array(full)


def _touched(mask: Mask, wanted: Sequence[Pixel], before: Mask | None) -> Mask:
    """Return the 4-connected pieces that a clicked pixel or the mask before touches."""
    count, labels = cv2.connectedComponents(mask.crop.view(np.uint8), connectivity=4)
    stays = np.zeros(count, dtype=np.bool_)
    for row, col in wanted:
        stays[labels[row - mask.origin[0], col - mask.origin[1]]] = True
    if before is not None:
        stays[labels[pixels_in(before, mask.box)]] = True
    stays[0] = False
    return mask if stays[1:].all() else Mask(mask.shape, mask.origin, stays[labels]).tight()


def _around(at: Pixel, reach: float) -> Box:
    far = math.ceil(reach)
    return Box(max(0, at[0] - far), max(0, at[1] - far), at[0] + far + 1, at[1] + far + 1)


def _near(box: Box, at: Pixel, others: Sequence[Pixel], reach: float) -> Bits:
    """Return which pixels of a box lie within `reach` of one and no nearer to any of the others."""
    away = _squared(box, at)
    found: Bits = away <= reach**2
    for other in others:
        if max(abs(other[0] - at[0]), abs(other[1] - at[1])) <= 2 * reach:
            found &= away < _squared(box, other)
    return found


def _squared(box: Box, at: Pixel) -> npt.NDArray[np.int64]:
    """Return each pixel's squared distance to one."""
    rows, cols = np.arange(box.top, box.bottom) - at[0], np.arange(box.left, box.right) - at[1]
    return np.asarray(rows[:, None] ** 2 + cols[None] ** 2)
