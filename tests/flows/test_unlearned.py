"""A person asks the shipped model for what it never learned: the window says so before and after, and in no dialog."""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from usassist.gui.docks.question import Question
from usassist.gui.docks.rows import ROW_ROLE
from usassist.gui.document.proposing import start_remote

LEARNED = "ask for what it learned: breast lesion, fetal head and common carotid artery"


def test_a_text_that_was_never_learned_is_said_before_and_after(
    sit_down: Callable, sample_dir: Path, qtbot: QtBot
) -> None:
    hand = sit_down(device="cpu", start_engine=start_remote)
    hand.open(sample_dir / "images" / "breast_cine.dcm")
    hand.wait_for_proposal()
    assert hand.window.status.notice.text == "", "the frame itself is like the training images"
    dock = next(iter(hand.window.findChildren(Question))).parent().parent()
    question = dock.question
    qtbot.waitUntil(lambda: question.is_listed)
    assert question.doubt is None, "a new label asks for a breast lesion"

    def ask(text: str) -> None:
        question.prompt_field.clear()
        QTest.keyClicks(question.prompt_field, text)
        qtbot.waitUntil(lambda: not question._soon.isActive())

    ask("liver")
    assert question.state_text.text() == "Never learned: liver"
    with qtbot.waitSignal(hand.document.proposals_changed):
        QTest.keyClick(question.prompt_field, Qt.Key.Key_Return)
    (found,) = hand.document.proposals
    assert found.prompt.text == "liver" and found.presence > 0.5, "the model is as sure as ever"
    assert LEARNED in found.text_warning and found.image_warning == ""
    row = dock.rows.index(0).data(ROW_ROLE)
    assert "never learned" in row.subtitle and LEARNED in row.tip
    assert hand.window.status.notice.text == "never learned what was asked"
    assert QApplication.activeModalWidget() is None
    ask("hypoechoic breast mass")
    assert question.doubt is None
    with qtbot.waitSignal(hand.document.proposals_changed):
        QTest.keyClick(question.prompt_field, Qt.Key.Key_Return)
    assert all(not item.warning for item in hand.document.proposals)
    assert not hand.window.status.notice.text
