"""Corners of the selected region can be dragged; until then not a pixel changes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from usassist.core.domain import Mask
from usassist.core.errors import UsassistError
from usassist.gui.canvas import CanvasView
from usassist.gui.commands.region import add_mask
from usassist.gui.tools.edit_contour import EditContourTool

BOX = (30, 40, 90, 130)  # top, left, bottom, right
TOP_LEFT = (39.5, 29.5)


@pytest.fixture
def mask() -> Mask:
    array = np.zeros((150, 200), dtype=np.bool_)
    array[BOX[0] : BOX[2], BOX[1] : BOX[3]] = True
    array[50:70, 70:100] = False
    return Mask.from_array(array)


@pytest.fixture
def edit(canvas: CanvasView, tools: dict[str, Any], mask: Mask) -> EditContourTool:
    add_mask(canvas.document, mask, text="Draw")
    canvas.set_tool(tools["edit_contour"])
    return tools["edit_contour"]


def now(canvas: CanvasView) -> Mask:
    return canvas.document.annotation.regions[0].mask


def steps(canvas: CanvasView) -> int:
    return canvas.document.undo_stack.count() - 1


def test_the_corners_are_those_of_the_outline_and_its_hole(edit: EditContourTool) -> None:
    assert len(edit.corners) == 8
    assert TOP_LEFT in edit.corners
    assert (69.5, 49.5) in edit.corners


@pytest.mark.parametrize("zoom", [0.5, 1.0, 3.7])
def test_a_click_on_a_corner_or_an_edge_changes_nothing(
    canvas: CanvasView, hand: Any, edit: EditContourTool, mask: Mask, zoom: float
) -> None:
    canvas.zoom_to(zoom)
    hand.click(*TOP_LEFT)
    hand.click(85.0, 29.5)
    hand.click(85.0, 49.5)
    assert now(canvas) is canvas.document.annotation.regions[0].mask
    assert now(canvas) == mask
    assert steps(canvas) == 0


@pytest.mark.parametrize("zoom", [1.0, 3.7])
def test_a_drag_is_one_step_and_undo_brings_the_pixels_back(
    canvas: CanvasView, hand: Any, edit: EditContourTool, mask: Mask, zoom: float
) -> None:
    canvas.zoom_to(zoom)
    hand.drag([TOP_LEFT, (30.0, 25.0), (25.0, 22.0), (19.5, 19.5)])
    changed = now(canvas)
    assert steps(canvas) == 1
    assert changed.contains(25, 25)
    assert not mask.contains(25, 25)
    assert not changed.contains(60, 85)  # the hole is still one
    canvas.document.undo_stack.undo()
    assert now(canvas) == mask
    canvas.document.undo_stack.redo()
    assert now(canvas) == changed


def test_what_is_shown_during_a_drag_is_what_is_written(
    canvas: CanvasView, hand: Any, edit: EditContourTool, mask: Mask
) -> None:
    hand.press(*TOP_LEFT)
    hand.move(20.0, 15.0, "left")
    assert now(canvas) == mask
    shown = canvas.layers.preview.mask
    hand.release(20.0, 15.0)
    assert now(canvas) == shown
    assert not canvas.layers.preview.is_active


def test_the_corner_that_was_dragged_can_be_dragged_on(canvas: CanvasView, hand: Any, edit: EditContourTool) -> None:
    hand.drag([TOP_LEFT, (30.0, 20.0)])
    assert (30.0, 20.0) in [(round(x, 6), round(y, 6)) for x, y in edit.corners]
    hand.drag([(30.0, 20.0), (25.0, 18.0)])
    assert steps(canvas) == 2


def test_a_corner_is_put_in_on_an_edge_and_dragged_at_once(
    canvas: CanvasView, hand: Any, edit: EditContourTool, mask: Mask
) -> None:
    hand.drag([(85.0, 29.5), (85.0, 20.0), (85.0, 9.5)])
    assert len(edit.corners) == 9
    assert steps(canvas) == 1
    assert now(canvas).contains(15, 85)
    assert now(canvas).contains(89, 41)


@pytest.mark.parametrize("how", ["right", "delete"])
def test_a_corner_is_taken_out(canvas: CanvasView, hand: Any, edit: EditContourTool, mask: Mask, how: str) -> None:
    if how == "right":
        hand.click(*TOP_LEFT, "right")
    else:
        hand.move(*TOP_LEFT)
        hand.key("Delete")
    assert len(edit.corners) == 7
    assert steps(canvas) == 1
    assert not now(canvas).contains(31, 41)
    assert now(canvas).contains(88, 128)


def test_delete_belongs_to_the_tool_only_over_a_corner(canvas: CanvasView, hand: Any, edit: EditContourTool) -> None:
    from PySide6.QtCore import Qt

    hand.move(110.0, 45.0)
    assert not edit.takes(Qt.Key.Key_Delete)
    hand.move(*TOP_LEFT)
    assert edit.takes(Qt.Key.Key_Delete)


def test_a_hole_that_loses_its_corners_is_closed_but_a_region_stays(
    canvas: CanvasView, hand: Any, edit: EditContourTool, mask: Mask, qtbot: QtBot
) -> None:
    hand.click(69.5, 49.5, "right")
    hand.click(99.5, 49.5, "right")
    assert len(edit.corners) == 4
    assert now(canvas).area == 60 * 90
    hand.click(*TOP_LEFT, "right")
    with qtbot.waitSignal(canvas.document.message) as said:
        hand.click(129.5, 29.5, "right")
    assert "three corners" in said.args[0]
    assert steps(canvas) == 3


def test_a_corner_stays_in_the_picture(canvas: CanvasView, hand: Any, edit: EditContourTool) -> None:
    canvas.zoom_to(1.0)
    hand.drag([TOP_LEFT, (-60.0, -60.0)])
    assert (-0.5, -0.5) in edit.corners
    assert now(canvas).contains(0, 0)


def test_escape_puts_the_corner_back(canvas: CanvasView, hand: Any, edit: EditContourTool, mask: Mask) -> None:
    hand.press(*TOP_LEFT)
    hand.move(10.0, 10.0, "left")
    hand.key("Escape")
    hand.release(10.0, 10.0)
    assert now(canvas) == mask
    assert TOP_LEFT in edit.corners
    assert not canvas.layers.preview.is_active


def test_a_drag_in_progress_goes_to_the_frame_it_was_begun_on(
    canvas: CanvasView, hand: Any, edit: EditContourTool, mask: Mask, show: Callable[..., None]
) -> None:
    first = canvas.document.ref.key
    hand.press(*TOP_LEFT)
    hand.move(20.0, 20.0, "left")
    show(canvas.document, 1)
    hand.release(10.0, 10.0)
    (region,) = canvas.document.annotation_of(first).regions
    assert region.mask != mask
    assert region.mask.contains(25, 25)
    assert canvas.document.annotation.regions == ()


def test_the_corners_follow_undo_and_the_selection(
    canvas: CanvasView, hand: Any, edit: EditContourTool, mask: Mask
) -> None:
    hand.drag([TOP_LEFT, (20.0, 20.0)])
    canvas.document.undo_stack.undo()
    assert TOP_LEFT in edit.corners
    canvas.document.select_region(None)
    assert edit.corners == ()
    hand.click(60.0, 40.0)
    assert TOP_LEFT in edit.corners


def test_the_only_region_needs_no_click_before_its_corners_show(
    canvas: CanvasView, tools: dict[str, Any], mask: Mask
) -> None:
    add_mask(canvas.document, mask, text="Draw")
    canvas.document.select_region(None)
    canvas.set_tool(tools["edit_contour"])
    assert len(tools["edit_contour"].corners) == 8
    canvas.set_tool(tools["pan"])
    add_mask(canvas.document, mask, text="Draw")
    canvas.document.select_region(None)
    canvas.set_tool(tools["edit_contour"])
    assert tools["edit_contour"].corners == ()


def test_a_drag_that_would_leave_no_pixel_leaves_the_region(
    canvas: CanvasView, hand: Any, edit: EditContourTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    canvas.document.message.connect(lambda text, _details: told.append(text))
    before = now(canvas)
    monkeypatch.setattr("usassist.gui.tools.edit_contour.mask_of_rings", lambda _rings, shape: Mask.empty(shape))
    hand.drag([TOP_LEFT, (60.0, 45.0)])
    monkeypatch.undo()
    assert now(canvas) == before
    assert steps(canvas) == 0
    assert ["would leave no pixel" in text for text in told] == [True]
    hand.move(100.0, 100.0)
    assert TOP_LEFT in edit.corners


def test_a_double_click_on_an_edge_puts_in_one_corner_that_can_be_dragged(
    canvas: CanvasView, hand: Any, edit: EditContourTool, mask: Mask
) -> None:
    hand.double_click(80.0, 29.5)
    assert len(edit.corners) == 9
    assert now(canvas) == mask
    hand.drag([(80.0, 29.5), (80.0, 10.0)])
    assert now(canvas).contains(20, 80)
    assert steps(canvas) == 1


@pytest.mark.parametrize("step", ["move", "finish"])
def test_a_tool_that_fails_says_so_and_touches_no_other_frame(
    canvas: CanvasView, hand: Any, edit: EditContourTool, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, *, step: str
) -> None:
    def fail(*_args: object) -> None:
        raise UsassistError("The outline cannot be followed.")

    told: list[str] = []
    document, before = canvas.document, now(canvas)
    key = document.ref.key
    document.message.connect(lambda text, _details: told.append(text))
    hand.press(*TOP_LEFT)
    with monkeypatch.context() as patch:
        patch.setattr(edit, step, fail)
        hand.move(60.0, 45.0, "left")
        with qtbot.waitSignal(document.frame_shown):
            document.show(1)
    assert "The outline cannot be followed." in told
    assert document.annotation.regions == ()
    assert document.annotation_of(key).regions[0].mask == before
    hand.release(60.0, 45.0)
    assert document.annotation.regions == ()
