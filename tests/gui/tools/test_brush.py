"""What is under the ring is what is painted, at every zoom."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from usassist.core.domain import Mask, Prompt, Proposal
from usassist.core.geometry.brush import stroke_mask
from usassist.core.project import store
from usassist.gui.canvas import CanvasView
from usassist.gui.tools.brush import BrushTool

SHAPE = (150, 200)
LINE = [(60.2, 40.7), (80.0, 61.3), (95.5, 60.0), (120.8, 90.1)]
BACK = [(70.0, 40.0), (118.0, 80.5)]


def expected(points: list[tuple[float, float]], radius: float) -> np.ndarray:
    return stroke_mask(np.array(points), radius, SHAPE).to_array()


def only_mask(canvas: CanvasView) -> np.ndarray:
    (region,) = canvas.document.annotation.regions
    return region.mask.to_array()


@pytest.fixture
def brush(canvas: CanvasView, tools: dict[str, Any]) -> BrushTool:
    canvas.set_tool(tools["brush"])
    tools["brush"].radius = 7.0
    return tools["brush"]


@pytest.mark.parametrize("zoom", [0.5, 1.0, 3.7])
def test_a_stroke_paints_exactly_the_pixels_under_the_brush(
    canvas: CanvasView, hand: Any, brush: BrushTool, zoom: float
) -> None:
    canvas.zoom_to(zoom)
    hand.drag(LINE)
    assert np.array_equal(only_mask(canvas), expected(LINE, 7.0))
    assert canvas.document.undo_stack.count() == 1


@pytest.mark.usefixtures("brush")
@pytest.mark.parametrize("zoom", [0.5, 1.0, 3.7])
@pytest.mark.parametrize("how", ["right", "ctrl", "eraser"])
def test_erasing_takes_exactly_the_pixels_under_the_brush(
    canvas: CanvasView, hand: Any, tools: dict[str, Any], zoom: float, how: str
) -> None:
    canvas.zoom_to(zoom)
    hand.drag(LINE)
    if how == "eraser":
        canvas.set_tool(tools["eraser"])
    hand.drag(BACK, "right" if how == "right" else "left", modifier="ctrl" if how == "ctrl" else "")
    assert np.array_equal(only_mask(canvas), expected(LINE, 7.0) & ~expected(BACK, 7.0))


def test_undo_and_redo_step_through_strokes(canvas: CanvasView, hand: Any, brush: BrushTool) -> None:
    hand.drag(LINE)
    hand.drag(BACK, "right")
    stack = canvas.document.undo_stack
    stack.undo()
    assert np.array_equal(only_mask(canvas), expected(LINE, 7.0))
    stack.undo()
    assert canvas.document.annotation.regions == ()
    stack.redo()
    stack.redo()
    assert np.array_equal(only_mask(canvas), expected(LINE, 7.0) & ~expected(BACK, 7.0))


def test_what_is_shown_during_a_stroke_is_what_is_written(canvas: CanvasView, hand: Any, brush: BrushTool) -> None:
    preview = canvas.layers.preview
    hand.press(*LINE[0])
    for index, point in enumerate(LINE[1:], start=2):
        hand.move(*point, "left")
        assert preview.is_active
        assert np.array_equal(preview.mask.to_array(), expected(LINE[:index], 7.0))
    assert canvas.document.annotation.regions == ()
    hand.release(*LINE[-1])
    assert not preview.is_active
    assert np.array_equal(only_mask(canvas), expected(LINE, 7.0))


def test_an_erasing_stroke_is_shown_on_the_region_it_changes(canvas: CanvasView, hand: Any, brush: BrushTool) -> None:
    hand.drag(LINE)
    hand.press(*BACK[0], "right")
    hand.move(*BACK[1], "right")
    shown = canvas.layers.preview.mask.to_array()
    assert np.array_equal(shown, expected(LINE, 7.0) & ~expected(BACK, 7.0))
    hand.release(*BACK[1], "right")
    assert np.array_equal(only_mask(canvas), shown)


def test_painting_on_a_proposal_accepts_it_first(canvas: CanvasView, hand: Any, brush: BrushTool) -> None:
    document = canvas.document
    array = np.zeros(SHAPE, dtype=np.bool_)
    array[30:60, 50:90] = True
    label = document.active_label.id
    proposal = Proposal(document.ref.key, label, Mask.from_array(array), 0.9, 0.9, "fake", "f" * 64, Prompt(label), 0.1)
    document.restore_proposal(proposal, 0)
    hand.press(*LINE[0])
    assert np.array_equal(canvas.layers.preview.mask.to_array(), array | expected(LINE[:1], 7.0))
    hand.move(*LINE[1], "left")
    hand.release(*LINE[1])
    assert np.array_equal(only_mask(canvas), array | expected(LINE[:2], 7.0))
    region = document.annotation.regions[0]
    assert (region.origin, region.edited) == ("engine", True)
    assert document.undo_stack.count() == 2
    document.undo_stack.undo()
    assert np.array_equal(only_mask(canvas), array)


@pytest.mark.parametrize("button", ["left", "right"])
def test_a_proposal_that_arrives_during_a_stroke_is_not_accepted_by_it(
    canvas: CanvasView, hand: Any, brush: BrushTool, button: str
) -> None:
    document = canvas.document
    array = np.zeros(SHAPE, dtype=np.bool_)
    array[30:60, 50:90] = True
    label = document.active_label.id
    proposal = Proposal(document.ref.key, label, Mask.from_array(array), 0.9, 0.9, "fake", "f" * 64, Prompt(label), 0.1)
    hand.press(*LINE[0], button)
    document.restore_proposal(proposal, 0)
    hand.move(*LINE[1], button)
    painted = expected(LINE[:2], 7.0) & (button == "left")
    assert np.array_equal(canvas.layers.preview.mask.to_array(), painted)
    hand.release(*LINE[1], button)
    assert document.proposals == (proposal,), "it waits"
    assert [region.origin for region in document.annotation.regions] == ["human"] * (button == "left")
    if button == "left":
        assert np.array_equal(only_mask(canvas), painted)
    else:
        hand.drag(LINE[:2], "right")
        assert np.array_equal(only_mask(canvas), array & ~expected(LINE[:2], 7.0)), "the next stroke may accept it"


def test_escape_drops_the_stroke(canvas: CanvasView, hand: Any, brush: BrushTool) -> None:
    hand.press(*LINE[0])
    hand.move(*LINE[1], "left")
    assert brush.takes(0x01000000)
    hand.key("Escape")
    hand.move(*LINE[2], "left")
    hand.release(*LINE[2])
    assert canvas.document.annotation.regions == ()
    assert not canvas.layers.preview.is_active


def test_a_second_button_does_not_disturb_a_stroke(canvas: CanvasView, hand: Any, brush: BrushTool) -> None:
    hand.press(*LINE[0])
    hand.press(*LINE[1], "right")
    hand.move(*LINE[1], "left")
    hand.release(*LINE[1], "right")
    hand.move(*LINE[2], "left")
    hand.release(*LINE[2])
    assert np.array_equal(only_mask(canvas), expected(LINE[:3], 7.0))


def test_a_release_that_never_came_ends_the_stroke(canvas: CanvasView, hand: Any, brush: BrushTool) -> None:
    hand.press(*LINE[0])
    hand.move(*LINE[1], "left")
    hand.move(*LINE[1])
    assert np.array_equal(only_mask(canvas), expected(LINE[:2], 7.0))
    hand.move(*LINE[2])
    assert canvas.document.undo_stack.count() == 1


def test_a_stroke_beside_the_picture_is_nothing(canvas: CanvasView, hand: Any, brush: BrushTool) -> None:
    hand.drag([(-40.0, -40.0), (-30.0, -45.0)])
    assert canvas.document.undo_stack.count() == 0


def test_the_smallest_brush_paints_one_pixel_wherever_it_is(canvas: CanvasView, hand: Any, brush: BrushTool) -> None:
    brush.radius = 0.0
    assert brush.radius == 0.5
    hand.click(10.5, 20.5)
    assert np.argwhere(only_mask(canvas)).tolist() == [[21, 11]]


def test_keys_and_wheel_change_the_size_of_brush_and_eraser(
    canvas: CanvasView, hand: Any, brush: BrushTool, tools: dict[str, Any]
) -> None:
    hand.key("BracketRight")
    assert brush.radius == 8.0
    hand.key("BracketLeft")
    assert brush.radius == 7.0
    hand.wheel(60, 60, 1, modifier="shift")
    hand.wheel(60, 60, 1, modifier="alt", sideways=True)
    assert brush.radius == 9.0
    assert tools["eraser"].radius == brush.radius
    scale = canvas.scale
    hand.wheel(60, 60, -1, modifier="shift")
    assert brush.radius == 8.0
    assert canvas.scale == scale
    for _ in range(100):
        hand.key("BracketRight")
    assert brush.radius == 200.0
    for _ in range(100):
        hand.key("BracketLeft")
    assert brush.radius == 0.5


@pytest.mark.parametrize("zoom", [0.5, 1.0, 3.7])
def test_the_ring_shows_the_true_size(canvas: CanvasView, hand: Any, brush: BrushTool, zoom: float) -> None:
    brush.radius = 20.0
    canvas.zoom_to(zoom)
    brush.leave()
    without = rgb(canvas)
    hand.move(100.0, 75.0)
    changed = np.argwhere((rgb(canvas) != without).any(axis=2))
    extent = changed.max(axis=0) - changed.min(axis=0) + 1
    # The line is drawn half outside the circle, with its rim: about two screen pixels on either side.
    assert np.all(np.abs(extent - 2 * 20.0 * zoom) <= 5)
    brush.leave()
    assert np.array_equal(rgb(canvas), without)


def test_partial_repaints_leave_nothing_behind(
    canvas: CanvasView, hand: Any, brush: BrushTool, on_screen: Callable[..., np.ndarray]
) -> None:
    canvas.zoom_to(3.7)
    hand.drag(LINE)
    hand.drag(BACK, "right")
    hand.move(100.0, 70.0)
    brush.size.step(6)  # as the window does it
    canvas.refresh()
    hand.move(101.0, 71.0)
    hand.press(90.0, 60.0)
    hand.move(120.0, 80.0, "left")
    for zoom in (None, 1.3, 0.5):
        if zoom is not None:
            canvas.zoom_to(zoom)
        hand.move(105.0, 85.0, "left")
        kept = on_screen(canvas)
        canvas.viewport().update()
        assert np.array_equal(kept, on_screen(canvas))
    hand.key("Escape")
    hand.move(20.0, 20.0)
    brush.leave()
    kept = on_screen(canvas)
    canvas.viewport().update()
    assert np.array_equal(kept, on_screen(canvas))


def rgb(canvas: CanvasView) -> np.ndarray:
    from PySide6.QtWidgets import QApplication

    QApplication.processEvents()
    image = canvas.grab().toImage().convertToFormat(canvas.grab().toImage().Format.Format_RGB32)
    words = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.width(), 4)
    return words[..., :3].copy()


def test_a_stroke_in_progress_goes_to_the_frame_it_was_drawn_on(
    canvas: CanvasView, hand: Any, brush: BrushTool, show: Callable[..., None]
) -> None:
    document = canvas.document
    first = document.ref.key
    hand.press(*LINE[0])
    for point in LINE[1:]:
        hand.move(*point, "left")
    show(document, 1)
    hand.move(*BACK[0], "left")
    hand.release(*BACK[1])
    (region,) = document.annotation_of(first).regions
    assert np.array_equal(region.mask.to_array(), expected(LINE, 7))
    assert document.annotation.regions == ()
    document.flush()
    assert store.load_annotation(document.project, reader_id="ann", frame_key=first).regions == (region,)
    show(document, 0)
    document.undo_stack.undo()
    assert document.annotation.regions == ()


def test_a_stroke_in_progress_is_saved_by_a_window_that_closes(canvas: CanvasView, hand: Any, brush: BrushTool) -> None:
    document = canvas.document
    project, first = document.project, document.ref.key
    hand.press(*LINE[0])
    document.close()
    assert len(store.load_annotation(project, reader_id="ann", frame_key=first).regions) == 1
