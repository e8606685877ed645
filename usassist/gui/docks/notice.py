"""A line that warns, with an icon before it: never by its colour alone."""

from PySide6.QtCore import QRectF, QSize
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QWidget

from usassist.gui import theme
from usassist.gui.docks.dock import label, wrapped

_ICON = 14


class Notice(QWidget):
    """A warning of a few words in one line; hidden while there is nothing to say."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self._words = label("", "warning")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        row.addWidget(_Icon("ph.warning-circle-fill"))
        row.addWidget(self._words, 1)
        self.hide()

    @property
    def text(self) -> str:
        """Return what it says, "" while it is hidden."""
        return "" if self.isHidden() else self._words.text()

    def say(self, text: str, *, tip: str = "") -> None:
        """Show a text, and a longer one under the mouse; "" hides the line."""
        self._words.setText(text)
        self.setToolTip(wrapped(tip))
        self.setAccessibleDescription(tip or text)
        self.setVisible(bool(text))


class _Icon(QWidget):
    """An icon in the colour of warnings, painted so that it follows a change of theme."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self.setFixedSize(QSize(_ICON, _ICON))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        theme.paint_icon(painter, QRectF(self.rect()), self._name, colour=theme.tone_colour("warning"))
        painter.end()
