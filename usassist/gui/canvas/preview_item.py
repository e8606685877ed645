"""A mask while it is being changed: only what a stroke touches is written and repainted."""

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QColor, QPainter, QPainterPath
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from usassist.core.domain import Box, Mask
from usassist.core.geometry.raster import pixels_in
from usassist.gui.canvas.contour_item import PEN_REACH, SELECTED, draw_outline, outline_path
from usassist.gui.canvas.pixels import Pixels, word


class PreviewItem(QGraphicsItem):
    """Stands in for one region while a tool changes it; the annotation is not touched."""

    def __init__(self) -> None:
        super().__init__()
        self.setFlag(QGraphicsItem.GraphicsItemFlag.ItemUsesExtendedStyleOption)
        self._inside: npt.NDArray[np.bool_] = np.zeros((0, 0), dtype=np.bool_)
        self._pixels = Pixels(np.zeros((0, 0), dtype=np.uint32))
        self._box = Box(0, 0, 0, 0)
        self._word = 0
        self._colour = QColor()
        self._opacity = 1.0
        self._outline: QPainterPath | None = None
        self._bounds = QRectF()
        self.scale_of_view = 1.0

    @property
    def is_active(self) -> bool:
        """Return whether a mask is being changed."""
        return self._inside.size > 0

    @property
    def mask(self) -> Mask:
        """Return what is shown now."""
        box = self._box
        return Mask(
            (self._inside.shape[0], self._inside.shape[1]), (box.top, box.left), self._inside[box.slices].copy()
        )

    def begin(self, mask: Mask, colour: QColor, *, opacity: float) -> None:
        """Start from a mask, empty for a region that is only now being drawn."""
        rows, cols = mask.shape
        whole = QRectF(-0.5, -0.5, cols, rows)
        if whole != self._bounds:
            self.prepareGeometryChange()
            self._bounds = whole
        if self.is_active:
            self._refresh(self._box)
        self._inside = mask.to_array()
        self._pixels = Pixels(np.zeros((rows, cols), dtype=np.uint32))
        self._word, self._colour, self._opacity = word(colour), QColor(colour), opacity
        self._box = mask.box
        self._write(mask.box)
        self._refresh(mask.box)

    def apply(self, stroke: Mask, *, erase: bool) -> None:
        """Add a stroke's pixels, or take them away."""
        inside = self._inside[stroke.box.slices]
        if erase:
            inside &= ~stroke.crop
        else:
            inside |= stroke.crop
            self._box = self._box.union(stroke.box)
        self._write(stroke.box)
        self._refresh(stroke.box)

    def replace(self, mask: Mask) -> None:
        """Show another mask in place of the one before; only where they differ is repainted."""
        before, self._box = self.mask, mask.box
        self._inside[before.box.slices] = False
        self._inside[mask.box.slices] = mask.crop
        around = before.box.union(mask.box)
        rows, cols = np.nonzero(pixels_in(before, around) != pixels_in(mask, around))
        if rows.size:
            top, left = around.top + int(rows.min()), around.left + int(cols.min())
            changed = Box(top, left, around.top + int(rows.max()) + 1, around.left + int(cols.max()) + 1)
            self._write(changed)
            self._refresh(changed)

    def end(self) -> None:
        """Show nothing and let the memory go."""
        self._refresh(self._box)
        self._inside = np.zeros((0, 0), dtype=np.bool_)
        self._pixels = Pixels(np.zeros((0, 0), dtype=np.uint32))
        self._box, self._outline = Box(0, 0, 0, 0), None

    def boundingRect(self) -> QRectF:
        reach = PEN_REACH / self.scale_of_view
        return self._bounds.adjusted(-reach, -reach, reach, reach)

    def set_scale(self, scale: float) -> None:
        """Tell the item how many screen pixels an image pixel has."""
        self.prepareGeometryChange()
        self.scale_of_view = scale

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        """Draw the pixels and their outline, which is derived at most once for each repaint."""
        if not self.is_active:
            return
        painter.setOpacity(self._opacity)
        self._pixels.draw(painter, QPointF(self._bounds.topLeft()), scale=1.0, exposed=option.exposedRect)
        painter.setOpacity(1.0)
        if self._outline is None:
            self._outline = outline_path(self.mask)
        draw_outline(painter, self._outline, self._colour, width=SELECTED)

    def _write(self, box: Box) -> None:
        self._pixels.words[box.slices] = self._inside[box.slices] * np.uint32(self._word)

    def _refresh(self, box: Box) -> None:
        self._outline = None
        reach = 1 + PEN_REACH / self.scale_of_view
        area = QRectF(box.left - 0.5, box.top - 0.5, box.width, box.height)
        self.update(area.adjusted(-reach, -reach, reach, reach))
