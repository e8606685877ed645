"""What holds for every tool."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from PySide6.QtGui import QColor, QImage, QPainter
from pytestqt.qtbot import QtBot

from usassist.core.domain import Mask
from usassist.gui.canvas import CanvasView
from usassist.gui.commands.region import add_mask
from usassist.gui.tools import BaseTool, all_tools


def test_every_tool_has_a_name_an_icon_and_a_hint_of_its_own() -> None:
    tools = all_tools()
    for facts in (lambda tool: tool.id, lambda tool: tool.title, lambda tool: tool.icon, lambda tool: tool.hint):
        assert len({facts(tool) for tool in tools}) == len(tools)
        assert all(facts(tool) for tool in tools)


def test_every_icon_exists(qtbot: QtBot) -> None:
    import qtawesome

    for tool in all_tools():
        assert not qtawesome.icon(tool.icon).isNull()


def test_a_tool_that_is_not_active_draws_nothing_and_says_so(qtbot: QtBot) -> None:
    with pytest.raises(RuntimeError, match="not active"):
        _ = BaseTool().surface
    image = QImage(20, 20, QImage.Format.Format_RGB32)
    image.fill(QColor("black"))
    painter = QPainter(image)
    BaseTool().paint(painter, 1.0)
    painter.end()
    assert image.pixelColor(10, 10) == QColor("black")


@pytest.mark.parametrize("index", range(6))
def test_every_tool_survives_a_canvas_without_a_picture(
    make_document: Callable[..., Any], hand_on: Any, qtbot: QtBot, index: int
) -> None:
    from usassist.gui.canvas import CanvasView

    view = CanvasView()
    qtbot.addWidget(view)
    view.set_document(make_document(auto_propose=False))
    view.show()
    view.set_tool(all_tools()[index])
    hand = hand_on(view)
    hand.drag([(10.0, 10.0), (50.0, 50.0)])
    hand.click(20.0, 20.0, "right")
    hand.double_click(10.0, 10.0)
    for key in ("Return", "Backspace", "Escape", "Delete", "BracketLeft"):
        hand.key(key)
    hand.wheel(10.0, 10.0, 1)
    view.grab()


@pytest.mark.parametrize("case", list(product(["polygon", "edit_contour", "ruler"], [0.5, 2.5, 9.0])), ids=str)
def test_partial_repaints_leave_nothing_behind(
    canvas: CanvasView,
    hand: Any,
    tools: dict[str, Any],
    on_screen: Callable[..., np.ndarray],
    case: tuple[str, float],
) -> None:
    array = np.zeros((150, 200), dtype=np.bool_)
    array[60:90, 80:120] = True
    add_mask(canvas.document, Mask.from_array(array), text="Draw")
    canvas.set_tool(tools[case[0]])
    canvas.zoom_to(case[1])

    def same() -> bool:
        kept = on_screen(canvas)
        canvas.viewport().update()
        return np.array_equal(kept, on_screen(canvas))

    for x, y in [(95.0, 70.0), (105.0, 71.0), (103.0, 82.0)]:
        hand.move(x, y)
        hand.click(x, y)
        hand.move(x + 3, y - 2)
        assert same()
    hand.press(79.5, 59.5)
    for step in range(1, 4):
        hand.move(79.5 - 2 * step, 59.5 - step, "left")
        assert same()
    hand.release(73.5, 56.5)
    hand.move(90.0, 59.5)
    hand.move(110.0, 95.0)
    assert same()
