"""The real window, driven with the mouse and the keys; the small pictures and the engine are those of tests/gui."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from usassist.core.domain import Reader
from usassist.gui import theme
from usassist.gui.document import Document
from usassist.gui.main_window import MainWindow
from usassist.gui.settings import Settings

_spec = importlib.util.spec_from_file_location("gui_fixtures", Path(__file__).parent.parent / "gui" / "conftest.py")
_shared = importlib.util.module_from_spec(_spec)
sys.modules["gui_fixtures"] = _shared
_spec.loader.exec_module(_shared)
engine, images = _shared.engine, _shared.images


class Hand:
    """A person in front of a window: presses keys, drags on the picture, waits for signals and never by the clock."""

    def __init__(self, window: MainWindow, qtbot: QtBot) -> None:
        self.window, self.document, self._qtbot = window, window.document, qtbot

    def open(self, *paths: Path) -> None:
        with self._qtbot.waitSignals([self.document.opened, self.document.frame_shown]):
            self.window.open_paths(paths)

    def wait_for_proposal(self) -> None:
        self._qtbot.waitUntil(lambda: bool(self.document.proposals))

    def show(self, source_index: int, frame_index: int = 0) -> None:
        with self._qtbot.waitSignal(self.document.frame_shown):
            self.document.show(source_index, frame_index)

    def key(self, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        QTest.keyClick(self.window.canvas, key, modifier)

    def at(self, x: float, y: float) -> QPoint:
        """Return the viewport point of an image point."""
        return self.window.canvas.mapFromScene(x, y)

    def drag(self, *points: tuple[float, float]) -> None:
        """Press at the first image point, move along the others, let go at the last."""
        viewport, places = self.window.canvas.viewport(), [self.at(x, y) for x, y in points]
        QTest.mousePress(viewport, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, places[0])
        for place in places[1:]:
            QTest.mouseMove(viewport, place)
        QTest.mouseRelease(viewport, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, places[-1])

    def close(self) -> None:
        self.window.close()
        self.window.deleteLater()
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)


@pytest.fixture
def sit_down(qtbot: QtBot, engine: object) -> Iterator[Callable[..., Hand]]:
    """Return a function that opens a window for the reader Ann and gives a hand to work in it."""
    theme.apply(QApplication.instance(), "dark")
    hands: list[Hand] = []

    def sit(**options: object) -> Hand:
        settings = Settings(**{name: options.pop(name) for name in ("engine", "device") if name in options})
        document = Document(**{"reader": Reader("ann", "Ann"), "start_engine": engine.start, **options})
        window = MainWindow(document, settings=settings)
        window.resize(1200, 800)
        window.show()
        qtbot.waitExposed(window)
        hands.append(Hand(window, qtbot))
        return hands[-1]

    yield sit
    engine.gate.set()
    for hand in hands:
        if not hand.window._closed:
            hand.close()
