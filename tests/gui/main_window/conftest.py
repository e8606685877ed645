"""Windows on the small pictures and the engine of tests/gui."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from usassist.core.domain import Reader
from usassist.gui import theme
from usassist.gui.document import Document
from usassist.gui.main_window import MainWindow
from usassist.gui.settings import Settings


@pytest.fixture
def open_window(qtbot: QtBot, engine: Any) -> Iterator[Callable[..., MainWindow]]:
    """Return a function that opens a window, on paths if some are named; all are closed at the end."""
    theme.apply(QApplication.instance(), "dark")
    windows: list[MainWindow] = []

    def open_it(*paths: Path, settings: Settings | None = None, **options: object) -> MainWindow:
        document = Document(**{"reader": Reader("ann", "Ann"), "start_engine": engine.start, **options})
        window = MainWindow(document, settings=settings)
        windows.append(window)
        window.show()
        if paths:
            with qtbot.waitSignals([document.opened, document.frame_shown]):
                window.open_paths(paths)
        return window

    yield open_it
    engine.gate.set()
    for window in windows:
        window.close()
        window.deleteLater()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    theme.apply(QApplication.instance(), "dark")
