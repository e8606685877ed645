"""The picture, masks and outlines on the scene."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPainterPath, QPolygonF
from PySide6.QtWidgets import QStyleOptionGraphicsItem
from pytestqt.qtbot import QtBot

from usassist.core.domain import Mask, Prompt, Proposal
from usassist.core.geometry.raster import contours_of
from usassist.gui.canvas import CanvasView
from usassist.gui.canvas.contour_item import ContourItem, outline_path
from usassist.gui.canvas.frame_item import FrameItem, adjustment
from usassist.gui.canvas.mask_item import MaskItem
from usassist.gui.canvas.preview_item import PreviewItem
from usassist.gui.commands.region import add_mask

MASKS = hnp.arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12))).map(Mask.from_array)


def test_a_neutral_adjustment_changes_nothing() -> None:
    assert np.array_equal(adjustment(0, 0), np.arange(256))


@pytest.mark.parametrize("brightness", [-100, -30, 0, 45, 100])
@pytest.mark.parametrize("contrast", [-100, -30, 0, 45, 100])
def test_an_adjustment_never_turns_bright_into_dark(brightness: int, contrast: int) -> None:
    assert np.all(np.diff(adjustment(brightness, contrast).astype(int)) >= 0)


def test_brightness_and_contrast_do_what_they_say() -> None:
    assert adjustment(40, 0)[100] > 100
    assert adjustment(-40, 0)[100] < 100
    assert adjustment(0, 40)[200] > 200
    assert adjustment(0, 40)[50] < 50
    assert len(np.unique(adjustment(0, -100))) == 1


@given(MASKS)
def test_an_outline_is_the_contours_closed_one_by_one(mask: Mask) -> None:
    path = QPainterPath()
    path.setFillRule(Qt.FillRule.OddEvenFill)
    for contour in contours_of(mask):
        path.addPolygon(QPolygonF([QPointF(x, y) for x, y in contour.points.tolist()]))
        path.closeSubpath()
    built = outline_path(mask)
    assert built.boundingRect() == path.boundingRect()
    for row, col in np.ndindex(mask.shape):
        assert built.contains(QPointF(col, row)) == mask.contains(row, col)


def test_an_outline_is_derived_once_for_each_mask(monkeypatch: pytest.MonkeyPatch, qtbot: QtBot) -> None:
    from usassist.gui.canvas import contour_item

    asked = []
    monkeypatch.setattr(contour_item, "outline_path", lambda mask: asked.append(mask) or QPainterPath())
    item, mask = ContourItem(), Mask.from_array(np.ones((4, 4), dtype=np.bool_))
    item.set_mask(mask, QColor("red"))
    item.set_mask(mask, QColor("blue"), selected=True)
    assert len(asked) == 1
    item.set_mask(Mask.from_array(np.eye(4, dtype=np.bool_)), QColor("blue"))
    assert len(asked) == 2


def test_items_lie_half_a_pixel_before_their_first_pixel(qtbot: QtBot) -> None:
    frame, item = FrameItem(), MaskItem()
    frame.set_display(np.zeros((30, 40), dtype=np.uint8))
    assert frame.boundingRect().getRect() == (-0.5, -0.5, 40, 30)
    array = np.zeros((30, 40), dtype=np.bool_)
    array[5:7, 10:14] = True
    item.set_mask(Mask.from_array(array), QColor("red"))
    assert item.boundingRect().adjusted(1, 1, -1, -1).getRect() == (9.5, 4.5, 4, 2)
    item.set_mask(Mask.empty((30, 40)), QColor("red"))
    frame.set_display(None)
    assert frame.boundingRect().isEmpty()


def test_a_large_frame_is_never_converted_whole_to_be_seen_small(qtbot: QtBot) -> None:
    frame = FrameItem()
    picture = np.full((400, 600, 3), (200, 100, 50), dtype=np.uint8)
    frame.set_display(picture)
    frame.set_adjustment(0, 40)
    target = QImage(150, 100, QImage.Format.Format_RGB32)
    target.fill(0)
    painter = QPainter(target)
    painter.scale(0.25, 0.25)
    option = QStyleOptionGraphicsItem()
    option.exposedRect = frame.boundingRect()
    frame.paint(painter, option)
    painter.end()
    assert [pixels.words.shape for pixels in frame._drawn.values()] == [(100, 150)]
    assert frame._halved[0] is picture
    table = adjustment(0, 40)
    assert target.pixelColor(75, 50).getRgb()[:3] == (table[200], table[100], table[50])


def test_a_preview_that_is_replaced_forgets_what_was_there(qtbot: QtBot) -> None:
    item = PreviewItem()
    array = np.zeros((30, 40), dtype=np.bool_)
    array[5:9, 10:14] = True
    item.begin(Mask.from_array(array), QColor("red"), opacity=0.5)
    other = Mask.from_array(array[::-1].copy())
    item.replace(other)
    assert item.mask == other
    item.apply(other, erase=True)
    assert item.mask.is_empty
    item.end()
    assert not item.is_active


@pytest.mark.parametrize("zoom", [1.0, 2.0, 3.7, 7.3])
def test_the_mask_on_the_screen_is_the_mask(canvas: CanvasView, zoom: float) -> None:
    rng = np.random.default_rng(3)
    array = np.zeros((150, 200), dtype=np.bool_)
    array[40:110, 50:150] = rng.random((70, 100)) < 0.5
    canvas.zoom_to(zoom)
    without = rgb(canvas)
    add_mask(canvas.document, Mask.from_array(array), text="Draw")
    canvas.set_opacity(1.0)
    for items in canvas.layers._regions.values():
        items.contour.hide()
    inverse, _ = canvas.viewportTransform().inverted()
    rows, cols = without.shape[:2]
    left, top = inverse.map(QPointF(0.5, 0.5)).toTuple()
    col = np.floor(left + np.arange(cols) / zoom + 0.5 + 1e-6).astype(int)
    row = np.floor(top + np.arange(rows) / zoom + 0.5 + 1e-6).astype(int)
    seen = ((row >= 0) & (row < 150))[:, None] & ((col >= 0) & (col < 200))
    covered = array[np.clip(row, 0, 149)][:, np.clip(col, 0, 199)] & seen
    colour = QColor(canvas.document.active_label.colour)
    shown = rgb(canvas)
    assert np.array_equal((shown == (colour.blue(), colour.green(), colour.red())).all(axis=2), covered)
    assert np.array_equal(shown[~covered], without[~covered])


@pytest.mark.parametrize("zoom", [0.05, 0.3, 0.5, 0.9, 1.0, 1.6, 2.0])
def test_a_flat_picture_stays_flat_at_every_zoom(canvas: CanvasView, zoom: float) -> None:
    canvas.layers.frame.set_display(np.full((150, 200), 77, dtype=np.uint8))
    canvas.zoom_to(zoom)
    shown = rgb(canvas)
    inside = shown[shown.any(axis=2)]
    assert len(inside)
    assert np.median(inside) == 77


def test_colour_and_adjusted_pictures_are_shown_as_such(canvas: CanvasView) -> None:
    display = np.zeros((150, 200, 3), dtype=np.uint8)
    display[:] = (10, 120, 230)
    canvas.zoom_to(1.0)
    canvas.layers.frame.set_display(display)
    assert rgb(canvas)[200, 250].tolist() == [230, 120, 10]
    canvas.set_brightness_contrast(20, 10)
    table = adjustment(20, 10)
    assert rgb(canvas)[200, 250].tolist() == [table[230], table[120], table[10]]
    canvas.set_brightness_contrast(0, 0)
    assert rgb(canvas)[200, 250].tolist() == [230, 120, 10]


def rgb(canvas: CanvasView) -> np.ndarray:
    """Return what the canvas shows, HxWx3 in the order blue, green, red."""
    from PySide6.QtGui import QImage
    from PySide6.QtWidgets import QApplication

    QApplication.processEvents()
    image = canvas.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    words = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.width(), 4)
    return words[..., :3].copy()


def test_D_a_waiting_outline_has_a_dark_rim_between_its_dashes_and_beside_them(qtbot: QtBot) -> None:
    bits = np.zeros((40, 40), dtype=np.bool_)
    bits[10:30, 10:30] = True
    item = ContourItem(waiting=True)
    item.set_mask(Mask.from_array(bits), QColor("#e69f00"))
    image = QImage(40, 40, QImage.Format.Format_RGB32)
    image.fill(QColor("#e69f00"))
    painter = QPainter(image)
    item.paint(painter, QStyleOptionGraphicsItem())
    painter.end()
    red = np.frombuffer(image.constBits(), np.uint8).reshape(40, 40, 4)[..., 2]
    dark = red < 150
    assert dark[15:25, 7:13].any(axis=1).all(), "along dashes and gaps alike"
    assert dark[:, 8:12].sum() > 40


def test_D_a_region_that_is_being_refined_is_faded_until_it_is_decided(canvas: CanvasView) -> None:
    document = canvas.document
    bits = np.zeros(document.frame.shape, dtype=np.bool_)
    bits[20:60, 20:60] = True
    add_mask(document, Mask.from_array(bits), text="Paint")
    (region,) = document.annotation.regions
    items = canvas.layers._regions[region.id]
    outline = Proposal(document.ref.key, region.label_id, region.mask, 1, 1, "x", "", Prompt("x"), 0, refines=region.id)
    document.restore_proposal(outline, 0)
    assert items.contour.opacity() == pytest.approx(0.4) and items.mask._opacity == pytest.approx(0.4 * 0.35)
    document.drop_proposal(outline)
    assert items.contour.opacity() == 1 and items.mask._opacity == pytest.approx(0.35)
