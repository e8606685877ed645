"""What panels share: names for screen readers, keys for whoever has the focus, words for emptiness."""

import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSlider,
    QApplication,
    QComboBox,
    QLabel,
    QLineEdit,
    QListView,
    QMainWindow,
    QTreeView,
    QWidget,
)

from usassist.gui.docks.cine import CineBar
from usassist.gui.docks.classes import ClassesDock
from usassist.gui.docks.dock import Dock, ElidedLabel, EmptyState, Field, keep_keys
from usassist.gui.docks.files import FilesDock
from usassist.gui.docks.history import HistoryDock
from usassist.gui.docks.labels import LabelsDock
from usassist.gui.docks.proposals import ProposalsDock
from usassist.gui.docks.view import ViewDock


def takes(widget: QWidget, key: Qt.Key, *, ctrl: bool = False) -> bool:
    """Return whether the widget keeps a key that a shortcut of the window would take."""
    modifiers = Qt.KeyboardModifier.ControlModifier if ctrl else Qt.KeyboardModifier.NoModifier
    event = QKeyEvent(QEvent.Type.ShortcutOverride, key, modifiers)
    event.ignore()
    QApplication.sendEvent(widget, event)
    return event.isAccepted()


def test_every_control_of_every_panel_has_a_name_and_is_reached(document, qtbot) -> None:
    panels = [FilesDock(document), LabelsDock(document), ProposalsDock(document), HistoryDock(document)]
    kinds = (QAbstractButton, QLineEdit, QListView, QTreeView, QComboBox, QAbstractSlider)
    for panel in [*panels, ViewDock(), CineBar(document), ClassesDock(document)]:
        qtbot.addWidget(panel)
        assert panel.accessibleName()
        for kind in kinds:
            for control in panel.findChildren(kind):
                inner = control.objectName().startswith("qt_") or isinstance(control.parent(), (QComboBox, QLineEdit))
                if inner or "QComboBoxPrivate" in type(control.parent()).__name__:
                    continue
                if control.metaObject().className() in {"QScrollBar", "QComboBoxListView"}:
                    continue
                name = control.accessibleName() or getattr(control, "text", str)()
                assert name, f"{type(panel).__name__} has a nameless {type(control).__name__}"


def test_panels_are_narrow_enough_for_a_small_screen(document, qtbot) -> None:
    heights = 0
    for panel in (LabelsDock(document), ProposalsDock(document), FilesDock(document)):
        qtbot.addWidget(panel)
        assert panel.minimumSizeHint().width() <= 300
        heights += panel.minimumSizeHint().height()
    assert heights <= 640


def test_a_field_keeps_its_keys(qtbot) -> None:
    field = Field()
    qtbot.addWidget(field)
    for key in (
        Qt.Key.Key_Return,
        Qt.Key.Key_Escape,
        Qt.Key.Key_Left,
        Qt.Key.Key_A,
        Qt.Key.Key_Backspace,
        Qt.Key.Key_Space,
    ):
        assert takes(field, key), key
    assert not takes(field, Qt.Key.Key_S, ctrl=True)
    field.setText("mass")
    qtbot.keyClick(field, Qt.Key.Key_Escape)
    assert field.text() == ""


def test_a_focused_button_keeps_space_only(document, qtbot) -> None:
    dock = LabelsDock(document)
    qtbot.addWidget(dock)
    assert takes(dock.add_button, Qt.Key.Key_Space)
    assert not takes(dock.add_button, Qt.Key.Key_Return)
    assert not takes(dock.add_button, Qt.Key.Key_A)
    assert dock.add_button.focusPolicy() == Qt.FocusPolicy.TabFocus


def test_keys_can_be_named(qtbot) -> None:
    widget = QWidget()
    qtbot.addWidget(widget)
    keep_keys(widget, Qt.Key.Key_Left)
    assert takes(widget, Qt.Key.Key_Left)
    assert not takes(widget, Qt.Key.Key_Space)


@pytest.mark.parametrize("size", [(300, 200), (120, 30), (20, 5)])
def test_emptiness_paints_in_any_size(qtbot, size: tuple[int, int]) -> None:
    empty = EmptyState("ph.files", "Nothing is open", "Drop files here. " * 9)
    qtbot.addWidget(empty)
    empty.resize(*size)
    assert not empty.grab().isNull()
    empty.say("No file matches", "")
    assert empty.text == "No file matches"


def test_an_elided_label_never_demands_width(qtbot) -> None:
    label = ElidedLabel("x" * 400)
    qtbot.addWidget(label)
    assert label.minimumSizeHint().width() == 0
    label.resize(50, 20)
    label.grab()


def test_the_title_bar_closes_the_panel(qtbot) -> None:
    dock = Dock("test", "Test", icon="ph.tag")
    qtbot.addWidget(dock)
    assert dock.objectName() == "test"
    assert dock.toggleViewAction().text() == "Test"
    dock.titleBarWidget().findChildren(QAbstractButton)[-1].click()
    assert dock.isHidden()


def test_a_tab_says_the_title_once(qtbot) -> None:
    window = QMainWindow()
    qtbot.addWidget(window)
    plain, named = Dock("a", "Alpha", icon="ph.tag"), Dock("b", "Beta", icon="ph.tag", subtitle="Draw with")
    for dock in (plain, named):
        window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock)
        dock._show_title()
        assert dock.titleBarWidget().findChild(QLabel).text() == dock.windowTitle()
    window.tabifyDockWidget(plain, named)
    for dock in (plain, named):
        dock._show_title()
    assert plain.titleBarWidget().maximumHeight() < 10
    assert named.titleBarWidget().findChild(QLabel).text() == "Draw with"
    window.removeDockWidget(named)
    plain._show_title()
    assert plain.titleBarWidget().maximumHeight() > 1000
