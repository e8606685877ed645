"""The picture itself, with brightness and contrast that belong to the view alone."""

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from usassist.core.geometry.cv import cv2
from usassist.gui.canvas.pixels import Pixels, Words

Display = npt.NDArray[np.uint8]


def adjustment(brightness: int, contrast: int) -> Display:
    """Return the 256 display values for a brightness and a contrast of -100 to 100; (0, 0) changes nothing.

    Brightness shifts by up to the whole range; contrast turns the line about mid-grey, from flat to upright.
    """
    slope = np.tan(np.pi / 4 * (1 + np.clip(contrast, -100, 99.9) / 100))
    values = (np.arange(256) - 127.5) * slope + 127.5 + np.clip(brightness, -100, 100) * 2.55
    table: Display = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return table


class FrameItem(QGraphicsItem):
    """A frame on the scene: pixel (c, r) covers [c - 0.5, c + 0.5] x [r - 0.5, r + 0.5], always square."""

    def __init__(self) -> None:
        super().__init__()
        self.setFlag(QGraphicsItem.GraphicsItemFlag.ItemUsesExtendedStyleOption)
        self._table = adjustment(0, 0)
        self._neutral = True
        self._halved: list[Display] = []
        self._drawn: dict[int, Pixels] = {}
        self._bounds = QRectF()

    def set_display(self, display: Display | None) -> None:
        """Show uint8 values, HxW grey or HxWx3 RGB; nothing where None. The array is borrowed, not copied."""
        self.prepareGeometryChange()
        rows, cols = (0, 0) if display is None else display.shape[:2]
        self._bounds = QRectF(-0.5, -0.5, cols, rows)
        self._halved = [display] if display is not None and display.size else []
        self._drawn.clear()
        self.update()

    def set_adjustment(self, brightness: int, contrast: int) -> None:
        """Set brightness and contrast, -100 to 100 each."""
        self._table = adjustment(brightness, contrast)
        self._neutral = brightness == 0 and contrast == 0
        self._drawn.clear()
        self.update()

    def boundingRect(self) -> QRectF:
        return self._bounds

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        """Draw the level whose pixels are nearest to the screen's: a large frame made small does not flicker."""
        if not self._halved:
            return
        zoom = painter.deviceTransform().m11()
        level = 0
        while 0 < zoom * 2 ** (level + 1) <= 1.0 and min(self._level(level).shape[:2]) >= 2:
            level += 1
        pixels = self._pixels(level)
        scale = self._bounds.width() / pixels.words.shape[1]
        pixels.draw(painter, self._bounds.topLeft() + QPointF(), scale=scale, exposed=option.exposedRect)

    def _pixels(self, level: int) -> Pixels:
        """Return a level with brightness and contrast applied.

        Only what is painted is made: a 4k frame is mostly seen halved, and its 33 MB of words would take 100 ms.
        """
        if level not in self._drawn:
            values = self._level(level)
            shown = values if self._neutral else cv2.LUT(values, self._table)
            self._drawn[level] = Pixels(_words(shown), opaque=True)
        return self._drawn[level]

    def _level(self, level: int) -> Display:
        """Return the frame halved `level` times; each is made the first time it is asked for."""
        while len(self._halved) <= level:
            values = self._halved[-1]
            size = max(1, values.shape[1] // 2), max(1, values.shape[0] // 2)
            self._halved.append(cv2.resize(values, size, interpolation=cv2.INTER_AREA))
        return self._halved[level]


def _words(display: Display) -> Words:
    """Return 0xFFRRGGBB words of grey or RGB values."""
    # OpenCV's BGRA is QImage's 32-bit word on a little-endian machine, which is every one that Qt 6 runs on.
    code = cv2.COLOR_GRAY2BGRA if display.ndim == 2 else cv2.COLOR_RGB2BGRA
    channels: npt.NDArray[np.uint8] = cv2.cvtColor(np.ascontiguousarray(display), code)
    return channels.view(np.uint32)[..., 0]
