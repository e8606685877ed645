"""A picker is turned by no wheel and leaves the keys to the picture, but whoever tabs to it can use it."""

import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QKeyEvent, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from usassist.gui.docks.picker import Picker


@pytest.fixture
def picker(qtbot: QtBot) -> Picker:
    made = Picker("Engine")
    qtbot.addWidget(made)
    made.addItems(["first", "second", "third"])
    made.show()
    return made


def _turn(picker: Picker, notches: int) -> bool:
    """Turn the wheel over the picker; return whether it took it."""
    at = QPointF(picker.rect().center())
    turned = QPoint(0, 120 * notches)
    no = (Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase)
    event = QWheelEvent(at, QPointF(picker.mapToGlobal(at)), QPoint(), turned, *no, False)
    event.ignore()
    QApplication.sendEvent(picker, event)
    return event.isAccepted()


@pytest.mark.parametrize("focused", [False, True])
def test_the_wheel_goes_to_what_lies_below(picker: Picker, qtbot: QtBot, focused: bool) -> None:
    if focused:
        picker.setFocus()
    with qtbot.assertNotEmitted(picker.activated):
        assert not _turn(picker, -1)
    assert picker.currentIndex() == 0


def test_a_choice_by_mouse_gives_the_keys_back(picker: Picker, qtbot: QtBot) -> None:
    assert picker.focusPolicy() == Qt.FocusPolicy.TabFocus
    QTest.mouseClick(picker, Qt.MouseButton.LeftButton)
    view = picker.view()
    assert view.isVisible()
    with qtbot.waitSignals([picker.activated, picker.left]):
        QTest.keyClick(view, Qt.Key.Key_Down)
        QTest.keyClick(view, Qt.Key.Key_Return)
    assert picker.currentIndex() == 1


def test_whoever_tabs_to_it_stays_and_chooses(picker: Picker, qtbot: QtBot) -> None:
    picker.setFocus(Qt.FocusReason.TabFocusReason)
    with qtbot.waitSignal(picker.activated), qtbot.assertNotEmitted(picker.left):
        QTest.keyClick(picker, Qt.Key.Key_Down)
    assert picker.currentIndex() == 1
    QTest.keyClick(picker, Qt.Key.Key_Space)
    assert picker.view().isVisible()
    with qtbot.waitSignal(picker.activated), qtbot.assertNotEmitted(picker.left):
        QTest.keyClick(picker.view(), Qt.Key.Key_End)
        QTest.keyClick(picker.view(), Qt.Key.Key_Return)
    assert picker.currentIndex() == 2


def test_it_is_named_for_a_screen_reader_and_demands_little_width(picker: Picker) -> None:
    assert (picker.accessibleName(), picker.toolTip()) == ("Engine", "Engine")
    picker.addItem("x" * 400)
    assert picker.minimumSizeHint().width() < 150


@pytest.mark.parametrize(("key", "keeps"), [("Space", True), ("Home", True), ("Down", True), ("A", False)])
def test_keys_that_the_window_has_too_are_its_own_while_it_has_the_focus(picker: Picker, key: str, keeps: bool) -> None:
    event = QKeyEvent(QEvent.Type.ShortcutOverride, Qt.Key[f"Key_{key}"], Qt.KeyboardModifier.NoModifier)
    event.ignore()
    QApplication.sendEvent(picker, event)
    assert event.isAccepted() is keeps
