"""Smart click in the real window: with the engine of the tests, and with a real engine in a child process."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from usassist.core.geometry.components import intersect
from usassist.core.geometry.next_click import depth_inside
from usassist.core.models.weights import read_config
from usassist.core.project import journal, store
from usassist.gui.document.proposing import start_remote

NONE, CONTROL = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ControlModifier


def click(hand: Any, x: float, y: float, *, button: Qt.MouseButton = Qt.MouseButton.LeftButton) -> None:
    QTest.mouseClick(hand.window.canvas.viewport(), button, NONE, hand.at(x, y))


def test_click_correct_undo_accept_refine_and_save(sit_down: Callable, images: Path, qtbot: QtBot) -> None:
    hand = sit_down(engine="classical")
    hand.open(images)
    hand.wait_for_proposal()
    window, document = hand.window, hand.document
    qtbot.waitUntil(window.bindings["tool_click"].isEnabled)
    (waiting,) = document.proposals
    hand.key(Qt.Key.Key_Q)
    assert window.canvas.tool.id == "smart_click"

    def answered() -> None:
        qtbot.waitUntil(lambda: document.click_answer is not None)

    click(hand, 50, 12)
    answered()
    click(hand, 10, 12, button=Qt.MouseButton.RightButton)
    answered()
    assert [point.positive for point in document.clicks.points] == [True, False]
    hand.key(Qt.Key.Key_Z, CONTROL)
    answered()
    assert [point.positive for point in document.clicks.points] == [True]
    hand.drag((30, 5), (40, 15), (60, 20))
    answered()
    wanted = document.click_answer.mask
    window.files.setFocus()
    window.bindings["accept"].trigger()
    (region,) = document.annotation.regions
    assert region.mask == wanted and document.annotation.status == "accepted"
    document.select_region(region.id)
    click(hand, 28, 22)
    answered()
    hand.key(Qt.Key.Key_Escape)
    assert document.annotation.regions == (region,) and document.selected_region == region
    click(hand, 28, 22)
    answered()
    hand.key(Qt.Key.Key_Return)
    (refined,) = document.annotation.regions
    assert refined.id == region.id and refined.mask != region.mask
    hand.key(Qt.Key.Key_Z, CONTROL)
    assert document.annotation.regions == (region,)
    hand.key(Qt.Key.Key_Z, CONTROL)
    assert document.annotation.regions == () and waiting in document.proposals, "the click was about another object"
    hand.key(Qt.Key.Key_Y, CONTROL)
    project, key = document.project, document.ref.key
    hand.key(Qt.Key.Key_D)
    hand.close()
    stored = store.load_annotation(project, reader_id="ann", frame_key=key)
    assert np.array_equal(stored.regions[0].mask.to_array(), wanted.to_array())
    prompts = [event.prompt for event in journal.read(project, "ann") if event.action == "accepted"]
    assert len(prompts) == 1 and "points=1" in prompts[0] and "box=" in prompts[0]


def test_a_real_engine_draws_what_is_clicked(sit_down: Callable, images: Path, qtbot: QtBot) -> None:
    hand = sit_down(engine="classical", device="cpu", start_engine=start_remote, auto_propose=False)
    hand.open(images)
    document = hand.document
    hand.key(Qt.Key.Key_Q)
    click(hand, 21, 24)  # the middle of the dark disc of the first picture
    qtbot.waitUntil(lambda: document.click_answer is not None)
    hand.key(Qt.Key.Key_Return)
    (region,) = document.annotation.regions
    rows, cols = np.mgrid[:48, :64]
    disc, found = (rows - 24) ** 2 + (cols - 21) ** 2 <= 81, region.mask.to_array()
    assert 2 * (disc & found).sum() / (disc.sum() + found.sum()) > 0.8


def test_the_shipped_model_does_not_bring_a_rejected_outline_back_and_a_right_click_takes_it_away(
    sit_down: Callable, sample_dir: Path, qtbot: QtBot
) -> None:
    hand = sit_down(engine="clip_mona", device="cpu", start_engine=start_remote)
    hand.open(sample_dir / "images" / "linear_lesions.png")
    hand.wait_for_proposal()
    document = hand.document
    (rejected,) = document.proposals
    middle = np.argwhere(depth_inside(rejected.mask.to_array()) >= depth_inside(rejected.mask.to_array()).max())[0]
    hand.key(Qt.Key.Key_Q)
    click(hand, *(float(at) for at in middle[::-1]), button=Qt.MouseButton.RightButton)
    qtbot.waitUntil(lambda: document.click_answer is not None or document.found_nothing)
    assert not any(item.mask.contains(*middle) for item in document.proposals)
    hand.key(Qt.Key.Key_Escape)
    assert document.proposals == (rejected,)
    hand.key(Qt.Key.Key_Backspace)
    assert document.proposals == ()
    for x, y in ((459, 303), (470, 320)):
        click(hand, x, y)
        qtbot.waitUntil(lambda: document.click_answer is not None)
        answer = document.click_answer.mask
        assert answer.contains(y, x) and intersect(answer, rejected.mask).is_empty


def test_where_the_engine_follows_no_clicks_the_tool_says_why_and_is_put_down(
    sit_down: Callable, images: Path, qtbot: QtBot
) -> None:
    hand = sit_down(engine="classical")
    hand.open(images)
    hand.wait_for_proposal()
    action, document = hand.window.bindings["tool_click"], hand.document
    hand.key(Qt.Key.Key_Q)
    click(hand, 50, 12)
    if read_config(None).follows_clicks:
        document.set_engine("unheard")
    else:
        document.set_engine("clip_mona")
    qtbot.waitUntil(lambda: not action.isEnabled())
    assert hand.window.canvas.tool.id == "pan" and document.clicks is None
    assert any("no clicks" in said for _when, said, _details in hand.window.status._messages), "and says why"
    assert "no clicks" in action.toolTip() and "choose another" in action.toolTip()
    hand.show(1)
    assert not action.isEnabled()
    document.set_engine("classical")
    qtbot.waitUntil(action.isEnabled)
    assert "no clicks" not in action.toolTip()


def test_A11_the_only_click_is_redone_before_older_steps(sit_down: Callable, images: Path, qtbot: QtBot) -> None:
    hand = sit_down(engine="classical")
    hand.open(images)
    hand.wait_for_proposal()
    document, redo = hand.document, hand.window.bindings["redo"]
    qtbot.waitUntil(hand.window.bindings["tool_click"].isEnabled)
    hand.key(Qt.Key.Key_Q)
    hand.key(Qt.Key.Key_Return)
    hand.key(Qt.Key.Key_G)
    hand.key(Qt.Key.Key_Z, CONTROL)
    assert redo.isEnabled() and redo.text() == "Redo Flag the frame"
    click(hand, 55, 40)
    hand.key(Qt.Key.Key_Z, CONTROL)
    assert document.clicks is None and redo.text() == "Redo Click inside"
    hand.key(Qt.Key.Key_Y, CONTROL)
    assert document.clicks is not None and not document.annotation.flagged
    hand.key(Qt.Key.Key_Z, CONTROL)
    assert document.clicks is None and len(document.annotation.regions) == 1
    hand.key(Qt.Key.Key_Z, CONTROL)
    assert document.annotation.regions == () and redo.text() == "Redo Accept the proposal"
