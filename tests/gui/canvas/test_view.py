"""Zoom, pan, fit, keys, and what the canvas shows of a document."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QKeyEvent, QNativeGestureEvent, QPointingDevice
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from usassist.core.domain import Mask
from usassist.gui.canvas import CanvasView
from usassist.gui.commands.region import add_mask, delete_selected


def square(top: int = 20, left: int = 30, size: int = 30) -> Mask:
    array = np.zeros((150, 200), dtype=np.bool_)
    array[top : top + size, left : left + size] = True
    return Mask.from_array(array)


def key(canvas: CanvasView, kind: QEvent.Type, code: Qt.Key, *, repeat: bool = False) -> bool:
    event = QKeyEvent(kind, code, Qt.KeyboardModifier.NoModifier, "", repeat)
    event.ignore()
    QApplication.sendEvent(canvas, event)
    return event.isAccepted()


def test_a_frame_is_fitted_in_the_middle(canvas: CanvasView) -> None:
    assert canvas.scale == 2.5
    corner = canvas.viewportTransform().map(QPointF(-0.5, -0.5))
    assert corner.toTuple() == (0.0, 12.0)


@pytest.mark.parametrize("size", [(500, 400), (811, 333), (237, 611)])
def test_pixels_are_square_and_the_fit_follows_the_window(canvas: CanvasView, size: tuple[int, int]) -> None:
    canvas.resize(*size)
    assert canvas.scale == pytest.approx(min(size[0] / 200, size[1] / 150))
    assert canvas.transform().m11() == canvas.transform().m22()


def test_the_zoom_stays_through_a_resize_once_the_person_zoomed(canvas: CanvasView) -> None:
    canvas.zoom_to(3.0)
    middle = canvas.to_image(QPointF(250, 200))
    canvas.resize(700, 300)
    assert canvas.scale == 3.0
    now = canvas.to_image(QPointF(350, 150))
    assert abs(now.x() - middle.x()) * 3 <= 1
    assert abs(now.y() - middle.y()) * 3 <= 1
    canvas.fit()
    canvas.resize(400, 300)
    assert canvas.scale == 2.0


@pytest.mark.parametrize("zoom", [0.05, 0.37, 1.0, 3.7, 17.3, 64.0])
def test_the_corner_of_the_picture_lies_on_a_whole_screen_pixel(canvas: CanvasView, zoom: float) -> None:
    canvas.zoom_to(zoom)
    corner = canvas.viewportTransform().map(QPointF(-0.5, -0.5))
    assert corner.x() == pytest.approx(round(corner.x()), abs=1e-6)
    assert corner.y() == pytest.approx(round(corner.y()), abs=1e-6)


def test_the_zoom_has_limits(canvas: CanvasView) -> None:
    canvas.zoom_to(1000)
    assert canvas.scale == 64.0
    canvas.zoom_to(0.0001)
    assert canvas.scale == 0.05
    canvas.actual_size()
    assert canvas.scale == 1.0


@pytest.mark.parametrize("modifier", ["", "ctrl"])
def test_the_wheel_zooms_where_the_cursor_is(
    canvas: CanvasView, hand: Any, tools: dict[str, Any], qtbot: QtBot, modifier: str
) -> None:
    canvas.set_tool(tools["brush"])
    at = canvas.viewportTransform().map(QPointF(130.0, 40.0))
    for notches in [1] * 12 + [-1] * 18 + [0.25] * 20:
        here = canvas.to_image(at)
        hand.wheel(here.x(), here.y(), notches, modifier=modifier)
        held = canvas.to_image(at)
        assert abs(held.x() - 130.0) * canvas.scale <= 1.0
        assert abs(held.y() - 40.0) * canvas.scale <= 1.0
    assert canvas.scale != 2.5


def test_zoom_changed_tells_every_change_once(canvas: CanvasView, qtbot: QtBot) -> None:
    said = []
    canvas.zoom_changed.connect(said.append)
    canvas.zoom_to(2.0)
    canvas.zoom_to(2.0)
    canvas.zoom_by(2.0)
    assert said == [2.0, 4.0]


def test_the_cursor_is_told_in_image_pixels(canvas: CanvasView, hand: Any) -> None:
    said = []
    canvas.cursor_moved.connect(lambda x, y: said.append((x, y)))
    hand.move(12.5, 30.25)
    assert said == [pytest.approx((12.5, 30.25))]


def test_the_middle_button_pans_in_every_tool(canvas: CanvasView, hand: Any, tools: dict[str, Any]) -> None:
    for tool in tools.values():
        canvas.set_tool(tool)
        canvas.zoom_to(4.0)
        start = canvas.viewportTransform().map(QPointF(100.0, 75.0))
        hand.press(100.0, 75.0, "middle")
        target = canvas.to_image(start + QPointF(40, -30))
        hand.move(target.x(), target.y(), "middle")
        now = canvas.viewportTransform().map(QPointF(100.0, 75.0))
        hand.release(100.0, 75.0, "middle")
        assert (now - start).toTuple() == pytest.approx((40, -30), abs=1)
    assert canvas.document.annotation.regions == ()


def test_space_and_drag_pans_and_does_not_play_or_paint(canvas: CanvasView, hand: Any, tools: dict[str, Any]) -> None:
    played = []
    canvas.play_requested.connect(lambda: played.append(True))
    canvas.set_tool(tools["brush"])
    canvas.zoom_to(4.0)
    start = canvas.viewportTransform().map(QPointF(100.0, 75.0))
    assert key(canvas, QEvent.Type.ShortcutOverride, Qt.Key.Key_Space)
    assert key(canvas, QEvent.Type.KeyPress, Qt.Key.Key_Space)
    hand.press(100.0, 75.0)
    hand.move(110.0, 75.0, "left")
    hand.release(100.0, 75.0)
    key(canvas, QEvent.Type.KeyRelease, Qt.Key.Key_Space)
    assert (canvas.viewportTransform().map(QPointF(100.0, 75.0)) - start).x() == pytest.approx(40, abs=1)
    assert played == []
    assert canvas.document.annotation.regions == ()


def test_space_that_is_tapped_plays_once(canvas: CanvasView) -> None:
    played = []
    canvas.play_requested.connect(lambda: played.append(True))
    key(canvas, QEvent.Type.KeyPress, Qt.Key.Key_Space)
    key(canvas, QEvent.Type.KeyPress, Qt.Key.Key_Space, repeat=True)
    key(canvas, QEvent.Type.KeyRelease, Qt.Key.Key_Space, repeat=True)
    assert played == []
    key(canvas, QEvent.Type.KeyRelease, Qt.Key.Key_Space)
    assert played == [True]


def test_space_is_left_to_the_window_while_nobody_listens(canvas: CanvasView) -> None:
    assert not key(canvas, QEvent.Type.ShortcutOverride, Qt.Key.Key_Space)


def test_keys_are_kept_from_shortcuts_only_while_the_tool_needs_them(
    canvas: CanvasView, hand: Any, tools: dict[str, Any]
) -> None:
    canvas.set_tool(tools["polygon"])
    assert not key(canvas, QEvent.Type.ShortcutOverride, Qt.Key.Key_Return)
    hand.click(20.0, 20.0)
    for code in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Backspace, Qt.Key.Key_Escape):
        assert key(canvas, QEvent.Type.ShortcutOverride, code)
    assert not key(canvas, QEvent.Type.ShortcutOverride, Qt.Key.Key_A)
    assert not key(canvas, QEvent.Type.KeyPress, Qt.Key.Key_Left)


def test_the_view_stays_on_the_next_picture_of_the_same_size(canvas: CanvasView, show: Callable[..., None]) -> None:
    canvas.zoom_to(5.0)
    middle = canvas.to_image(QPointF(250, 200))
    show(canvas.document, 1)
    assert canvas.scale == 5.0
    assert canvas.to_image(QPointF(250, 200)) == middle
    show(canvas.document, 3)
    assert canvas.scale == pytest.approx(min(500 / 120, 400 / 90))


def test_regions_follow_the_document(canvas: CanvasView, show: Callable[..., None]) -> None:
    document, layers = canvas.document, canvas.layers
    add_mask(document, square(), text="Draw")
    add_mask(document, square(80, 90), text="Draw")
    assert len(layers._regions) == 2
    first = next(iter(layers._regions.values()))
    delete_selected(document)
    assert list(layers._regions.values()) == [first]
    document.undo_stack.undo()
    assert len(layers._regions) == 2
    show(document, 1)
    assert layers._regions == {}
    show(document, 0)
    assert len(layers._regions) == 2


def test_hidden_masks_come_back_when_somebody_paints(canvas: CanvasView, hand: Any, tools: dict[str, Any]) -> None:
    said = []
    canvas.masks_visible_changed.connect(said.append)
    add_mask(canvas.document, square(), text="Draw")
    canvas.set_masks_visible(False)
    (items,) = canvas.layers._regions.values()
    assert not items.mask.isVisible()
    canvas.set_tool(tools["brush"])
    hand.click(60.0, 60.0)
    assert items.mask.isVisible()
    assert said == [False, True]


def test_a_file_that_cannot_be_read_leaves_no_other_picture_behind(canvas: CanvasView, qtbot: QtBot) -> None:
    document = canvas.document
    add_mask(document, square(), text="Draw")
    document.sources[2].path.write_bytes(b"not a picture")
    document.show(1)
    qtbot.waitUntil(lambda: document.frame is not None)
    with qtbot.waitSignal(document.frame_failed):
        document.show(2)
    assert canvas.layers.frame.boundingRect().isEmpty()
    assert canvas.layers._regions == {}
    canvas.grab()
    with qtbot.waitSignal(document.frame_shown):
        document.show(0)
    assert not canvas.layers.frame.boundingRect().isEmpty()


def test_one_tool_is_in_hand(canvas: CanvasView, tools: dict[str, Any]) -> None:
    said = []
    canvas.tool_changed.connect(said.append)
    canvas.set_tool(tools["brush"])
    canvas.set_tool(tools["brush"])
    canvas.set_tool(tools["pan"])
    assert said == ["brush", "pan"]
    assert canvas.tool is tools["pan"]


def test_a_canvas_has_a_name_for_those_who_cannot_see_it_and_one_document(canvas: CanvasView) -> None:
    assert canvas.accessibleName()
    assert canvas.accessibleDescription()
    with pytest.raises(RuntimeError, match="already"):
        canvas.set_document(canvas.document)


def test_a_canvas_without_a_document_says_so_and_can_be_painted(qtbot: QtBot) -> None:
    view = CanvasView()
    qtbot.addWidget(view)
    view.show()
    view.fit()
    view.zoom_to(2)
    view.grab()
    with pytest.raises(RuntimeError, match="no document"):
        _ = view.document


def test_two_fingers_zoom_where_they_are(canvas: CanvasView) -> None:
    at = canvas.viewportTransform().map(QPointF(130.0, 40.0))
    device = QPointingDevice.primaryPointingDevice()
    kind = Qt.NativeGestureType.ZoomNativeGesture
    spread = QNativeGestureEvent(kind, device, 2, at, at, at, 0.5, QPointF())
    QApplication.sendEvent(canvas.viewport(), spread)
    assert canvas.scale == pytest.approx(2.5 * 1.5)
    held = canvas.to_image(at)
    assert (held.x(), held.y()) == pytest.approx((130.0, 40.0), abs=1 / canvas.scale)


@pytest.mark.data
def test_a_real_frame_is_shown_as_it_is_stored(
    make_document: Callable[..., Any], data_root: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    document = make_document(auto_propose=False)
    view = CanvasView()
    qtbot.addWidget(view)
    view.set_document(document)
    view.resize(700, 600)
    view.show()
    first = min((data_root / "busi" / "images").iterdir())
    with qtbot.waitSignal(document.frame_shown):
        document.open_paths([first], project_dir=tmp_path / "project")
    view.actual_size()
    corner = view.viewportTransform().map(QPointF(-0.5, -0.5)).toPoint()
    image = view.grab().toImage()
    pixels = document.frame.pixels if document.frame.pixels.ndim == 3 else np.dstack([document.frame.pixels] * 3)
    for row, col in [(100, 100), (150, 220), (200, 180)]:
        colour = image.pixelColor(corner.x() + col, corner.y() + row)
        assert (colour.red(), colour.green(), colour.blue()) == tuple(pixels[row, col].tolist())


def test_what_could_not_be_opened_is_said_where_nothing_else_is_shown(
    qtbot: QtBot, make_document: Callable[..., Any], images: Path, tmp_path: Path
) -> None:
    document, canvas = make_document(), CanvasView()
    qtbot.addWidget(canvas)
    canvas.set_document(document)
    with qtbot.waitSignal(document.open_failed):
        document.open_paths([tmp_path / "nowhere"])
    assert "nowhere" in canvas._notice
    with qtbot.waitSignals([document.opened, document.frame_shown]):
        document.open_paths([images])
    with qtbot.waitSignal(document.open_failed):
        document.open_paths([tmp_path / "nowhere"])
    assert canvas._notice == ""
