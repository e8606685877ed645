"""The polygon: click its corners, close it, and it is a region."""

import math

import numpy as np
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPainterPath, QPolygonF

from usassist.core.geometry.raster import polygon_mask
from usassist.gui.commands import region as region_command
from usassist.gui.tools.draw import handles, line
from usassist.gui.tools.tool import OPEN_KEYS, BaseTool, ToolEvent

CLOSE_WITHIN = 9.0
"""Screen pixels around the first corner that close the polygon."""


class PolygonTool(BaseTool):
    """Click corner after corner; Enter, a double click or a click on the first corner closes the polygon."""

    id = "polygon"
    title = "Polygon"
    icon = "fa6s.draw-polygon"
    hint = "Click corners. Enter, a double click or the first corner closes; Backspace takes one back; Esc cancels."
    cursor = Qt.CursorShape.CrossCursor

    def __init__(self) -> None:
        super().__init__()
        self._points: list[tuple[float, float]] = []
        self._at: tuple[float, float] | None = None

    @property
    def points(self) -> tuple[tuple[float, float], ...]:
        """Return the corners (x, y) so far."""
        return tuple(self._points)

    @property
    def is_open(self) -> bool:
        return bool(self._points)

    def press(self, e: ToolEvent) -> None:
        """Add a corner, or close; the right button takes the last corner back."""
        if self.surface.document.frame is None:
            return
        if e.button == "right":
            self._take_back()
        elif e.button == "left":
            if self._closes(e):
                self._close()
            elif self._points or self.surface.document.may_edit():
                self._points.append((e.x, e.y))
                self._at = (e.x, e.y)
        self.surface.refresh()

    def move(self, e: ToolEvent) -> None:
        before, self._at = self._at, (e.x, e.y)
        if self._points:
            ends = [self._points[0], self._points[-1], self._at]
            self.redraw([*ends, before] if before is not None else ends)

    def double_click(self, e: ToolEvent) -> None:
        """Close: the double click's first half has already set the last corner."""
        if e.button == "left" and len(self._points) >= 3:
            self._close()
        else:
            self.press(e)

    def leave(self) -> None:
        self._at = None
        if self._points and self._surface is not None:
            self._surface.refresh()

    def cancel(self) -> None:
        """Drop the corners."""
        self._points.clear()
        if self._surface is not None:
            self._surface.refresh()

    def finish(self) -> None:
        """Drop the corners and say so: how the polygon would have been closed, only the person knows."""
        if self._points:
            self.surface.document.message.emit("The polygon was not closed, so it was not kept.", "")
        self.cancel()

    def key(self, event: QKeyEvent) -> bool:
        """Take Enter, Backspace and Esc while the polygon is open."""
        if not self.is_open or event.key() not in OPEN_KEYS:
            return False
        if event.key() == Qt.Key.Key_Backspace:
            self._take_back()
        elif event.key() == Qt.Key.Key_Escape:
            self.cancel()
        else:
            self._close()
        self.surface.refresh()
        return True

    def paint(self, painter: QPainter, scale: float) -> None:
        """Draw the corners, the sides, and the rubber band to the mouse and back to the first corner."""
        if not self._points:
            return
        colour = QColor(self.surface.document.active_label.colour)
        corners = [QPointF(x, y) for x, y in self._points]
        reach = [QPointF(*self._at)] if self._at is not None else []
        if len(corners) + len(reach) >= 3:
            fill = QColor(colour)
            fill.setAlphaF(0.15)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(fill)
            painter.drawPolygon(QPolygonF([*corners, *reach]))
        sides = QPainterPath()
        sides.addPolygon(QPolygonF(corners))
        line(painter, sides, colour)
        if reach:
            band = QPainterPath()
            band.addPolygon(QPolygonF([corners[-1], *reach, corners[0]]))
            line(painter, band, colour, width=1.0, dashed=True)
        handles(painter, self._points, colour, scale)
        ready = self._at is not None and self._near_first(*self._at, scale)
        handles(painter, self._points[:1], QColor("white"), scale, radius=6.0 if ready else 4.5)

    def _near_first(self, x: float, y: float, scale: float) -> bool:
        first = self._points[0]
        return len(self._points) >= 3 and math.hypot(x - first[0], y - first[1]) * scale <= CLOSE_WITHIN

    def _closes(self, e: ToolEvent) -> bool:
        return bool(self._points) and self._near_first(e.x, e.y, self.surface.scale)

    def _take_back(self) -> None:
        if self._points:
            self._points.pop()

    def _close(self) -> None:
        document = self.surface.document
        frame = document.frame
        if frame is None or len(self._points) < 3:
            document.message.emit(
                f"A polygon needs three corners; there {_are(len(self._points))} so far: click more, or press Esc.", ""
            )
            return
        mask = polygon_mask(np.array(self._points, dtype=np.float64), frame.shape)
        self._points.clear()
        if mask.is_empty:
            document.message.emit("The polygon holds no pixel of the picture, so nothing was added.", "")
            return
        region_command.add_polygon(document, mask)


def _are(count: int) -> str:
    return "is 1" if count == 1 else f"are {count}"
