"""What lies on top: the scan regions a file declares, and what the tool in hand draws."""

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from usassist.core.domain import ScanRegion
from usassist.gui.tools.tool import Tool

_COLOURS = {
    "b_mode": "#56b4e9",
    "sector": "#56b4e9",
    "colour_doppler": "#d55e00",
    "spectral_doppler": "#cc79a7",
    "m_mode": "#009e73",
    "other": "#999999",
}
_REACH = 60.0
"""Scene units around a box: 3 screen pixels at a zoom of 5%."""


class ScanRegionItem(QGraphicsItem):
    """The boxes of the scan regions; a detected one is dotted, a declared one dashed."""

    def __init__(self) -> None:
        super().__init__()
        self._regions: tuple[ScanRegion, ...] = ()
        self._bounds = QRectF()

    def set_regions(self, regions: tuple[ScanRegion, ...]) -> None:
        """Show these regions."""
        if regions == self._regions:
            return
        self.prepareGeometryChange()
        self._regions = regions
        bounds = QRectF()
        for region in regions:
            bounds = bounds.united(_rect(region))
        self._bounds = bounds.adjusted(-_REACH, -_REACH, _REACH, _REACH) if regions else QRectF()
        self.update()

    def boundingRect(self) -> QRectF:
        return self._bounds

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for region in self._regions:
            style = Qt.PenStyle.DotLine if region.detected else Qt.PenStyle.DashLine
            pen = QPen(QColor(_COLOURS[region.kind]), 1.5, style)
            pen.setCosmetic(True)
            painter.setPen(pen)
            painter.drawRect(_rect(region))


class ToolItem(QGraphicsItem):
    """Hands the painter to the tool; it reaches over the whole scene, the margin around the frame included."""

    def __init__(self) -> None:
        super().__init__()
        self.tool: Tool | None = None
        self.scale_of_view = 1.0
        self._bounds = QRectF()

    def set_bounds(self, bounds: QRectF) -> None:
        """Set how far the scene reaches."""
        if bounds != self._bounds:
            self.prepareGeometryChange()
            self._bounds = bounds

    def boundingRect(self) -> QRectF:
        return self._bounds

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        if self.tool is not None:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            self.tool.paint(painter, self.scale_of_view)


def _rect(region: ScanRegion) -> QRectF:
    return QRectF(region.box.left - 0.5, region.box.top - 0.5, region.box.width, region.box.height)
