"""Pixels on the screen: memory that an image borrows safely, and a magnifier that is exact at every zoom.

In the scene a pixel's centre lies at integers, so image pixel (c, r) covers [c - 0.5, c + 0.5] x [r - 0.5, r + 0.5].
"""

import math

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QColor, QImage, QPainter, QTransform

Words = npt.NDArray[np.uint32]
_TIE = 1e-6
"""A centre exactly between two pixels shows the latter one, whatever the last bit of the sum says."""
SMOOTH_BELOW = 2.0
"""Screen pixels per image pixel from which single pixels are shown as they are."""


_UPRIGHT = (
    QTransform.TransformationType.TxNone,
    QTransform.TransformationType.TxTranslate,
    QTransform.TransformationType.TxScale,
)


class Pixels:
    """HxW words of 0xAARRGGBB, premultiplied, and the QImage over the same memory: writing one changes the other.

    The image borrows the array's memory, so both are kept here together and the image is never handed out.
    """

    def __init__(self, words: Words, *, opaque: bool = False) -> None:
        self.words: Words = np.ascontiguousarray(words)
        rows, cols = self.words.shape
        kind = QImage.Format.Format_RGB32 if opaque else QImage.Format.Format_ARGB32_Premultiplied
        self._image = QImage(self.words.data, cols, rows, cols * 4, kind)
        self._kind = kind

    @property
    def is_empty(self) -> bool:
        return self.words.size == 0

    def draw(self, painter: QPainter, at: QPointF, *, scale: float, exposed: QRectF) -> None:
        """Draw with the top left pixel's corner at scene point `at`, each pixel `scale` scene units wide.

        Magnified twice or more, and at exactly one to one, every screen pixel shows the image pixel its centre lies
        in: layers drawn this way fit each other to the pixel. Otherwise the picture is drawn smoothly.
        """
        if self.is_empty:
            return
        rows, cols = self.words.shape
        whole = QRectF(at.x(), at.y(), cols * scale, rows * scale)
        device = painter.deviceTransform()
        zoom = device.m11() * scale
        plain = device.type() in _UPRIGHT and device.m11() > 0 and device.m22() > 0
        if plain and (zoom >= SMOOTH_BELOW or math.isclose(zoom, 1.0)):
            self._magnify(painter, whole, exposed=exposed.intersected(whole))
        else:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, on=zoom < SMOOTH_BELOW)
            painter.drawImage(whole, self._image)

    def _magnify(self, painter: QPainter, whole: QRectF, *, exposed: QRectF) -> None:
        """Repeat each pixel as often as the screen asks for, in device pixels.

        Qt's own fast scaling steps in 1/65536 of a pixel, which drifts by a screen pixel across a large frame, and
        differently for a crop than for the whole.
        """
        device = painter.deviceTransform()
        area = device.mapRect(exposed).toAlignedRect()
        full = device.mapRect(whole)
        col = _sampled(area.left(), area.right() + 1, full.left(), full.width(), self.words.shape[1])
        row = _sampled(area.top(), area.bottom() + 1, full.top(), full.height(), self.words.shape[0])
        if not (len(col[1]) and len(row[1])):
            return
        narrow = self.words[row[1][0] : row[1][-1] + 1].take(col[1], axis=1)
        block = np.ascontiguousarray(narrow.take(row[1] - row[1][0], axis=0))
        height, width = block.shape
        image = QImage(block.data, width, height, width * 4, self._kind)
        image.setDevicePixelRatio(painter.device().devicePixelRatio())
        painter.save()
        painter.resetTransform()
        back, _ = painter.deviceTransform().inverted()
        painter.drawImage(back.map(QPointF(col[0], row[0])), image)
        painter.restore()


def _sampled(start: int, stop: int, origin: float, extent: float, count: int) -> tuple[int, npt.NDArray[np.intp]]:
    """Return the first device pixel of [start, stop) that shows one of `count` pixels, and which one each shows."""
    place = (np.arange(start, stop) + (0.5 - origin)) * (count / extent)
    index = np.floor(place + _TIE).astype(np.intp)
    first, last = np.searchsorted(index, [0, count])
    return start + int(first), index[first:last]


def word(colour: QColor) -> int:
    """Return an opaque colour as 0xFFRRGGBB."""
    return 0xFF000000 | (colour.rgb() & 0xFFFFFF)
