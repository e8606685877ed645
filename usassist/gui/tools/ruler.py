"""The ruler: a length in mm where the file declares the spacing, in pixels where it does not."""

import math

import numpy as np
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPainterPath

from usassist.core.domain import Frame
from usassist.gui.tools.draw import caption, handles, line
from usassist.gui.tools.tool import BaseTool, ToolEvent

_COLOUR = QColor("#f0e442")
Point = tuple[float, float]


def describe_length(frame: Frame, a: Point, b: Point) -> str:
    """Return the distance between two image points (x, y) with its unit.

    mm where the whole line lies in one scan region, or in a frame without regions, whose spacing is known; px where it
    is not: never guessed.
    """
    spacing = _spacing_along(frame, a, b)
    if spacing is None:
        return f"{math.hypot(b[0] - a[0], b[1] - a[1]):.1f} px"
    return f"{math.hypot((b[1] - a[1]) * spacing[0], (b[0] - a[0]) * spacing[1]):.1f} mm"


def _spacing_along(frame: Frame, a: Point, b: Point) -> tuple[float, float] | None:
    """Return the one spacing of every pixel the line passes, None where it changes or is unknown."""
    count = 2 + math.ceil(max(abs(b[0] - a[0]), abs(b[1] - a[1])))
    xs, ys = np.linspace(a[0], b[0], count), np.linspace(a[1], b[1], count)
    pixels = [(math.floor(y + 0.5), math.floor(x + 0.5)) for x, y in zip(xs, ys, strict=True)]
    first = frame.region_at(*pixels[0])
    if frame.regions and any(frame.region_at(*pixel) is not first for pixel in pixels):
        return None
    return frame.spacing_at(*pixels[0])


class RulerTool(BaseTool):
    """Two clicks measure a length; a third begins again."""

    id = "ruler"
    title = "Ruler"
    icon = "fa6s.ruler"
    hint = "Click two points to measure. Millimetres where the file declares the spacing, else pixels. Esc clears."
    cursor = Qt.CursorShape.CrossCursor

    def __init__(self) -> None:
        super().__init__()
        self._ends: list[Point] = []
        self._at: Point | None = None

    @property
    def is_open(self) -> bool:
        return len(self._ends) == 1

    @property
    def text(self) -> str:
        """Return the length shown, "" where there is none."""
        frame, ends = self.surface.document.frame, self._line()
        return describe_length(frame, *ends) if frame is not None and ends is not None else ""

    def press(self, e: ToolEvent) -> None:
        if e.button != "left" or self.surface.document.frame is None:
            return
        if len(self._ends) == 2:
            self._ends.clear()
        self._ends.append(self._inside(e))
        self._at = self._ends[-1]
        self.surface.refresh()

    def move(self, e: ToolEvent) -> None:
        if self.is_open:
            before, self._at = self._at, self._inside(e)
            ends = [self._ends[0], self._at]
            # The length is written beside the second end, about this far.
            self.redraw([*ends, before] if before is not None else ends, reach=140)

    def release(self, e: ToolEvent) -> None:
        """End a measurement that was dragged instead of clicked."""
        if e.button != "left" or not self.is_open:
            return
        first, here = self._ends[0], self._inside(e)
        if math.hypot(here[0] - first[0], here[1] - first[1]) * self.surface.scale > 4:
            self._ends.append(here)
            self.surface.refresh()

    def cancel(self) -> None:
        self._ends.clear()
        self._at = None
        if self._surface is not None:
            self._surface.refresh()

    def takes(self, key: int) -> bool:
        return (bool(self._ends) and key == Qt.Key.Key_Escape) or super().takes(key)

    def key(self, event: QKeyEvent) -> bool:
        """Take Esc to clear, and Backspace to take the first end back."""
        if self._ends and event.key() in (Qt.Key.Key_Escape, Qt.Key.Key_Backspace):
            self.cancel()
            return True
        return False

    def paint(self, painter: QPainter, scale: float) -> None:
        """Draw the line, its ends and its length."""
        ends = self._line()
        if ends is None:
            return
        path = QPainterPath(QPointF(*ends[0]))
        path.lineTo(QPointF(*ends[1]))
        line(painter, path, _COLOUR)
        handles(painter, ends, _COLOUR, scale, radius=3.0)
        caption(painter, *ends[1], self.text, scale)

    def _line(self) -> tuple[Point, Point] | None:
        ends = [*self._ends, *([self._at] if self.is_open and self._at is not None else [])]
        return (ends[0], ends[1]) if len(ends) == 2 else None

    def _inside(self, e: ToolEvent) -> Point:
        """Return the event's place, moved into the picture."""
        frame = self.surface.document.frame
        rows, cols = frame.shape if frame is not None else (1, 1)
        return min(max(e.x, 0.0), cols - 1.0), min(max(e.y, 0.0), rows - 1.0)
