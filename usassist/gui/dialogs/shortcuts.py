"""Every key in one searchable list, made from the table of actions."""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLineEdit, QScrollArea, QWidget

from usassist.gui import theme
from usassist.gui.actions import ACTIONS, LABEL_KEYS, MENUS, Action
from usassist.gui.dialogs.dialog import Dialog, text_label

_MOUSE: tuple[tuple[str, str], ...] = (
    ("Zoom at the cursor", "Wheel"),
    ("Pan", "Space + drag, middle drag"),
    ("Size of the brush", "Shift + wheel"),
    ("Back to the default", "Double-click a slider"),
)


class ShortcutsDialog(Dialog):
    """The list of keys; typing shortens it to what holds every word, by name, by key or by what it does."""

    def __init__(self, parent: QWidget | None = None, *, actions: Sequence[Action] = ACTIONS) -> None:
        super().__init__("Keyboard shortcuts", parent=parent)
        self._actions = actions
        self.search_field = QLineEdit()
        self.search_field.setPlaceholderText("Search by name or key")
        self.search_field.setAccessibleName("Search shortcuts")
        self.search_field.setClearButtonEnabled(True)
        self.search_field.addAction(theme.icon("ph.magnifying-glass"), QLineEdit.ActionPosition.LeadingPosition)
        self.search_field.textChanged.connect(self._show)
        self.body.addWidget(self.search_field)
        self._area = QScrollArea()
        self._area.setWidgetResizable(True)
        self._area.setFrameShape(QFrame.Shape.NoFrame)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._area.setAccessibleName("Shortcuts")
        self.body.addWidget(self._area, 1)
        self.add_button("Close", self.accept, default=True)
        self.entries: list[tuple[str, str, tuple[str, ...]]] = []
        self._show("")
        self.prefer_size(560, 620)

    def _show(self, text: str) -> None:
        words = text.casefold().split()
        self.entries = [
            entry
            for entry in _entries(self._actions)
            if all(word in " ".join((entry[0], entry[1], *entry[2])).casefold() for word in words)
        ]
        page = QWidget()
        grid = QGridLayout(page)
        grid.setContentsMargins(4, 4, 12, 8)
        grid.setVerticalSpacing(5)
        grid.setColumnStretch(0, 1)
        section = ""
        for menu, name, keys in self.entries:
            if menu != section:
                section = menu
                heading = text_label(menu, "section")
                heading.setContentsMargins(0, 10 if grid.rowCount() > 1 else 0, 0, 2)
                grid.addWidget(heading, grid.rowCount(), 0, 1, 2)
            row = grid.rowCount()
            grid.addWidget(text_label(name), row, 0)
            grid.addLayout(_caps(keys), row, 1)
        if not self.entries:
            grid.addWidget(text_label("No shortcut matches. Shorten the search.", "muted"), 0, 0)
        grid.setRowStretch(grid.rowCount(), 1)
        self._area.setWidget(page)


def _entries(actions: Sequence[Action]) -> list[tuple[str, str, tuple[str, ...]]]:
    """Return (menu, name, keys), in the order of the menus, then the labels' keys and the mouse."""
    found: list[tuple[str, str, tuple[str, ...]]] = [
        (menu, entry.text.removesuffix("…"), tuple(_native(key) for key in entry.keys))
        for menu in MENUS
        for entry in actions
        if entry.menu == menu and entry.keys
    ]
    found.append(("Labels", "Draw with label 1 to 9", (f"{LABEL_KEYS[0]} … {LABEL_KEYS[-1]}",)))
    return found + [("Mouse", name, (how,)) for name, how in _MOUSE]


def _native(key: str) -> str:
    return QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText) or key


def _caps(keys: Sequence[str]) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(4)
    row.addStretch(1)
    for key in dict.fromkeys(keys):
        cap = text_label(key, "key")
        cap.setWordWrap(False)
        row.addWidget(cap)
    return row
