"""Marks burned into a picture, found and filled in: measuring crosses, dotted lines, letters, pictograms.

What tells them from tissue is sharpness across the beams. A scanner resolves depth well and width badly, so tissue has
thin bright lines that lie (fascia, skin) and none that stand; a cross, a letter and a dot have sharp sides. Such places
are the seeds, and what is as bright, as thin and connected belongs to them. Lines of dots between two crosses may be
fainter than that: they are looked for where they have to be.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from usassist.core.geometry.cv import cv2

Grey = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Point = npt.NDArray[np.float64]

_SMALLEST_SIDE = 32
_STROKE = 0.011
"""How wide a stroke is at most, as a share of the picture's longer side."""
_SEED = 70
"""Grey levels by which a seed stands out to its left and right. See docs/evaluation.md for what that finds."""
_BROAD_SEED = 110
"""The same for the broad strokes of large letters."""
_NEAR_SEED = 60
"""The same for what is near one, such as the slanting strokes of a word."""
_DOT = 90
"""Grey levels by which a dot stands out to all four sides."""
_DOTS_IN_A_ROW = 4
"""How many dots there are, itself included, within two strokes' widths of one that belongs to a line."""
_LONG = 6
"""How many times the greatest width of a stroke those of a letter or cross are high at most."""
_GROWN = 30
"""Grey levels by which what is connected with a seed stands out in one direction."""
_AS_BRIGHT = 0.6
"""How bright that is at least, as a share of its seed."""
_CROSS, _FAINT_CROSS = 40, 25
"""Grey levels by which all four arms of a cross stand out, and of one that counts where a dotted line ends in it."""
_MOST_CROSSES = 12
_DOTTED, _DOTTED_SHARE = 12.0, 0.55
"""Grey levels by which a dotted line stands out against its parallels, and along how much of it."""
_RADIUS = 1
"""How far `cv2.inpaint` looks, in pixels: as near to the truth as 3 or 5, and three quarters of the grain stay."""


def find_marks(grey: Grey) -> Mask:
    """Return where an HxW frame shows something drawn into it, with a rim of 1 or 2 pixels: bool HxW.

    Not found are faint marks, wide areas such as a filled disc, and lines that lie without anything that stands on
    them. A frame of less than 32 pixels a side has none.
    """
    if min(grey.shape) < _SMALLEST_SIDE:
        return np.zeros(grey.shape, dtype=np.bool_)
    width = max(5, 2 * round(_STROKE * max(grey.shape) / 2) + 1)
    across, along = _stands_out(grey, 1, width), _stands_out(grey, width, 1)
    standing, crosses = _standing(grey, across, width=width), _crosses(across, along, reach=width // 2)
    if not (standing.any() or any(cross.tilted and cross.clear >= _CROSS for cross in crosses)):
        return np.zeros(grey.shape, dtype=np.bool_)
    seeds = _seeds(standing, across, along, width=width)
    lines = _measured(crosses, cv2.max(across, along), width=width)
    strokes = _strokes(grey, seeds, across, along, width=width)
    # Closed first: what is left inside an O would be where its filling comes from.
    closed = cv2.morphologyEx(strokes, cv2.MORPH_CLOSE, np.ones((width, width), np.uint8))
    marks = cv2.dilate(closed, np.ones((5, 5), np.uint8)) | cv2.dilate(lines, np.ones((3, 3), np.uint8))
    return np.asarray(marks, dtype=np.bool_)


def without_marks(grey: Grey) -> Grey:
    """Return an HxW frame with its marks filled in by what is around them; the frame itself where it has none."""
    marks = find_marks(grey)
    if not marks.any():
        return grey
    return np.asarray(cv2.inpaint(grey, marks.view(np.uint8), _RADIUS, cv2.INPAINT_TELEA), dtype=np.uint8)


def _stands_out(grey: Grey, rows: int, cols: int) -> Grey:
    """Return by how much each pixel is brighter than its surroundings: what no window of rows x cols fits into."""
    # Without a margin whatever lies at the edge would be thin: the window cannot reach beyond it.
    margin = cv2.copyMakeBorder(grey, rows, rows, cols, cols, cv2.BORDER_REPLICATE)
    found = cv2.morphologyEx(margin, cv2.MORPH_TOPHAT, np.ones((rows, cols), np.uint8))
    return np.ascontiguousarray(found[rows:-rows, cols:-cols])


def _standing(grey: Grey, across: Grey, *, width: int) -> Grey:
    """Return 1 at strokes that stand for at least `width` pixels, and at broader ones that stand out and up more.

    None where all are as long as those of a border or a grey bar: dots and what lies may be tissue then.
    """
    thin = _upright(across >= _SEED, width)
    broad_width = 2 * round(0.8 * width) + 1
    broad = _upright(_stands_out(grey, 1, broad_width) >= _BROAD_SEED, round(1.5 * broad_width))
    standing = thin | broad
    _, _, boxes, _ = cv2.connectedComponentsWithStats(standing)
    short = (boxes[1:, cv2.CC_STAT_HEIGHT] <= _LONG * width).any()
    return standing if short else np.zeros_like(standing)


def _upright(sharp: Mask, height: int) -> Grey:
    """Return 1 where so many pixels above each other are set."""
    window = np.ones((height, 1), np.uint8)
    return np.asarray(cv2.morphologyEx(sharp.view(np.uint8), cv2.MORPH_OPEN, window), dtype=np.uint8)


def _seeds(standing: Grey, across: Grey, along: Grey, *, width: int) -> Grey:
    """Return 1 at standing strokes, at what is sharp near them, and at rows of dots."""
    near = cv2.dilate(standing, np.ones((2 * width + 1, 6 * width + 1), np.uint8))
    clear = cv2.min(across, along)
    dots = ((clear >= _DOT) & (clear == cv2.dilate(clear, np.ones((3, 3), np.uint8)))).astype(np.float32)
    crowd = cv2.boxFilter(dots, -1, (4 * width + 1, 4 * width + 1), normalize=False, borderType=cv2.BORDER_CONSTANT)
    rows = (dots > 0) & (crowd >= _DOTS_IN_A_ROW)
    return np.asarray(standing | (near & (across >= _NEAR_SEED)) | rows, dtype=np.uint8)


def _strokes(grey: Grey, seeds: Grey, across: Grey, along: Grey, *, width: int) -> Grey:
    """Return 1 at seeds, and at what is as bright, as thin and connected within a few strokes' widths."""
    letters = _stands_out(grey, 2 * width + 1, 2 * width + 1)  # where the strokes of a large letter meet
    thin = ((cv2.max(across, along) >= _GROWN) | (letters >= _NEAR_SEED)).astype(np.uint8)
    least = (grey * np.float32(_AS_BRIGHT)).astype(np.uint8) * seeds
    square = np.ones((3, 3), np.uint8)
    for _ in range(2 * width):
        least = cv2.dilate(least, square) * thin
        least[grey < least] = 0
    return np.asarray(least > 0, dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class _Cross:
    """A place (x, y) from which four arms go, and by how many grey levels the faintest of them stands out."""

    x: int
    y: int
    clear: int
    tilted: bool

    @property
    def at(self) -> tuple[int, int]:
        return self.x, self.y


def _crosses(across: Grey, along: Grey, *, reach: int) -> list[_Cross]:
    """Return the clearest crosses, upright or tilted, with arms longer than `reach`."""
    both = cv2.min(across, along)
    upright = _least(((across, -1, 0), (across, 1, 0), (along, 0, -1), (along, 0, 1)), reach)
    tilted = _least(((both, -1, -1), (both, -1, 1), (both, 1, -1), (both, 1, 1)), reach)
    least = cv2.max(upright, tilted)
    peaks = (least >= _FAINT_CROSS) & (least == cv2.dilate(least, np.ones((9, 9), np.uint8)))
    _, _, _, centres = cv2.connectedComponentsWithStats(peaks.astype(np.uint8))
    places = [(round(float(x)), round(float(y))) for x, y in centres[1:]]
    found = [_Cross(x, y, int(least[y, x]), bool(tilted[y, x] > upright[y, x])) for x, y in places]
    return sorted(found, key=lambda cross: -cross.clear)[:_MOST_CROSSES]


def _measured(crosses: list[_Cross], thin: Grey, *, width: int) -> Grey:
    """Return 1 at clear crosses, at dotted lines from one to another, and at faint crosses that such a line ends in."""
    lines = np.zeros_like(thin)
    ends = {cross for cross in crosses if cross.clear >= _CROSS}
    for start, end in itertools.combinations(crosses, 2):
        least = _DOTTED if min(start.clear, end.clear) >= _CROSS else 2 * _DOTTED
        if _is_dotted(thin, np.array(start.at), np.array(end.at), least=least):
            cv2.line(lines, start.at, end.at, 1)
            ends |= {start, end}
    for cross in ends:
        shape = cv2.MARKER_TILTED_CROSS if cross.tilted else cv2.MARKER_CROSS
        cv2.drawMarker(lines, cross.at, 1, shape, 2 * width)
    return lines


def _least(arms: tuple[tuple[Grey, int, int], ...], reach: int) -> Grey:
    """Return the least of four pictures, each looked up `reach` pixels further in its direction (rows, columns)."""
    shape = arms[0][0].shape
    found = np.full(shape, 255, np.uint8)
    for picture, down, right in arms:
        padded = cv2.copyMakeBorder(picture, reach, reach, reach, reach, cv2.BORDER_CONSTANT, value=0)
        top, left = reach * (1 + down), reach * (1 + right)
        found = cv2.min(found, np.ascontiguousarray(padded[top : top + shape[0], left : left + shape[1]]))
    return found


def _is_dotted(thin: Grey, start: Point, end: Point, *, least: float) -> bool:
    """Return whether a straight line between two crosses stands out by `least` grey levels against those beside it."""
    length = float(np.hypot(*(end - start)))
    along = np.arange(5, length - 5)
    if along.size < 6:
        return False
    step = (end - start) / length
    aside = np.array([-step[1], step[0]])
    points = start + along[:, None] * step + np.arange(-5, 6)[:, None, None] * aside
    columns, rows = points[..., 0].astype(np.float32), points[..., 1].astype(np.float32)
    found = cv2.remap(thin, columns, rows, cv2.INTER_LINEAR).astype(np.float32)
    on = found[4:7].max(axis=0)
    beside = np.maximum(found[:3].max(axis=0), found[8:].max(axis=0))
    return bool((on - beside).mean() > least and (on > beside).mean() > _DOTTED_SHARE)
