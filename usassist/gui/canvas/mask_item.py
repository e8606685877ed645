"""A region's pixels in its label's colour."""

import numpy as np
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from usassist.core.domain import Mask
from usassist.gui.canvas.pixels import Pixels, word

_EDGE = 1
"""Clear pixels around the crop, so that a smoothly drawn mask fades out as it does inside."""


class MaskItem(QGraphicsItem):
    """A mask on the scene: only its crop is held, and each of its pixels lies exactly on the frame's."""

    def __init__(self) -> None:
        super().__init__()
        self.setFlag(QGraphicsItem.GraphicsItemFlag.ItemUsesExtendedStyleOption)
        self._mask: Mask | None = None
        self._colour = QColor()
        self._opacity = 1.0
        self._pixels: Pixels | None = None
        self._bounds = QRectF()

    def set_mask(self, mask: Mask, colour: QColor) -> None:
        """Show a mask; the same mask in the same colour costs nothing."""
        if mask is self._mask and colour == self._colour:
            return
        self._mask, self._colour = mask, QColor(colour)
        box = mask.box
        words = np.zeros((box.height + 2 * _EDGE, box.width + 2 * _EDGE), dtype=np.uint32)
        words[_EDGE:-_EDGE, _EDGE:-_EDGE][mask.crop] = word(colour)
        self.prepareGeometryChange()
        self._pixels = Pixels(words)
        left, top = box.left - _EDGE - 0.5, box.top - _EDGE - 0.5
        self._bounds = QRectF(left, top, words.shape[1], words.shape[0])
        self.update()

    def set_opacity(self, opacity: float) -> None:
        """Set how much of the picture the mask covers, 0 to 1."""
        if opacity != self._opacity:
            self._opacity = opacity
            self.update()

    def boundingRect(self) -> QRectF:
        return self._bounds

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        if self._pixels is None:
            return
        painter.setOpacity(self._opacity)
        self._pixels.draw(painter, QPointF(self._bounds.topLeft()), scale=1.0, exposed=option.exposedRect)
