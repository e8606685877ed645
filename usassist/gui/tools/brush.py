"""The brush and the eraser: what is under the ring is what is painted, pixel by pixel."""

from bisect import bisect_left, bisect_right

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPainterPath

from usassist.core.domain import Box, Mask, Proposal
from usassist.core.geometry.brush import stroke_mask
from usassist.gui.commands import paint as paint_command
from usassist.gui.tools.draw import around, handles, line
from usassist.gui.tools.tool import BaseTool, ToolEvent

MIN_RADIUS, MAX_RADIUS = 0.5, 200.0
_RADII = (*(half / 2 for half in range(1, 10)), *range(5, 20), *range(20, 50, 2), *range(50, 201, 5))
_SIZE_KEYS = frozenset({Qt.Key.Key_BracketLeft, Qt.Key.Key_BracketRight})


class BrushSize:
    """The radius the brush and the eraser share, in image pixels, 0.5 (one pixel) to 200."""

    def __init__(self, radius: float = 10.0) -> None:
        self._radius = radius

    @property
    def radius(self) -> float:
        return self._radius

    @radius.setter
    def radius(self, radius: float) -> None:
        self._radius = min(max(radius, MIN_RADIUS), MAX_RADIUS)

    def step(self, steps: float) -> None:
        """Go up (positive) or down the ladder of sizes, at least one rung: back is where it came from."""
        for _ in range(max(1, round(abs(steps)))):
            rung = bisect_right(_RADII, self._radius) if steps > 0 else bisect_left(_RADII, self._radius) - 1
            self.radius = _RADII[min(max(rung, 0), len(_RADII) - 1)]


class _Stroke:
    """One stroke while the button is down: the pixels so far, and where the last point lay.

    `waiting` are the proposals that waited when it began: nobody accepts one that arrives under a hand that paints.
    """

    def __init__(self, shape: tuple[int, int], *, radius: float, erase: bool, waiting: tuple[Proposal, ...]) -> None:
        self.radius, self.erase, self.waiting = radius, erase, waiting
        self._shape = shape
        self._pixels = np.zeros(shape, dtype=np.bool_)
        self._box = Box(0, 0, 0, 0)
        self._last: npt.NDArray[np.float64] | None = None

    def to(self, x: float, y: float) -> Mask:
        """Lead the stroke to a point and return what that adds."""
        point = np.array([[x, y]], dtype=np.float64)
        if self.radius <= MIN_RADIUS:  # one pixel wide: half-way between four centres there would be none
            point = np.floor(point + 0.5)
        added = stroke_mask(point if self._last is None else np.vstack([self._last, point]), self.radius, self._shape)
        self._last = point
        if not added.is_empty:
            self._pixels[added.box.slices] |= added.crop
            self._box = self._box.union(added.box)
        return added

    @property
    def mask(self) -> Mask:
        """Return every pixel the stroke covers."""
        box = self._box
        return Mask(self._shape, (box.top, box.left), self._pixels[box.slices].copy())


class BrushTool(BaseTool):
    """Paint or erase with a round brush: the right button, or Ctrl, turns the brush round."""

    cursor = Qt.CursorShape.CrossCursor

    def __init__(self, size: BrushSize, *, erases: bool = False) -> None:
        super().__init__()
        self.size = size
        self.id = "eraser" if erases else "brush"
        self.title = "Eraser" if erases else "Brush"
        self.icon = "fa6s.eraser" if erases else "fa6s.paintbrush"
        self.hint = (
            "Drag to erase. [ and ] or Shift+wheel change the size."
            if erases
            else "Drag to paint, right-drag or Ctrl+drag to erase. [ and ] or Shift+wheel change the size."
        )
        self._erases = erases
        self._stroke: _Stroke | None = None
        self._at: tuple[float, float] | None = None
        self._ring_erases = erases
        self._drawn = QRectF()

    @property
    def radius(self) -> float:
        """Return the brush's radius in image pixels."""
        return self.size.radius

    @radius.setter
    def radius(self, radius: float) -> None:
        self.size.radius = radius
        self._refresh_ring()

    @property
    def is_open(self) -> bool:
        return self._stroke is not None

    def press(self, e: ToolEvent) -> None:
        """Begin a stroke; a second button during a stroke is ignored."""
        document = self.surface.document
        frame = document.frame
        if frame is None or e.button not in ("left", "right") or self._stroke is not None:
            return
        if not document.may_edit():
            return
        erase = self._erases or e.button == "right" or e.ctrl
        self._stroke = _Stroke(frame.shape, radius=self.size.radius, erase=erase, waiting=document.proposals)
        self._extend(e)

    def move(self, e: ToolEvent) -> None:
        self._ring_erases = self._stroke.erase if self._stroke is not None else self._erases or e.ctrl
        if self._stroke is not None:
            self._extend(e)
        else:
            self._at = (e.x, e.y)
            self._refresh_ring()

    def release(self, e: ToolEvent) -> None:
        """End the stroke: one command, made of exactly the pixels that were shown."""
        if self._stroke is not None and e.button in ("left", "right", "none"):
            self.finish()
            self._ring_erases = self._erases or e.ctrl
            self._refresh_ring()

    def finish(self) -> None:
        """End the stroke where it is."""
        stroke, self._stroke = self._stroke, None
        if stroke is None:
            return
        try:
            mask = stroke.mask
            if not mask.is_empty:
                paint_command.paint(self.surface.document, mask, erase=stroke.erase, waiting=stroke.waiting)
        finally:
            self.surface.clear_preview()
            self._ring_erases = self._erases
            self._refresh_ring()

    def deactivate(self) -> None:
        super().deactivate()
        self._at = None

    def leave(self) -> None:
        if self._stroke is None:
            self._at = None
            self._refresh_ring()

    def cancel(self) -> None:
        """Drop the stroke that is under way."""
        if self._stroke is not None:
            self._stroke = None
            self.surface.clear_preview()
            self._refresh_ring()

    def wheel(self, delta: float, e: ToolEvent) -> bool:
        """Change the size with Shift or Alt."""
        if not (e.shift or e.alt):
            return False
        self._at = (e.x, e.y)
        self._resize(delta)
        return True

    def key(self, event: QKeyEvent) -> bool:
        """Take [ and ] for the size, and Esc to drop a stroke."""
        if event.key() in _SIZE_KEYS:
            self._resize(1 if event.key() == Qt.Key.Key_BracketRight else -1)
            return True
        return super().key(event)

    def paint(self, painter: QPainter, scale: float) -> None:
        """Draw the ring at its true size, with a dot in the middle."""
        if self._at is None:
            return
        ring = QPainterPath()
        ring.addEllipse(QPointF(*self._at), self.size.radius, self.size.radius)
        line(painter, ring, self._colour(), width=1.25, dashed=self._ring_erases)
        if self.size.radius * scale > 8:
            handles(painter, [self._at], self._colour(), scale, radius=1.5)
        # The size may have been changed elsewhere, and the zoom: this is what the next move has to wipe.
        self._drawn = self._ring_area(scale)

    def _extend(self, e: ToolEvent) -> None:
        stroke = self._stroke
        if stroke is None:
            return
        self._at = (e.x, e.y)
        self._ring_erases = stroke.erase
        added = stroke.to(e.x, e.y)
        if not added.is_empty:
            self.surface.preview_stroke(added, whole=stroke.mask, erase=stroke.erase, waiting=stroke.waiting)
        self._refresh_ring()

    def _resize(self, steps: float) -> None:
        if self._stroke is None:
            self.size.step(steps)
            self._refresh_ring()

    def _colour(self) -> QColor:
        return QColor("white") if self._ring_erases else QColor(self.surface.document.active_label.colour)

    def _ring_area(self, scale: float) -> QRectF:
        return around([self._at], self.size.radius + 4 / scale) if self._at is not None else QRectF()

    def _refresh_ring(self) -> None:
        """Repaint where the ring was and where it is, and nothing else."""
        if self._surface is None:
            return
        old, self._drawn = self._drawn, QRectF()
        if self._at is not None:
            self._drawn = self._ring_area(self._surface.scale)
        for area in (old, self._drawn):
            if not area.isEmpty():
                self._surface.refresh(area)
