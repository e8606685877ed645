"""A number that changes from epoch to epoch, as a small curve."""

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from usassist.gui import theme

Points = Sequence[tuple[int, float]]
_HEAD, _FOOT, _SIDE = 40, 22, 12
_TICKS = 26
"""Room on the left for the numbers of the y axis."""
_HIGHEST = 260


class Curve(QWidget):
    """Paints (epoch, value) pairs under their name and one value with its epoch; the x axis is as long as the training.

    With `top` the y axis runs from 0 to it, else as far as the values do.
    """

    def __init__(self, name: str, *, top: float | None = None) -> None:
        super().__init__()
        self._name, self._top = name, top
        self._points: tuple[tuple[int, float], ...] = ()
        self._kept, self._says_kept = 0, False
        self._total = 1
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMaximumHeight(_HIGHEST)

    def sizeHint(self) -> QSize:
        return QSize(240, 150)

    def minimumSizeHint(self) -> QSize:
        words = self.fontMetrics().horizontalAdvance(f"{self._name}  epoch 100, kept: 0.000")
        return QSize(words + 2 * _SIDE, 120)

    @property
    def kept(self) -> int:
        """Return the epoch with a ring, 0 for none."""
        return self._kept

    @property
    def points(self) -> tuple[tuple[int, float], ...]:
        return self._points

    def show_points(self, points: Points, *, total: int, kept: int = 0, says_kept: bool = False) -> None:
        """Show other values, of a training of `total` epochs, with a ring around that of the epoch `kept`, 0 for none.

        The value above is the latest one, with `says_kept` that of the ring.
        """
        self._points, self._total = tuple(points), max(1, total)
        self._kept, self._says_kept = kept, says_kept
        self.setAccessibleDescription(self._said() or "No epoch is finished yet.")
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        t = theme.tokens()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(t.border), 1))
        painter.setBrush(QColor(t.raised))
        painter.drawRoundedRect(self.rect().toRectF().adjusted(0.5, 0.5, -0.5, -0.5), t.radius_m, t.radius_m)
        area = self.rect().toRectF().adjusted(_SIDE, _HEAD, -_SIDE, -_FOOT)
        self._paint_words(painter, area)
        area.setLeft(area.left() + _TICKS)
        self._paint_axes(painter, area)
        self._paint_line(painter, area)
        painter.end()

    def _paint_words(self, painter: QPainter, area: QRectF) -> None:
        t = theme.tokens()
        head = QRectF(area.left(), 0, area.width(), _HEAD)
        painter.setPen(QColor(t.muted))
        painter.drawText(head, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, self._name)
        painter.setPen(QColor(t.text))
        painter.drawText(head, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, self._said())

    def _paint_axes(self, painter: QPainter, area: QRectF) -> None:
        t = theme.tokens()
        small = painter.font()
        small.setPointSizeF(small.pointSizeF() * 0.85)
        painter.setFont(small)
        foot = QRectF(area.left(), area.bottom(), area.width(), _FOOT)
        painter.setPen(QColor(t.faint))
        painter.drawText(foot, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, "epoch 1")
        painter.drawText(foot, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, f"{self._total}")
        low, high = self._range()
        for share in (0.0, 0.5, 1.0):
            y = round(area.bottom() - share * area.height()) + 0.5
            painter.setPen(QPen(QColor(t.border), 1))
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
            painter.setPen(QColor(t.faint))
            beside = QRectF(_SIDE, y - 8, _TICKS, 16)
            value = f"{low + share * (high - low):.2g}"
            painter.drawText(beside, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, value)

    def _paint_line(self, painter: QPainter, area: QRectF) -> None:
        if not self._points:
            return
        t = theme.tokens()
        places = [self._place(point, area) for point in self._points]
        painter.setBrush(Qt.BrushStyle.NoBrush)
        pen = QPen(QColor(t.accent), 2)
        pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
        painter.setPen(pen)
        painter.drawPolyline(QPolygonF(places))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(t.accent))
        painter.drawEllipse(places[-1], 3.0, 3.0)
        for point, place in zip(self._points, places, strict=True):
            if point[0] == self._kept:
                painter.setBrush(QColor(t.raised))
                painter.setPen(QPen(QColor(t.positive), 2))
                painter.drawEllipse(place, 4.0, 4.0)

    def _place(self, point: tuple[int, float], area: QRectF) -> QPointF:
        epoch, value = point
        low, high = self._range()
        across = (epoch - 1) / max(1, self._total - 1)
        up = (value - low) / (high - low)
        return QPointF(area.left() + across * area.width(), area.bottom() - min(1.0, max(0.0, up)) * area.height())

    def _range(self) -> tuple[float, float]:
        """Return the lowest and the highest value of the y axis; 0 is on it."""
        values = [0.0, *(value for _, value in self._points)]
        highest = self._top if self._top is not None else max(values)
        return min(values), highest if highest > min(values) else 1.0

    def _said(self) -> str:
        """Return the value above the curve with its epoch: two curves that end apart are not told apart else."""
        if not self._points:
            return ""
        kept = [point for point in self._points if point[0] == self._kept] if self._says_kept else []
        epoch, value = kept[0] if kept else self._points[-1]
        return f"epoch {epoch}{', kept' if kept else ''}: {value:.3f}"
