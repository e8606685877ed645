"""What Smart click says fits the status line of a small screen, beside everything else that stands there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from usassist.gui.commands import click
from usassist.gui.document import asking
from usassist.gui.tools.smart_click import SmartClickTool

SENTENCES = (
    SmartClickTool.hint,
    *(click._REFINES, click._ANOTHER, click._BESIDE, click._BESIDE_THE_SCAN, click._BOX_BESIDE_THE_SCAN),
    *(click._NOTHING_TO_CORRECT, click._NO_ANSWER, click._NOT_KNOWN_YET, asking._NOTHING_LEFT),
)


@pytest.mark.parametrize("sentence", SENTENCES)
def test_D_it_can_be_read_whole_at_1366_pixels(
    open_window: Callable[..., Any], images: Path, qtbot: QtBot, sentence: str
) -> None:
    window = open_window(images)
    window.resize(1366, 728)
    qtbot.waitUntil(lambda: bool(window.document.proposals))
    window.status.set_cursor(20, 20)
    window.status.notice.say("unlike the training images")
    QApplication.processEvents()
    label = window.status.message_label
    assert label.fontMetrics().horizontalAdvance(sentence) <= label.width()
