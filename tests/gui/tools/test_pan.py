"""The hand moves the picture and selects regions."""

from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPointF

from usassist.core.domain import Mask
from usassist.gui.canvas import CanvasView
from usassist.gui.commands.region import add_mask
from usassist.gui.tools.pan import PanTool


@pytest.fixture
def pan(canvas: CanvasView, tools: dict[str, Any]) -> PanTool:
    canvas.set_tool(tools["pan"])
    return tools["pan"]


def add(canvas: CanvasView, rows: slice, cols: slice) -> str:
    array = np.zeros((150, 200), dtype=np.bool_)
    array[rows, cols] = True
    add_mask(canvas.document, Mask.from_array(array), text="Draw")
    return canvas.document.annotation.regions[-1].id


def test_a_click_selects_the_smallest_region_then_the_one_beneath(canvas: CanvasView, hand: Any, pan: PanTool) -> None:
    large = add(canvas, slice(10, 100), slice(10, 100))
    small = add(canvas, slice(30, 50), slice(30, 50))
    document = canvas.document
    document.select_region(None)
    hand.click(40.0, 40.0)
    assert document.selected_region.id == small
    hand.click(40.0, 40.0)
    assert document.selected_region.id == large
    hand.click(40.0, 40.0)
    assert document.selected_region.id == small
    hand.click(80.4, 80.4)
    assert document.selected_region.id == large
    hand.click(150.0, 120.0)
    assert document.selected_region is None


def test_a_drag_keeps_the_grabbed_point_under_the_cursor_and_selects_nothing(
    canvas: CanvasView, hand: Any, pan: PanTool
) -> None:
    region = add(canvas, slice(10, 100), slice(10, 100))
    canvas.zoom_to(3.7)
    grabbed = QPointF(60.0, 60.0)
    start = canvas.viewportTransform().map(grabbed)
    hand.press(60.0, 60.0)
    for step in range(1, 30):
        at = canvas.to_image(start + QPointF(3.0 * step, -2.0 * step))
        hand.move(at.x(), at.y(), "left")
    end = start + QPointF(87.0, -58.0)
    at = canvas.to_image(end)
    hand.release(at.x(), at.y())
    assert abs(at.x() - 60.0) * canvas.scale <= 1
    assert abs(at.y() - 60.0) * canvas.scale <= 1
    assert canvas.document.selected_region.id == region
    assert not pan.is_open
