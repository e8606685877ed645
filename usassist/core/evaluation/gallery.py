"""The few cases that a report shows, chosen while the cases pass by."""

import base64
import heapq
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from usassist.core.errors import UsassistError
from usassist.core.evaluation.bootstrap import SEED
from usassist.core.evaluation.protocol import Case, ImageScore, Picture
from usassist.core.geometry.cv import cv2
from usassist.core.geometry.raster import contours_of
from usassist.core.geometry.simplify import simplify
from usassist.core.metrics.overlap import Pixels, as_mask

Rank = Literal["worst", "median", "best"]
TRUTH_RGB, PRED_RGB = (86, 180, 233), (230, 159, 0)
"""Sky blue and orange of Okabe and Ito: told apart with any kind of colour vision."""

_SIDE = 320
_RESERVOIR = 128
FAILED_DICE = 0.5
"""Below it a case went wrong by itself, however the others did."""

_COARSE = 1 / 250
"""How far an outline that is kept as a path may leave the mask's own, of the frame's longer side."""


@dataclass(frozen=True, slots=True)
class Outlines:
    """The outlines of truth and prediction as SVG paths in pixels of a frame of `shape` (rows, columns); "": none."""

    shape: tuple[int, int]
    truth: str
    pred: str


@dataclass(frozen=True)
class Shown:
    """A case as the report shows it: its line of the protocol and a JPEG of the frame with both outlines.

    `outlines` are the same lines without the frame.
    """

    rank: Rank
    score: ImageScore
    jpeg: bytes
    outlines: Outlines

    @property
    def data_uri(self) -> str:
        """Return the picture as a data URI."""
        return "data:image/jpeg;base64," + base64.b64encode(self.jpeg).decode("ascii")


Kept = tuple[float, int, ImageScore, tuple[bytes, Outlines]]


@dataclass
class Gallery:
    """Keeps the worst and best cases exactly, and a fixed sample of all for those near the median.

    Memory is bounded by the pictures kept, each a JPEG of at most 320 pixels a side, however many cases pass by. Images
    in which there is nothing to find are never "best", even where nothing was found: they show nothing. A case in which
    nothing is wrong (Dice 1) is never "worst"; nor is one beyond the worst third, unless its Dice is below 0.5.
    """

    worst_count: int = 12
    best_count: int = 4
    median_count: int = 4
    _worst: list[Kept] = field(default_factory=list)
    _best: list[Kept] = field(default_factory=list)
    _sample: list[Kept] = field(default_factory=list)
    _seen: int = 0
    _draw: np.random.Generator = field(default_factory=lambda: np.random.default_rng(SEED))

    def offer(self, case: Case, score: ImageScore) -> None:
        """Look at a case; its image is read and drawn only if it is kept."""
        self._seen += 1
        drawn: tuple[bytes, Outlines] | None = None
        # Among equal Dice the larger distance is the worse; the number keeps the order and the heaps comparable.
        size = score.dice - 1e-9 * min(score.hd95_px, 1e6)
        slot = self._slot()
        for heap, key, count in (
            (self._worst, -size, self.worst_count if score.dice < 1 else 0),
            (self._best, size, 0 if score.empty_truth else self.best_count),
        ):
            if count and (len(heap) < count or key > heap[0][0]):
                drawn = drawn or (draw_case(case), outlines_of(case))
                (heapq.heappush if len(heap) < count else heapq.heapreplace)(heap, (key, -self._seen, score, drawn))
        if slot is not None and not (score.empty_truth and score.empty_pred):
            kept = (size, -self._seen, score, drawn or (draw_case(case), outlines_of(case)))
            self._sample[slot : slot + 1] = [kept]

    def shown(self) -> tuple[Shown, ...]:
        """Return the worst first, then those near the median, then the best; no case twice."""
        third = (self._seen + 2) // 3
        worst = [kept for at, kept in enumerate(sorted(self._worst, reverse=True)) if at < third or _failed(kept)]
        taken = {kept[1] for kept in worst}
        best = [kept for kept in sorted(self._best, reverse=True) if kept[1] not in taken]
        taken |= {kept[1] for kept in best}
        middle = float(np.median([kept[0] for kept in self._sample])) if self._sample else 0.0
        near = sorted((kept for kept in self._sample if kept[1] not in taken), key=lambda kept: abs(kept[0] - middle))
        groups: tuple[tuple[Rank, list[Kept]], ...] = (
            ("worst", worst),
            ("median", near[: self.median_count]),
            ("best", best),
        )
        return tuple(Shown(rank, kept[2], *kept[3]) for rank, part in groups for kept in part)

    def _slot(self) -> int | None:
        """Return where in the sample this case goes, None where it does not (Vitter's algorithm R)."""
        if len(self._sample) < _RESERVOIR:
            return len(self._sample)
        place = int(self._draw.integers(0, self._seen))
        return place if place < _RESERVOIR else None


def _failed(kept: Kept) -> bool:
    """Return whether a case went wrong by itself, however the others did: less than half of the two areas is shared."""
    return kept[2].dice < FAILED_DICE


def draw_case(case: Case) -> bytes:
    """Return a JPEG of the frame, at most 320 pixels a side, with the outlines of truth (blue) and prediction (orange).

    Raises UsassistError where the picture is not of the masks' size.
    """
    shape = case.truth.shape
    picture = case.image() if callable(case.image) else case.image
    if picture is None:
        picture = np.zeros(shape, dtype=np.uint8)
    if picture.shape[:2] != shape:
        raise UsassistError(
            f"{case.input}: the picture for the report is {picture.shape[0]} x {picture.shape[1]}, its masks are "
            f"{shape[0]} x {shape[1]} (rows x columns)."
        )
    canvas = shrink(picture)
    # The truth is drawn wider, so that it still shows where the prediction runs along it.
    _outline(canvas, case.truth, TRUTH_RGB, width=2)
    _outline(canvas, case.pred, PRED_RGB, width=1)
    return encode(canvas)


def outlines_of(case: Case) -> Outlines:
    """Return both outlines of a case, with fewer points than the masks' own."""
    return Outlines(case.truth.shape, _path(case.truth), _path(case.pred))


def _path(pixels: Pixels) -> str:
    mask = as_mask(pixels)
    rings = [simplify(ring, _COARSE * max(mask.shape)).points + 0.5 for ring in contours_of(mask)]
    return "".join("M" + "L".join(f"{x:.0f} {y:.0f}" for x, y in ring) + "Z" for ring in rings)


def shrink(picture: Picture) -> Picture:
    """Return a picture as HxWx3 RGB of at most 320 pixels a side; a small one is enlarged up to four times."""
    rows, cols = picture.shape[:2]
    factor = min(_SIDE / max(rows, cols), 4.0)
    size = max(1, round(cols * factor)), max(1, round(rows * factor))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
    coloured: Picture = cv2.cvtColor(small, cv2.COLOR_GRAY2RGB) if small.ndim == 2 else small.copy()
    return coloured


def encode(picture: Picture) -> bytes:
    """Return an RGB picture as JPEG."""
    # Without full colour resolution JPEG smears a one-pixel line into the grey beside it.
    options = [cv2.IMWRITE_JPEG_QUALITY, 88, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)
    return bytes(data)


def _outline(canvas: npt.NDArray[np.uint8], pixels: Pixels, colour: tuple[int, int, int], *, width: int) -> None:
    """Draw a mask's outline on a canvas of another size, to a sixteenth of a pixel."""
    mask = as_mask(pixels)
    scale = np.array([canvas.shape[1] / mask.shape[1], canvas.shape[0] / mask.shape[0]])
    rings = [np.rint(((contour.points + 0.5) * scale - 0.5) * 16).astype(np.int32) for contour in contours_of(mask)]
    cv2.polylines(canvas, rings, isClosed=True, color=colour, thickness=width, lineType=cv2.LINE_AA, shift=4)
