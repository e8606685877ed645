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
        self._display: Display | None = None
        self._table = adjustment(0, 0)
        self._neutral = True
        self._levels: list[Pixels] = []
        self._bounds = QRectF()

    def set_display(self, display: Display | None) -> None:
        """Show uint8 values, HxW grey or HxWx3 RGB; nothing where None."""
        self.prepareGeometryChange()
        self._display = display
        rows, cols = (0, 0) if display is None else display.shape[:2]
        self._bounds = QRectF(-0.5, -0.5, cols, rows)
        self._rebuild()

    def set_adjustment(self, brightness: int, contrast: int) -> None:
        """Set brightness and contrast, -100 to 100 each."""
        self._table = adjustment(brightness, contrast)
        self._neutral = brightness == 0 and contrast == 0
        self._rebuild()

    def boundingRect(self) -> QRectF:
        return self._bounds

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        """Draw the level whose pixels are nearest to the screen's: a large frame made small does not flicker."""
        if not self._levels:
            return
        zoom = painter.deviceTransform().m11()
        level = 0
        while 0 < zoom * 2 ** (level + 1) <= 1.0 and min(self._level(level).words.shape) >= 2:
            level += 1
        pixels = self._level(level)
        scale = self._bounds.width() / pixels.words.shape[1]
        pixels.draw(painter, self._bounds.topLeft() + QPointF(), scale=scale, exposed=option.exposedRect)

    def _rebuild(self) -> None:
        if self._display is None or self._display.size == 0:
            self._levels = []
        else:
            shown = self._display if self._neutral else cv2.LUT(self._display, self._table)
            self._levels = [Pixels(_words(shown), opaque=True)]
        self.update()

    def _level(self, level: int) -> Pixels:
        """Return the frame halved `level` times; each is made the first time it is asked for."""
        while len(self._levels) <= level:
            words = self._levels[-1].words
            size = max(1, words.shape[1] // 2), max(1, words.shape[0] // 2)
            channels = cv2.resize(words.view(np.uint8).reshape(*words.shape, 4), size, interpolation=cv2.INTER_AREA)
            self._levels.append(Pixels(channels.view(np.uint32)[..., 0], opaque=True))
        return self._levels[level]


def _words(display: Display) -> Words:
    """Return 0xFFRRGGBB words of grey or RGB values."""
    # OpenCV's BGRA is QImage's 32-bit word on a little-endian machine, which is every one that Qt 6 runs on.
    code = cv2.COLOR_GRAY2BGRA if display.ndim == 2 else cv2.COLOR_RGB2BGRA
    channels: npt.NDArray[np.uint8] = cv2.cvtColor(np.ascontiguousarray(display), code)
    return channels.view(np.uint32)[..., 0]
