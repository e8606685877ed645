"""A researcher asks which class a frame looks like, rewords the prompts, goes on; next time the words are there."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLineEdit
from pytestqt.qtbot import QtBot

from usassist.core.paths import resources
from usassist.gui import settings as settings_store
from usassist.gui.docks.classes import ClassesDock
from usassist.gui.document.proposing import start_remote


def show_classes(hand, qtbot: QtBot, *, timeout: int = 5000) -> ClassesDock:
    dock = hand.window.classes
    dock.toggleViewAction().trigger()
    qtbot.waitUntil(lambda: dock.reading is not None, timeout=timeout)
    return dock


def reword(dock: ClassesDock, text: str, qtbot: QtBot, *, timeout: int = 5000) -> None:
    """Write other words for the first prompt of the first class, and wait for what they say."""
    index = dock.tree.model().index(0, 0, dock.tree.model().index(0, 0))
    dock.tree.setExpanded(index.parent(), True)
    dock.tree.setCurrentIndex(index)
    dock.tree.edit_chosen()
    editor = dock.tree.findChild(QLineEdit)
    editor.selectAll()
    QTest.keyClicks(editor, text)
    QTest.keyClick(editor, Qt.Key.Key_Return)
    name = index.parent().data()
    qtbot.waitUntil(lambda: dock.reading is not None and (name, text) in dock.reading.similarities, timeout=timeout)


def test_N11_other_prompts_are_other_probabilities_and_are_kept(sit_down: Callable, images: Path, qtbot: QtBot) -> None:
    hand = sit_down()
    hand.open(images)
    assert not hand.window.classes.isVisible()
    dock = show_classes(hand, qtbot)
    assert hand.window.tabifiedDockWidgets(dock)
    before = dict(dock.reading.probabilities)
    reword(dock, "ultrasound of a cyst", qtbot)
    after = dict(dock.reading.probabilities)
    assert after != before
    assert hand.window.focusWidget() is hand.window.canvas
    hand.key(Qt.Key.Key_D)
    qtbot.waitUntil(lambda: hand.document.source_index == 1 and dock.reading is not None)
    assert dict(dock.reading.probabilities) != after
    assert hand.document.annotation.status == "untouched"
    hand.document.lane_save.drain()
    (kept,) = settings_store.load().wordings
    assert kept.question == "breast"
    assert dict(kept.classes)["benign"][0] == "ultrasound of a cyst"
    hand.close()
    again = sit_down()
    assert again.window.classes.isVisible()


@pytest.mark.slow
def test_N11_the_shipped_model_reads_prompts_live(sit_down: Callable, qtbot: QtBot) -> None:
    hand = sit_down(device="cpu", start_engine=start_remote)
    hand.open(resources() / "sample" / "images")
    dock = show_classes(hand, qtbot, timeout=90_000)
    before = dict(dock.reading.probabilities)
    assert sum(before.values()) == pytest.approx(1.0)
    reword(dock, "normal tissue without any mass", qtbot, timeout=30_000)
    assert abs(dock.reading.probabilities["benign"] - before["benign"]) > 1e-3
    field = hand.window.proposals.prompt_field
    field.setText("irregular hypoechoic mass " * 30 + "with shadowing")
    state = hand.window.proposals.question.state_text
    qtbot.waitUntil(lambda: "of 77 tokens · not read: " in state.text(), timeout=30_000)
    assert state.text().endswith("with shadowing")
