"""Click corners, close, and the polygon's pixels are a region."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from usassist.core.geometry.raster import polygon_mask
from usassist.gui.canvas import CanvasView
from usassist.gui.tools.polygon import PolygonTool

CORNERS = [(40.2, 30.4), (120.3, 35.2), (130.7, 90.3), (60.1, 110.4)]


@pytest.fixture
def polygon(canvas: CanvasView, tools: dict[str, Any]) -> PolygonTool:
    canvas.set_tool(tools["polygon"])
    return tools["polygon"]


def click_all(hand: Any, corners: list[tuple[float, float]] = CORNERS) -> None:
    for corner in corners:
        hand.click(*corner)


def only_mask(canvas: CanvasView) -> np.ndarray:
    (region,) = canvas.document.annotation.regions
    return region.mask.to_array()


EXPECTED = polygon_mask(np.array(CORNERS), (150, 200)).to_array()


@pytest.mark.parametrize("zoom", [0.5, 1.0, 3.7])
@pytest.mark.parametrize("how", ["enter", "double click", "first corner"])
def test_a_closed_polygon_is_a_region_of_exactly_its_pixels(
    canvas: CanvasView, hand: Any, polygon: PolygonTool, zoom: float, how: str
) -> None:
    canvas.zoom_to(zoom)
    if how == "double click":
        click_all(hand, CORNERS[:-1])
        hand.double_click(*CORNERS[-1])
    else:
        click_all(hand)
        if how == "enter":
            hand.key("Return")
        else:
            hand.click(CORNERS[0][0] + 4 / canvas.scale, CORNERS[0][1])
    assert np.array_equal(only_mask(canvas), EXPECTED)
    assert not polygon.is_open
    assert canvas.document.selected_region is not None
    canvas.document.undo_stack.undo()
    assert canvas.document.annotation.regions == ()


def test_backspace_and_right_click_take_the_last_corner_back(
    canvas: CanvasView, hand: Any, polygon: PolygonTool
) -> None:
    click_all(hand)
    hand.click(10.0, 10.0)
    hand.key("Backspace")
    hand.click(15.0, 10.0)
    hand.click(20.0, 20.0, "right")
    assert len(polygon.points) == 4
    hand.key("Enter")
    assert np.array_equal(only_mask(canvas), EXPECTED)


def test_escape_drops_an_open_polygon_and_only_an_open_one(canvas: CanvasView, hand: Any, polygon: PolygonTool) -> None:
    from PySide6.QtCore import Qt

    click_all(hand)
    assert all(polygon.takes(key) for key in (Qt.Key.Key_Return, Qt.Key.Key_Backspace, Qt.Key.Key_Escape))
    hand.key("Escape")
    assert polygon.points == ()
    assert not any(polygon.takes(key) for key in (Qt.Key.Key_Return, Qt.Key.Key_Backspace, Qt.Key.Key_Escape))
    assert canvas.document.annotation.regions == ()


def test_two_corners_are_no_polygon_and_a_message_says_so(
    canvas: CanvasView, hand: Any, polygon: PolygonTool, qtbot: QtBot
) -> None:
    click_all(hand, CORNERS[:2])
    with qtbot.waitSignal(canvas.document.message) as said:
        hand.key("Return")
    assert "three corners" in said.args[0]
    assert len(polygon.points) == 2


def test_a_polygon_without_a_pixel_says_so(canvas: CanvasView, hand: Any, polygon: PolygonTool, qtbot: QtBot) -> None:
    canvas.zoom_to(20)
    click_all(hand, [(20.1, 20.1), (20.9, 20.1), (20.5, 20.4)])
    with qtbot.waitSignal(canvas.document.message) as said:
        hand.key("Return")
    assert "no pixel" in said.args[0]
    assert canvas.document.undo_stack.count() == 0


def test_another_tool_or_frame_drops_the_polygon(
    canvas: CanvasView, hand: Any, polygon: PolygonTool, tools: dict[str, Any], show: Callable[..., None]
) -> None:
    click_all(hand)
    canvas.set_tool(tools["pan"])
    assert polygon.points == ()
    canvas.set_tool(polygon)
    click_all(hand)
    said: list[str] = []
    canvas.document.message.connect(lambda text, _details: said.append(text))
    show(canvas.document, 1)
    assert said == ["The polygon was not closed, so it was not kept."]
    assert polygon.points == ()


def test_panning_in_the_middle_of_a_polygon_keeps_it(canvas: CanvasView, hand: Any, polygon: PolygonTool) -> None:
    canvas.zoom_to(2.0)
    click_all(hand, CORNERS[:2])
    hand.drag([(80.0, 60.0), (70.0, 50.0)], "middle")
    click_all(hand, CORNERS[2:])
    hand.key("Return")
    assert np.array_equal(only_mask(canvas), EXPECTED)


def test_no_corner_is_set_where_the_polygon_could_not_be_kept(
    canvas: CanvasView, hand: Any, polygon: PolygonTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(canvas.document, "may_edit", lambda: False)
    click_all(hand)
    assert not polygon.is_open
    monkeypatch.undo()
    click_all(hand)
    assert len(polygon.points) == len(CORNERS)
