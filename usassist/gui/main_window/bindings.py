"""From the table of actions to menus, a tool bar and keys: `Deeds` says what each of them does."""

from collections.abc import Iterable, Mapping

from PySide6.QtCore import QEvent, QSize, Qt, QTimer
from PySide6.QtGui import QAction, QActionGroup, QKeySequence, QResizeEvent, QUndoGroup, QUndoStack
from PySide6.QtWidgets import QApplication, QMainWindow, QMenu, QToolBar, QWidget

from usassist.gui import theme
from usassist.gui.actions import ACTIONS, MENUS, Action, action
from usassist.gui.document import Document
from usassist.gui.main_window.deeds import Deed

TOOL_BAR = (
    *("tool_pan", "tool_click", "tool_brush", "tool_eraser", "tool_polygon", "tool_edit", "tool_ruler", ""),
    *("undo", "redo", "delete", "", "fit", "hide_masks", "", "nothing", "flag"),
)
"""The ids of the actions on the left, "" for a line between them."""


class ToolBar(QToolBar):
    """A column of icons that stand closer together where the window is too low for all of them."""

    _roomy = 0

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        QTimer.singleShot(0, self, self._choose_distance)  # not in the middle of the window's layout

    def _choose_distance(self) -> None:
        compact = bool(self.property("compact"))
        if not compact:
            self._roomy = self.sizeHint().height()
        if compact != (self.height() < self._roomy):
            self.setProperty("compact", not compact)
            for widget in (*self.findChildren(QWidget), self):
                widget.style().polish(widget)
                QApplication.sendEvent(widget, QEvent(QEvent.Type.StyleChange))  # its measures are others now


class Bindings:
    """The window's actions by id; building them fails where one has nothing to do."""

    def __init__(self, window: QMainWindow, *, deeds: Mapping[str, Deed], document: Document) -> None:
        self._window = window
        self._document = document
        self.actions: dict[str, QAction] = {}
        self.menus: dict[str, QMenu] = {}
        missing = {entry.id for entry in ACTIONS} - deeds.keys() - {"undo", "redo"}
        if missing:
            raise KeyError(f"Nothing is bound to {', '.join(sorted(missing))}.")
        self._tools = QActionGroup(window)
        for entry in ACTIONS:
            self.actions[entry.id] = self._make(entry, deeds=deeds)
        self._fill_menus()
        self.tool_bar = self._make_tool_bar()

    def __getitem__(self, action_id: str) -> QAction:
        return self.actions[action_id]

    def enable(self, action_ids: Iterable[str], on: bool) -> None:
        """Enable or disable several actions."""
        for action_id in action_ids:
            self.actions[action_id].setEnabled(on)

    def explain(self, action_id: str, why: str) -> None:
        """Say in an action's tip why it cannot be used now; "" gives it its own words again."""
        own = _tip(action(action_id))
        self.actions[action_id].setToolTip(f"{own}\n{why}" if why else own)

    def _make(self, entry: Action, *, deeds: Mapping[str, Deed]) -> QAction:
        if entry.id == "undo":
            action = _undo_action(self._window, entry.text, document=self._document)
        elif entry.id == "redo":
            action = self._document.undo_group.createRedoAction(self._window, entry.text)
        else:
            action = QAction(entry.text, self._window)
            action.triggered.connect(lambda _checked=False: deeds[entry.id]())
        action.setObjectName(entry.id)
        action.setIcon(theme.icon(entry.icon))
        action.setShortcuts([QKeySequence(key) for key in entry.keys])
        action.setCheckable(entry.checkable)
        action.setToolTip(_tip(entry))
        action.setStatusTip("")
        if entry.tool:
            self._tools.addAction(action)
        action.setMenuRole(_ROLES.get(entry.id, QAction.MenuRole.NoRole))
        # Holding A or D walks through the files; holding Enter must not accept frame after frame.
        action.setAutoRepeat(entry.id in _REPEATING)
        self._window.addAction(action)
        return action

    def _fill_menus(self) -> None:
        for menu_name in MENUS:
            menu = self._window.menuBar().addMenu(f"&{menu_name}")
            menu.setObjectName(menu_name)
            self.menus[menu_name] = menu
            group = 0
            for entry in ACTIONS:
                if entry.menu != menu_name:
                    continue
                if entry.group != group:
                    menu.addSeparator()
                    group = entry.group
                menu.addAction(self.actions[entry.id])

    def _make_tool_bar(self) -> QToolBar:
        bar = ToolBar("Tools", self._window)
        bar.setObjectName("tools")
        bar.setMovable(False)
        bar.setIconSize(QSize(theme.tokens().icon_m, theme.tokens().icon_m))
        bar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
        for action_id in TOOL_BAR:
            if action_id:
                bar.addAction(self.actions[action_id])
                button = bar.widgetForAction(self.actions[action_id])
                if isinstance(button, QWidget):
                    button.setAccessibleName(self.actions[action_id].text())
                    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            else:
                bar.addSeparator()
        self._window.addToolBar(Qt.ToolBarArea.LeftToolBarArea, bar)
        return bar


def _undo_action(parent: QMainWindow, text: str, *, document: Document) -> QAction:
    """Return what undoes a click, or a step of the frame where no click is left: the group waits for its redo then."""
    action, group = QAction(text, parent), document.undo_group

    def first() -> QUndoStack | QUndoGroup:
        steps = document.undo_stack
        return group if group.canUndo() or steps is None else steps

    def follow() -> None:
        action.setEnabled(first().canUndo())
        action.setText(f"{text} {first().undoText()}".rstrip())

    action.triggered.connect(lambda _checked=False: first().undo())
    for told in (group.canUndoChanged, group.undoTextChanged):
        told.connect(lambda _now: follow())
    follow()
    return action


def _tip(entry: Action) -> str:
    shown = QKeySequence(entry.keys[0]).toString(QKeySequence.SequenceFormat.NativeText) if entry.keys else ""
    return f"{entry.text.rstrip('…')} ({shown})\n{entry.tip}" if shown else entry.tip


_ROLES = {
    "settings": QAction.MenuRole.PreferencesRole,
    "about": QAction.MenuRole.AboutRole,
    "quit": QAction.MenuRole.QuitRole,
}
_REPEATING = frozenset(
    {"undo", "redo", "previous_file", "next_file", "previous_frame", "next_frame", "zoom_in", "zoom_out"}
    | {"smaller", "larger"}
)
