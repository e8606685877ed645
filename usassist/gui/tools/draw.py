"""The few strokes tools draw with: every line has a dark rim, so it is seen on bright and on black tissue."""

from collections.abc import Iterable

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QFontMetricsF, QPainter, QPainterPath, QPen

RIM = QColor(0, 0, 0, 170)


def cosmetic(colour: QColor, width: float, *, dashed: bool = False) -> QPen:
    """Return a pen of `width` screen pixels at every zoom."""
    pen = QPen(colour, width, Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine)
    pen.setCosmetic(True)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    pen.setCapStyle(Qt.PenCapStyle.FlatCap if dashed else Qt.PenCapStyle.RoundCap)
    return pen


def line(painter: QPainter, path: QPainterPath, colour: QColor, *, width: float = 1.5, dashed: bool = False) -> None:
    """Draw a rimmed line of `width` screen pixels."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(cosmetic(RIM, width + 2))
    painter.drawPath(path)
    painter.setPen(cosmetic(colour, width, dashed=dashed))
    painter.drawPath(path)


def handles(
    painter: QPainter, points: Iterable[tuple[float, float]], colour: QColor, scale: float, *, radius: float = 3.5
) -> None:
    """Draw round handles of `radius` screen pixels at image points (x, y)."""
    size = radius / scale
    painter.setPen(cosmetic(RIM, 1.5))
    painter.setBrush(QBrush(colour))
    for x, y in points:
        painter.drawEllipse(QPointF(x, y), size, size)


def around(points: Iterable[tuple[float, float]], reach: float) -> QRectF:
    """Return the image box of some points with `reach` image pixels on every side; empty where there is none."""
    corners = list(points)
    if not corners:
        return QRectF()
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    return QRectF(min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)).adjusted(-reach, -reach, reach, reach)


def caption(painter: QPainter, x: float, y: float, text: str, scale: float) -> QRectF:
    """Write a line of text beside an image point, upright and of one size at every zoom; return its image box."""
    font = QFont(painter.font())
    font.setPixelSize(13)
    metrics = QFontMetricsF(font)
    box = metrics.boundingRect(text).adjusted(-6, -4, 6, 4)
    box.moveTopLeft(QPointF(12, 12))
    painter.save()
    painter.translate(x, y)
    painter.scale(1 / scale, 1 / scale)
    painter.setFont(font)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(0, 0, 0, 190))
    painter.drawRoundedRect(box, 4, 4)
    painter.setPen(QColor("white"))
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
    painter.restore()
    return QRectF(x + box.x() / scale, y + box.y() / scale, box.width() / scale, box.height() / scale)
