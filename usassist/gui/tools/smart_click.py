"""The smart click: point at the object, and the engine draws it; every further click corrects."""

import math
from collections.abc import Iterable

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QKeyEvent, QPainter, QPainterPath, QPen

from usassist.core.domain import Box, PromptPoint
from usassist.gui.commands import click as click_command
from usassist.gui.tools.draw import RIM, cosmetic, line
from usassist.gui.tools.tool import OPEN_KEYS, BaseTool, ToolEvent, ToolSurface

DRAG_AFTER = 4.0
"""Screen pixels a press may move and still be a click."""
_BELONGS, _DOES_NOT = QColor("#009e73"), QColor("#d55e00")
_RADIUS = 7.0
_NEAR = 8.0
"""Screen pixels beside a selected region that are still meant for it."""


class SmartClickTool(BaseTool):
    """Click what belongs to the object; the right button, or Ctrl, says what does not; a drag draws a box around it."""

    id = "smart_click"
    title = "Smart click"
    icon = "fa6s.crosshairs"
    hint = "Click it, right-click what is not of it, or drag a box; Enter accepts, Esc drops."
    cursor = Qt.CursorShape.CrossCursor

    def __init__(self) -> None:
        super().__init__()
        self._pressed: ToolEvent | None = None
        self._corner: tuple[float, float] | None = None
        self._again = False

    @property
    def is_open(self) -> bool:
        return self._corner is not None or (self._surface is not None and self.surface.document.clicks is not None)

    def activate(self, surface: ToolSurface) -> None:
        super().activate(surface)
        surface.document.is_pointing = True

    def deactivate(self) -> None:
        if self._surface is not None:
            self.surface.document.is_pointing = False
        super().deactivate()

    def press(self, e: ToolEvent) -> None:
        if e.button in ("left", "right") and self._pressed is None:
            self.surface.document.pointing_begun.emit()
            self._pressed, self._again = e, False

    def move(self, e: ToolEvent) -> None:
        """Draw a box once the left button has moved; what does not belong is a point, never a box."""
        start = self._pressed
        if start is None or _is_negative(start):
            return
        if self._corner is None and math.hypot(e.x - start.x, e.y - start.y) * self.surface.scale <= DRAG_AFTER:
            return
        before, self._corner = self._corner, (e.x, e.y)
        self.redraw([(start.x, start.y), (e.x, e.y), *([before] if before is not None else [])])

    def release(self, e: ToolEvent) -> None:
        """Ask with the click or the box."""
        start, corner, again = self._pressed, self._corner, self._again
        self._forget_press()
        frame = self.surface.document.frame
        if start is None or frame is None:
            return
        box = _box_between((start.x, start.y), corner, frame.shape) if corner is not None else None
        if box is not None:
            click_command.set_box(self.surface.document, box)
        elif _is_inside(start, frame.shape) and not again:
            near = _NEAR / self.surface.scale
            click_command.add_point(
                self.surface.document, start.x, start.y, positive=not _is_negative(start), near=near
            )

    def double_click(self, e: ToolEvent) -> None:
        """Begin a box as a press does; a second click at the same place says nothing new."""
        self.press(e)
        self._again = True

    def cancel(self) -> None:
        """Forget the clicks; the outline they led to goes on waiting."""
        self._forget_press()
        if self._surface is not None:
            self.surface.document.settle_clicks()
            self.surface.refresh()

    def key(self, event: QKeyEvent) -> bool:
        """Take Enter, Backspace and Esc while there are clicks; Esc brings back what waited before them."""
        if not self.is_open or event.key() not in OPEN_KEYS:
            return False
        document = self.surface.document
        if self._corner is not None:
            self._forget_press()
        elif event.key() == Qt.Key.Key_Backspace:
            click_command.take_back(document)
        elif event.key() == Qt.Key.Key_Escape:
            document.drop_clicks()
        else:
            click_command.accept(document)
        self.surface.refresh()
        return True

    def paint(self, painter: QPainter, scale: float) -> None:
        """Draw the box, and each click as large at every zoom: a disc with a plus, or a square with a minus."""
        clicks = self.surface.document.clicks
        if self._pressed is not None and self._corner is not None:
            start = QPointF(self._pressed.x, self._pressed.y)
            _draw_box(painter, QRectF(start, QPointF(*self._corner)).normalized())
        elif clicks is not None and clicks.box is not None:
            box = clicks.box
            _draw_box(painter, QRectF(box.left - 0.5, box.top - 0.5, box.width, box.height))
        _draw_points(painter, clicks.points if clicks is not None else (), scale)

    def _forget_press(self) -> None:
        drawn = [(self._pressed.x, self._pressed.y), self._corner] if self._pressed and self._corner else []
        self._pressed, self._corner, self._again = None, None, False
        self.redraw(drawn)


def _is_negative(e: ToolEvent) -> bool:
    return e.button == "right" or e.ctrl


def _is_inside(e: ToolEvent, shape: tuple[int, int]) -> bool:
    return -0.5 <= e.x < shape[1] - 0.5 and -0.5 <= e.y < shape[0] - 0.5


def _box_between(one: tuple[float, float], other: tuple[float, float], shape: tuple[int, int]) -> Box | None:
    """Return the pixels of the picture between two points, both ends included; None where that is hardly a box."""
    left, right = sorted(math.floor(x + 0.5) for x in (one[0], other[0]))
    top, bottom = sorted(math.floor(y + 0.5) for y in (one[1], other[1]))
    box = Box(top, left, bottom + 1, right + 1).intersection(Box(0, 0, *shape))
    return box if min(box.height, box.width) >= 2 else None


def _draw_box(painter: QPainter, rect: QRectF) -> None:
    path = QPainterPath()
    path.addRect(rect)
    line(painter, path, QColor("white"), width=1.25)


def _draw_points(painter: QPainter, points: Iterable[PromptPoint], scale: float) -> None:
    radius, arm = _RADIUS / scale, 0.5 * _RADIUS / scale
    sign = QPen(cosmetic(QColor("white"), 2.0))
    for point in points:
        at = QPointF(point.x, point.y)
        painter.setPen(cosmetic(RIM, 1.5))
        painter.setBrush(QBrush(_BELONGS if point.positive else _DOES_NOT))
        if point.positive:
            painter.drawEllipse(at, radius, radius)
        else:
            painter.drawRect(QRectF(at - QPointF(radius, radius), at + QPointF(radius, radius)))
        painter.setPen(sign)
        painter.drawLine(at - QPointF(arm, 0), at + QPointF(arm, 0))
        if point.positive:
            painter.drawLine(at - QPointF(0, arm), at + QPointF(0, arm))
