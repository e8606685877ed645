"""The history panel: every step on the frame on screen, undone and redone by a click."""

from PySide6.QtCore import QSize
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QStyledItemDelegate, QStyleOptionViewItem, QUndoView

from usassist.gui import theme
from usassist.gui.docks.dock import Dock
from usassist.gui.docks.rows import Index
from usassist.gui.document import Document


class StepDelegate(QStyledItemDelegate):
    """Puts the mark of the saved step at the right end, and greys the steps that were taken back."""

    def __init__(self, view: QUndoView) -> None:
        super().__init__(view)
        self._view = view

    def initStyleOption(self, option: QStyleOptionViewItem, index: Index) -> None:
        super().initStyleOption(option, index)
        option.decorationPosition = QStyleOptionViewItem.Position.Right
        if index.row() > self._view.currentIndex().row():
            option.palette.setColor(QPalette.ColorRole.Text, QColor(theme.tokens().faint))
            option.font.setItalic(True)


class HistoryDock(Dock):
    """Qt's undo view on the document's group: it follows the frame by itself."""

    def __init__(self, document: Document) -> None:
        super().__init__("history", "History", icon="ph.clock-counter-clockwise")
        self.view = QUndoView()
        self.view.setAccessibleName("Steps on this frame")
        self.view.setEmptyLabel("As opened")
        self.view.setCleanIcon(theme.icon("ph.floppy-disk"))
        self.view.setIconSize(QSize(theme.tokens().icon_s, theme.tokens().icon_s))
        self.view.setUniformItemSizes(True)
        self.view.setItemDelegate(StepDelegate(self.view))
        self.view.setGroup(document.undo_group)
        self.body.addWidget(self.view)
