"""A box to pick one of a few things, in a panel beside a picture that the wheel and the keys belong to."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QComboBox, QSizePolicy

from usassist.gui.docks.dock import keep_keys

_KEYS = (Qt.Key.Key_Space, Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Home, Qt.Key.Key_End)


class Picker(QComboBox):
    """Changes by a choice only: the wheel turns its open list alone, and keys reach it where Tab led to it.

    `left` says that a choice was made in a list opened with the mouse: the keys belong to the picture again.
    """

    left = Signal()

    def __init__(self, name: str, *, tip: str = "") -> None:
        super().__init__()
        self._by_mouse = False
        self.setAccessibleName(name)
        self.setToolTip(tip or name)
        self.setMinimumContentsLength(5)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        keep_keys(self, *_KEYS)
        self.activated.connect(lambda _index: self.left.emit() if self._by_mouse else None)

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()  # an open list has its own window, which turns

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._by_mouse = True
        super().mousePressEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        self._by_mouse = False
        super().keyPressEvent(event)
