"""What every dialog has in common: a heading that says what it is for, a body, and a row of buttons."""

from collections.abc import Callable

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from usassist.gui import theme


class Dialog(QDialog):
    """A dialog whose widgets stand in `self.body`; it never grows beyond the screen it is on.

    `headed` says whether the title also stands inside the window, above the intro.
    """

    def __init__(self, title: str, *, intro: str = "", headed: bool = True, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setAccessibleName(title)
        self.setAccessibleDescription(intro)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(24, 20, 24, 20)
        outer.setSpacing(12)
        if headed:
            outer.addWidget(text_label(title, "title"))
        if intro:
            outer.addWidget(text_label(intro, "muted"))
        self.body = QVBoxLayout()
        self.body.setSpacing(8)
        outer.addLayout(self.body, 1)
        self._buttons = QHBoxLayout()
        self._buttons.setSpacing(8)
        self._buttons.setContentsMargins(0, 6, 0, 0)
        self._buttons.addStretch(1)
        outer.addLayout(self._buttons)

    def add_button(
        self, text: str, on_click: Callable[[], object], *, kind: str = "", default: bool = False, left: bool = False
    ) -> QPushButton:
        """Add a button at the right end, or at the left where it is not an answer to the question."""
        button = QPushButton(text)
        button.setProperty("kind", kind)
        button.setDefault(default)
        button.setAutoDefault(default)
        button.clicked.connect(lambda _checked=False: on_click())
        if left:
            self._buttons.insertWidget(0, button)
        else:
            self._buttons.addWidget(button)
        return button

    def prefer_size(self, width: int, height: int) -> None:
        """Ask for a size in px, less where the screen is small."""
        room = self.screen().availableSize() if self.screen() is not None else QSize(1366, 768)
        self.resize(min(width, room.width() - 40), min(height, room.height() - 60))


def text_label(text: str, role: str = "") -> QLabel:
    """Return a label in one of the style sheet's roles, wrapped where it is long."""
    made = QLabel(text)
    made.setProperty("role", role)
    made.setWordWrap(True)
    made.setTextInteractionFlags(Qt.TextInteractionFlag.NoTextInteraction)
    return made


def caption_for(editor: QWidget, text: str) -> QLabel:
    """Return the name that stands beside an editor, in the middle of its height, and is its buddy."""
    made = QLabel(text)
    made.setProperty("role", "muted")
    editor.ensurePolished()
    made.setFixedHeight(editor.sizeHint().height())
    made.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    made.setBuddy(editor)
    return made


def app_icon_label(side: int) -> QLabel:
    """Return the program's icon as a label of `side` px."""
    made = QLabel()
    made.setPixmap(theme.app_icon().pixmap(side, side))
    made.setFixedSize(side, side)
    made.setAccessibleName("usassist")
    return made
