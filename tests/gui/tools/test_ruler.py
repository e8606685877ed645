"""Millimetres only where the file declares them."""

from typing import Any

import numpy as np
import pytest

from usassist.core.domain import Box, Frame, FrameRef, ScanRegion
from usassist.gui.canvas import CanvasView
from usassist.gui.tools.ruler import describe_length


def frame(*regions: ScanRegion, spacing: tuple[float, float] | None = None) -> Frame:
    return Frame(FrameRef("a", 0), np.zeros((100, 200), dtype=np.uint8), regions=regions, spacing_mm=spacing)


B_MODE = ScanRegion(Box(0, 0, 100, 100), "b_mode", (0.2, 0.1), ("cm", "cm"))
SPECTRAL = ScanRegion(Box(0, 100, 100, 200), "spectral_doppler", None, ("cm/s", "s"))
INSET = ScanRegion(Box(40, 40, 60, 60), "b_mode", (0.4, 0.4), ("cm", "cm"))


@pytest.mark.parametrize(
    ("picture", "a", "b", "text"),
    [
        (frame(), (0, 0), (30, 40), "50.0 px"),
        (frame(spacing=(0.5, 0.5)), (0, 0), (30, 40), "25.0 mm"),
        (frame(B_MODE, SPECTRAL), (10, 10), (40, 30), "5.0 mm"),
        (frame(B_MODE, SPECTRAL), (110, 10), (140, 50), "50.0 px"),
        (frame(B_MODE, SPECTRAL), (90, 10), (120, 50), "50.0 px"),
        (frame(B_MODE, INSET), (10, 50), (90, 50), "80.0 px"),
        (frame(B_MODE, B_MODE), (10, 10), (40, 30), "5.0 mm"),
    ],
)
def test_a_length_has_the_unit_that_is_known(
    picture: Frame, a: tuple[float, float], b: tuple[float, float], text: str
) -> None:
    assert describe_length(picture, a, b) == text


def test_two_clicks_or_one_drag_measure(canvas: CanvasView, hand: Any, tools: dict[str, Any]) -> None:
    ruler = tools["ruler"]
    canvas.set_tool(ruler)
    hand.click(10.0, 10.0)
    assert ruler.is_open
    hand.move(20.0, 10.0)
    assert ruler.text == "10.0 px"
    hand.click(40.0, 50.0)
    assert ruler.text == "50.0 px"
    assert not ruler.is_open
    hand.drag([(0.0, 0.0), (6.0, 8.0), (60.0, 80.0)])
    assert ruler.text == "100.0 px"
    hand.key("Escape")
    assert ruler.text == ""
    hand.drag([(-50.0, 10.0), (500.0, 10.0)])
    assert ruler.text == "199.0 px"
