"""The outline of a mask, as thick on the screen at every zoom."""

import numpy as np
from PySide6.QtCore import QByteArray, QDataStream, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from usassist.core.domain import Mask
from usassist.core.geometry.raster import contours_of
from usassist.gui.canvas.pixels import SMOOTH_BELOW

PLAIN, SELECTED = 1.5, 3.0
"""Widths of an outline in screen pixels."""
_WAITING = 2.5
_RIM = QColor(0, 0, 0, 150)
_SOFT_RIM = QColor(0, 0, 0, 55)
_AROUND = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
PEN_REACH = 4.0
"""Screen pixels an outline reaches beyond its line, the rim and a mitred corner included."""


_ELEMENT = np.dtype([("kind", ">i4"), ("x", ">f8"), ("y", ">f8")])
"""One corner of a QPainterPath as QDataStream writes it; kind 0 begins a ring, 1 is a line to the corner."""


def outline_path(mask: Mask) -> QPainterPath:
    """Return the mask's outlines, along the edges of its pixels; holes are holes.

    The corners go to Qt as one block of bytes: thousands of point objects for every move of a brush would be felt.
    """
    path = QPainterPath()
    rings = [np.vstack([contour.points, contour.points[:1]]) for contour in contours_of(mask)]
    if not rings:
        return path
    points = np.concatenate(rings)
    elements = np.ones(len(points), dtype=_ELEMENT)
    elements["x"], elements["y"] = points[:, 0], points[:, 1]
    starts = np.cumsum([0, *(len(ring) for ring in rings[:-1])])
    elements["kind"][starts] = 0
    tail = np.array([int(starts[-1]), Qt.FillRule.OddEvenFill.value], dtype=">i4")
    block = np.array([len(points)], dtype=">i4").tobytes() + elements.tobytes() + tail.tobytes()
    QDataStream(QByteArray(block)) >> path
    return path


def draw_outline(painter: QPainter, path: QPainterPath, colour: QColor, *, width: float) -> None:
    """Draw an outline `width` screen pixels wide, with a dark rim so that it is seen on bright tissue too.

    Where a pixel of the frame is smaller than two of the screen the line is built from hair lines: Qt draws a wide
    smooth line around a thousand corners in 10 ms, a hair line in 0.1 ms. Above that it runs along whole screen pixels
    and needs no smoothing.
    """
    painter.setBrush(Qt.BrushStyle.NoBrush)
    zoom = painter.worldTransform().m11()
    if zoom >= SMOOTH_BELOW:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=False)
        for paint, thick in ((_RIM, width + 1.5), (colour, width)):
            painter.setPen(_pen(paint, thick))
            painter.drawPath(path)
        return
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    spread = (width - 1) / 2
    for paint, reach in ((_SOFT_RIM, spread + 0.75), (colour, spread)):
        painter.setPen(_pen(paint, 1.0))
        for dx, dy in _AROUND:
            painter.translate(dx * reach / zoom, dy * reach / zoom)
            painter.drawPath(path)
            painter.translate(-dx * reach / zoom, -dy * reach / zoom)
    painter.drawPath(path)


def _pen(colour: QColor, width: float) -> QPen:
    pen = QPen(colour, width)
    pen.setCosmetic(True)
    pen.setJoinStyle(Qt.PenJoinStyle.MiterJoin)
    return pen


class ContourItem(QGraphicsItem):
    """An outline: solid for a region, thicker while it is selected, dashed with a breath of fill for a proposal."""

    def __init__(self, *, waiting: bool = False) -> None:
        super().__init__()
        self._waiting = waiting
        self._selected = False
        self._colour = QColor()
        self._mask: Mask | None = None
        self._path = QPainterPath()
        self._bounds = QRectF()
        self._scale = 1.0

    def set_scale(self, scale: float) -> None:
        """Tell the item how many screen pixels an image pixel has: its pen is as wide at every zoom."""
        if scale != self._scale:
            self.prepareGeometryChange()
            self._scale = scale

    def set_mask(self, mask: Mask, colour: QColor, *, selected: bool = False) -> None:
        """Show a mask's outline, which is derived once for each mask."""
        if (mask is self._mask) and colour == self._colour and selected == self._selected:
            return
        if mask is not self._mask:
            self.prepareGeometryChange()
            self._path = outline_path(mask)
            self._bounds = self._path.boundingRect()
        self._mask, self._colour, self._selected = mask, QColor(colour), selected
        self.update()

    def boundingRect(self) -> QRectF:
        reach = PEN_REACH / self._scale
        return self._bounds.adjusted(-reach, -reach, reach, reach)

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        if not self._waiting:
            draw_outline(painter, self._path, self._colour, width=SELECTED if self._selected else PLAIN)
            return
        fill = QColor(self._colour)
        fill.setAlphaF(0.12)
        painter.fillPath(self._path, fill)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(_pen(_RIM, _WAITING + 1.5))
        painter.drawPath(self._path)
        dashes = _pen(self._colour, _WAITING)
        dashes.setCapStyle(Qt.PenCapStyle.FlatCap)
        dashes.setDashPattern([4.0, 4.0])
        painter.setPen(dashes)
        painter.drawPath(self._path)
