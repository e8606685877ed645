"""Magnified pixels are exact at every zoom and every place, and a crop fits the whole to the pixel."""

import numpy as np
import pytest
from PySide6.QtCore import QPointF, QRect, QRectF
from PySide6.QtGui import QColor, QImage, QPainter, QTransform

from usassist.gui.canvas.pixels import Pixels, word

SIZE = 240
EVERYWHERE = QRectF(-1e6, -1e6, 2e6, 2e6)


def random_words(rows: int, cols: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 1 << 24, (rows, cols), dtype=np.uint32) | np.uint32(0xFF000000)


def drawn(
    pixels: Pixels, at: QPointF, transform: QTransform, *, exposed: QRectF = EVERYWHERE, ratio: float = 1.0
) -> np.ndarray:
    image = QImage(SIZE, SIZE, QImage.Format.Format_RGB32)
    image.fill(QColor(0, 0, 0))
    image.setDevicePixelRatio(ratio)
    painter = QPainter(image)
    painter.setWorldTransform(transform)
    pixels.draw(painter, at, scale=1.0, exposed=exposed)
    painter.end()
    return np.frombuffer(image.constBits(), np.uint32).reshape(SIZE, SIZE).copy() | np.uint32(0xFF000000)


def truth(words: np.ndarray, zoom: float, shift: float) -> np.ndarray:
    """Return what each screen pixel must show: the image pixel its centre lies in, black beyond."""
    index = np.floor((np.arange(SIZE) + 0.5 - shift) / zoom + 1e-6).astype(int)
    inside = (index >= 0) & (index < words.shape[0])
    picture = words[np.clip(index, 0, words.shape[0] - 1)][:, np.clip(index, 0, words.shape[1] - 1)]
    return np.where(inside[:, None] & inside, picture, np.uint32(0xFF000000))


@pytest.mark.parametrize("zoom", [1.0, 2.0, 3.7, 5.123, 11.0, 64.0])
@pytest.mark.parametrize("shift", [0.0, -17.0, 31.0])
def test_every_screen_pixel_shows_the_image_pixel_under_its_centre(zoom: float, shift: float) -> None:
    words = random_words(120, 120)
    shown = drawn(Pixels(words, opaque=True), QPointF(-0.5, -0.5), placed(zoom, shift))
    assert np.array_equal(shown, truth(words, zoom, shift))


@pytest.mark.parametrize("zoom", [1.0, 2.0, 3.7, 5.123])
def test_a_crop_lies_exactly_on_the_whole(zoom: float) -> None:
    words = random_words(120, 120)
    crop = np.zeros_like(words)
    crop[13:40, 7:51] = words[13:40, 7:51]
    shown = drawn(Pixels(words[13:40, 7:51]), QPointF(7 - 0.5, 13 - 0.5), placed(zoom, 3.0))
    assert np.array_equal(shown, truth(crop | np.uint32(0xFF000000), zoom, 3.0))


@pytest.mark.parametrize("ratio", [1.25, 1.5, 2.0])
def test_it_is_exact_on_screens_with_small_pixels(ratio: float) -> None:
    words = random_words(120, 120)
    shown = drawn(Pixels(words, opaque=True), QPointF(-0.5, -0.5), placed(3.0, 0.0), ratio=ratio)
    assert np.array_equal(shown, truth(words, 3.0 * ratio, 0.0))


@pytest.mark.parametrize("zoom", [1.0, 2.3, 3.7])
def test_a_part_is_drawn_as_it_is_in_the_whole(zoom: float) -> None:
    pixels = Pixels(random_words(120, 120), opaque=True)
    place = placed(zoom, 5.0)
    whole = drawn(pixels, QPointF(-0.5, -0.5), place)
    part = drawn(pixels, QPointF(-0.5, -0.5), place, exposed=place.inverted()[0].mapRect(QRectF(QRect(30, 40, 50, 60))))
    assert np.array_equal(part[40:100, 30:80], whole[40:100, 30:80])


def test_nothing_and_what_is_out_of_sight_draw_nothing() -> None:
    black = np.full((SIZE, SIZE), 0xFF000000, dtype=np.uint32)
    assert np.array_equal(drawn(Pixels(np.zeros((0, 0), dtype=np.uint32)), QPointF(), placed(3.0, 0.0)), black)
    assert np.array_equal(drawn(Pixels(random_words(5, 5)), QPointF(-900, 0), placed(3.0, 0.0)), black)


def test_writing_the_words_changes_the_image() -> None:
    words = np.full((4, 4), 0xFF000000, dtype=np.uint32)
    pixels = Pixels(words)
    pixels.words[1, 2] = word(QColor("#ff8000"))
    for zoom in (1.5, 10.0):
        shown = drawn(pixels, QPointF(-0.5, -0.5), placed(zoom, 0.0))
        assert shown[round(1.5 * zoom), round(2.5 * zoom)] == 0xFFFF8000 or zoom < 2
        assert shown.max() > 0xFF000000


def placed(zoom: float, shift: float) -> QTransform:
    """Return the canvas's own transform: the corner of the picture on a whole screen pixel."""
    return QTransform(zoom, 0, 0, zoom, zoom / 2 + shift, zoom / 2 + shift)
