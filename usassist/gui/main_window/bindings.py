"""From the table of actions to menus, a tool bar and keys: `Deeds` says what each of them does."""

from collections.abc import Iterable, Mapping

from PySide6.QtCore import QEvent, QSize, Qt, QTimer
from PySide6.QtGui import QAction, QActionGroup, QKeySequence, QResizeEvent, QUndoGroup, QUndoStack
from PySide6.QtWidgets import QApplication, QMainWindow, QMenu, QToolBar, QWidget

from usassist.gui import theme
from usassist.gui.actions import ACTIONS, MENUS, Action, action
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

    def __init__(
        self, window: QMainWindow, *, deeds: Mapping[str, Deed], undo_group: QUndoGroup, click_stack: QUndoStack
    ) -> None:
        self._window = window
        self._click_stack = click_stack
        self.actions: dict[str, QAction] = {}
        self.menus: dict[str, QMenu] = {}
        missing = {entry.id for entry in ACTIONS} - deeds.keys() - {"undo", "redo"}
        if missing:
            raise KeyError(f"Nothing is bound to {', '.join(sorted(missing))}.")
        self._tools = QActionGroup(window)
        for entry in ACTIONS:
            self.actions[entry.id] = self._make(entry, deeds=deeds, undo_group=undo_group)
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

    def _make(self, entry: Action, *, deeds: Mapping[str, Deed], undo_group: QUndoGroup) -> QAction:
        if entry.id == "undo":
            action = undo_group.createUndoAction(self._window, entry.text)
        elif entry.id == "redo":
            action = _redo_action(self._window, entry.text, steps=undo_group, clicks=self._click_stack)
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


def _redo_action(parent: QMainWindow, text: str, *, steps: QUndoGroup, clicks: QUndoStack) -> QAction:
    """Return what does again what was undone last: clicks that were taken back come before steps of the frame."""
    action = QAction(text, parent)

    def first() -> QUndoStack | QUndoGroup:
        return clicks if clicks.canRedo() else steps

    def follow() -> None:
        action.setEnabled(first().canRedo())
        action.setText(f"{text} {first().redoText()}".rstrip())

    action.triggered.connect(lambda _checked=False: first().redo())
    for told in (steps.canRedoChanged, steps.redoTextChanged, clicks.canRedoChanged, clicks.redoTextChanged):
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
