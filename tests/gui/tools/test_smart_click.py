"""Point at the object: clicks and a box become questions, answers wait, and only Enter makes a region."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QImage, QPainter
from pytestqt.qtbot import QtBot

from usassist.core.domain import Box, PromptPoint
from usassist.gui.canvas import CanvasView
from usassist.gui.tools.smart_click import SmartClickTool, _draw_points


@pytest.fixture
def smart(canvas: CanvasView, tools: dict[str, Any]) -> SmartClickTool:
    canvas.set_tool(tools["smart_click"])
    return tools["smart_click"]


@pytest.fixture
def answered(canvas: CanvasView, qtbot: QtBot) -> Callable[[], None]:
    """Return a function that waits for the answer to the clicks."""
    return lambda: qtbot.waitUntil(lambda: canvas.document.click_answer is not None)


@pytest.mark.parametrize("zoom", [0.5, 1.0, 3.7])
def test_buttons_and_ctrl_say_what_belongs_and_what_does_not(
    canvas: CanvasView, hand: Any, smart: SmartClickTool, engine: Any, answered: Callable, *, zoom: float
) -> None:
    canvas.zoom_to(zoom)
    canvas.centerOn(90, 70)
    hand.click(90.0, 70.0)
    hand.click(100.0, 70.0, "right")
    hand.click(90.0, 80.0, modifier="ctrl")
    answered()
    points = engine.prompts[-1].points
    assert [point.positive for point in points] == [True, False, False]
    reach = 1 / zoom
    for point, (x, y) in zip(points, [(90, 70), (100, 70), (90, 80)], strict=True):
        assert abs(point.x - x) <= reach and abs(point.y - y) <= reach
    assert canvas.document.annotation.regions == ()


def test_a_drag_is_a_box_of_the_pixels_it_touches_cut_to_the_picture(
    canvas: CanvasView, hand: Any, smart: SmartClickTool, engine: Any, answered: Callable
) -> None:
    canvas.zoom_to(1.0)
    hand.drag([(20.0, 30.0), (60.0, 50.0), (80.0, 90.0)])
    answered()
    assert engine.prompts[-1].box == Box(30, 20, 91, 81)
    hand.drag([(150.0, 100.0), (240.0, 170.0)])
    answered()
    assert engine.prompts[-1].box == Box(100, 150, 150, 200)
    hand.click(160.0, 110.0, "right")
    answered()
    assert engine.prompts[-1].box == Box(100, 150, 150, 200), "a click keeps the box"
    assert engine.prompts[-1].mask is not None


def test_a_click_corrects_the_answer_before_it(
    canvas: CanvasView, hand: Any, smart: SmartClickTool, engine: Any, answered: Callable
) -> None:
    hand.click(50.0, 50.0)
    answered()
    first = canvas.document.click_answer
    assert engine.prompts[-1].mask is None
    hand.click(80.0, 50.0)
    answered()
    assert engine.prompts[-1].mask == first.mask
    assert canvas.document.proposals == (canvas.document.click_answer,)


def test_enter_accepts_in_one_step_and_the_next_click_begins_another_object(
    canvas: CanvasView, hand: Any, smart: SmartClickTool, engine: Any, answered: Callable
) -> None:
    document = canvas.document
    for x in (50.0, 54.0):
        hand.click(x, 50.0)
        answered()
    mask = document.click_answer.mask
    assert smart.takes(Qt.Key.Key_Return)
    hand.key("Return")
    (region,) = document.annotation.regions
    assert region.mask == mask and region.origin == "engine" and region.edited
    assert document.annotation.status == "accepted"
    assert document.undo_stack.count() == 1
    assert document.clicks is None and not smart.is_open and document.undo_group.activeStack() is document.undo_stack
    hand.click(120.0, 100.0)
    answered()
    assert engine.prompts[-1].mask is None and len(engine.prompts[-1].points) == 1
    hand.key("Return")
    assert len(document.annotation.regions) == 2
    document.undo_stack.undo()
    document.undo_stack.undo()
    assert document.annotation.regions == ()


@pytest.mark.parametrize("how", ["backspace", "undo"])
def test_the_last_click_is_taken_back_and_the_engine_asked_again(
    canvas: CanvasView, hand: Any, smart: SmartClickTool, engine: Any, answered: Callable, *, how: str
) -> None:
    document = canvas.document
    masks = []
    for x in (50.0, 80.0):
        hand.click(x, 50.0)
        answered()
        masks.append(document.click_answer.mask)

    def take_back() -> None:
        hand.key("Backspace") if how == "backspace" else document.undo_group.undo()

    take_back()
    answered()
    assert document.click_answer.mask == masks[0] and len(document.clicks.points) == 1
    document.undo_group.redo()
    answered()
    assert document.click_answer.mask == masks[1]
    take_back()
    take_back()
    assert document.clicks is None and document.proposals == ()
    document.undo_group.redo()
    answered()
    assert document.click_answer.mask == masks[0]
    document.drop_clicks()
    assert document.undo_group.activeStack() is document.undo_stack


def test_escape_brings_back_what_waited_before(
    canvas: CanvasView, hand: Any, smart: SmartClickTool, answered: Callable, qtbot: QtBot
) -> None:
    document = canvas.document
    hand.click(50.0, 50.0)
    answered()
    canvas.set_tool(canvas.tool)
    smart.cancel()
    (waiting,) = document.proposals
    hand.click(80.0, 50.0)
    answered()
    assert document.proposals != (waiting,)
    hand.key("Escape")
    assert document.proposals == (waiting,) and document.clicks is None
    assert not smart.takes(Qt.Key.Key_Escape)


def test_what_is_beside_the_picture_or_said_twice_is_no_click(
    canvas: CanvasView, hand: Any, smart: SmartClickTool, engine: Any, answered: Callable
) -> None:
    canvas.zoom_to(0.5)
    hand.click(-10.0, 50.0)
    hand.click(50.0, 152.0)
    assert canvas.document.clicks is None
    hand.double_click(50.0, 50.0)
    answered()
    assert len(canvas.document.clicks.points) == 1
    canvas.zoom_to(20)
    canvas.centerOn(50, 50)
    hand.drag([(50.0, 50.0), (50.3, 50.0)])
    answered()
    assert len(canvas.document.clicks.points) == 2 and canvas.document.clicks.box is None


def test_a_press_says_that_the_picture_has_to_stand_still(canvas: CanvasView, hand: Any, smart: SmartClickTool) -> None:
    pressed: list[int] = []
    canvas.document.pointing_begun.connect(lambda: pressed.append(1))
    hand.press(50.0, 50.0)
    assert pressed == [1]


def test_only_while_it_is_in_hand_the_accepted_is_not_selected(
    canvas: CanvasView, hand: Any, smart: SmartClickTool, tools: dict[str, Any]
) -> None:
    assert canvas.document.is_pointing
    canvas.set_tool(tools["brush"])
    assert not canvas.document.is_pointing


def test_escape_twice_begins_another_object_after_a_refinement_that_waits(
    canvas: CanvasView, hand: Any, smart: SmartClickTool, tools: dict[str, Any], answered: Callable
) -> None:
    document = canvas.document
    hand.click(50.0, 50.0)
    answered()
    hand.key("Return")
    (first,) = document.annotation.regions
    hand.click(52.0, 50.0)
    answered()
    assert document.selected_region == first
    canvas.set_tool(tools["pan"])
    canvas.set_tool(smart)
    assert document.proposals and document.selected_region == first
    document.select_region(None)  # what Esc does in the window once no clicks are left
    hand.click(58.0, 50.0)
    answered()
    hand.key("Return")
    assert document.annotation.regions[0] == first and len(document.annotation.regions) == 2


def test_another_tool_keeps_the_outline_and_forgets_the_clicks(
    canvas: CanvasView, hand: Any, smart: SmartClickTool, tools: dict[str, Any], answered: Callable
) -> None:
    hand.click(50.0, 50.0)
    answered()
    (waiting,) = canvas.document.proposals
    canvas.set_tool(tools["brush"])
    assert canvas.document.clicks is None
    assert canvas.document.proposals == (waiting,)


def test_masks_that_were_hidden_are_shown_for_what_is_corrected(
    canvas: CanvasView, hand: Any, smart: SmartClickTool
) -> None:
    canvas.set_masks_visible(False)
    hand.click(50.0, 50.0)
    assert canvas.layers.visible


@pytest.mark.parametrize("scale", [0.3, 1.0, 8.0])
def test_clicks_are_as_large_at_every_zoom_and_told_apart_without_colour(qtbot: QtBot, scale: float) -> None:
    def drawn(*, positive: bool) -> np.ndarray:
        image = QImage(60, 60, QImage.Format.Format_RGB32)
        image.fill(QColor("black"))
        painter = QPainter(image)
        painter.scale(scale, scale)
        _draw_points(painter, [PromptPoint(30 / scale, 30 / scale, positive)], scale)
        painter.end()
        pixels = np.frombuffer(image.constBits(), np.uint8).reshape(60, 60, 4)[..., :3]
        return pixels.max(2) > 60

    disc, square = drawn(positive=True), drawn(positive=False)
    for seen in (disc, square):
        rows, cols = np.nonzero(seen)
        assert 11 <= np.ptp(rows) + 1 <= 19 and 11 <= np.ptp(cols) + 1 <= 19
    assert (square & ~disc).sum() > 20
