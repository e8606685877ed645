"""What every panel has in common: a quiet title bar, a body, and a way to say what to do while it is empty."""

import textwrap
from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, QRectF, QSize, Qt, QTimer
from PySide6.QtGui import QFont, QFontMetricsF, QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QDockWidget,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMainWindow,
    QMenu,
    QSizePolicy,
    QStyle,
    QStyleOptionFrame,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from usassist.core.captions.wording import shortened
from usassist.gui import theme

_TIP_LINES = 12
_ANY_HEIGHT = 16_777_215
"""Qt's own value for a widget without a largest height."""


class Dock(QDockWidget):
    """A panel whose widgets stand in `self.body`; `name` is stable, it keys the saved window layout.

    Among tabs the tab says the title already: the title bar then says `subtitle`, or goes where it holds nothing.
    """

    def __init__(self, name: str, title: str, *, icon: str, subtitle: str = "") -> None:
        super().__init__(title)
        self.setObjectName(name)
        self.setAccessibleName(f"{title} panel")
        self.setWindowIcon(theme.icon(icon))
        self.toggleViewAction().setIcon(theme.icon(icon))
        self._title_bar = TitleBar(title, subtitle=subtitle, on_close=self.close)
        self.setTitleBarWidget(self._title_bar)
        content = QWidget()
        content.setObjectName("DockBody")
        self.body = QVBoxLayout(content)
        self.body.setContentsMargins(0, 0, 0, 0)
        self.body.setSpacing(0)
        self.setWidget(content)
        self.visibilityChanged.connect(lambda _visible: self._look_for_tabs())
        self.dockLocationChanged.connect(lambda _area: self._look_for_tabs())
        self.topLevelChanged.connect(lambda _floating: self._look_for_tabs())

    def _look_for_tabs(self) -> None:
        QTimer.singleShot(0, self, self._show_title)  # Qt says so before its own layout knows

    def _show_title(self) -> None:
        window = self.parentWidget()
        tabbed = isinstance(window, QMainWindow) and not self.isFloating() and bool(window.tabifiedDockWidgets(self))
        self._title_bar.set_tabbed(tabbed)

    def add_title_button(self, icon: str, *, name: str, tip: str, on_click: Callable[[], object]) -> QToolButton:
        """Put a small button in the title bar, left of the close button."""
        button = tool_button(icon, name=name, tip=tip, on_click=on_click)
        self._title_bar.insert(button)
        return button

    def add_to_title(self, widget: QWidget) -> None:
        """Put a widget that takes the free width into the title bar, between the title and its buttons."""
        self._title_bar.insert(widget, stretch=1)


class TitleBar(QWidget):
    """The panel's name, its own small buttons, and close; dragging it moves the panel."""

    def __init__(self, title: str, *, on_close: Callable[[], object], subtitle: str = "") -> None:
        super().__init__()
        self._words = (title, subtitle)
        self.setObjectName("DockTitle")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        row = QHBoxLayout(self)
        row.setContentsMargins(14, 5, 8, 3)
        row.setSpacing(2)
        self._label = QLabel(title)
        self._holds_widget = False
        row.addWidget(self._label)
        row.addStretch(0)
        close = tool_button("ph.x", name=f"Close the {title.lower()} panel", tip="Close panel", on_click=on_close)
        close.setIcon(theme.icon("ph.x", tone="faint"))
        close.setIconSize(QSize(12, 12))
        close.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        row.addWidget(close)
        self._row, self._close = row, close

    def set_tabbed(self, tabbed: bool) -> None:
        """Say the subtitle where a tab above says the title; without one nothing is left to show."""
        title, subtitle = self._words
        self._label.setText(subtitle if tabbed else title)
        self._label.setVisible(not tabbed or bool(subtitle))  # a hidden label takes no room in the size hint
        self._close.setVisible(not tabbed)
        self.setMaximumHeight(8 if tabbed and not subtitle and not self._holds_widget else _ANY_HEIGHT)

    def insert(self, widget: QWidget, *, stretch: int = 0) -> None:
        """Add a widget left of the close button; with a stretch it takes the free width."""
        self._row.insertWidget(self._row.count() - 1, widget, stretch)
        if stretch:
            self._row.setSpacing(6)
            self._holds_widget = True


ONLY_SHOWN = "This frame is only shown", "What was drawn on it cannot be read, or belongs to another picture."


class EmptyState(QWidget):
    """What a panel shows while there is nothing: an icon, what is missing, and what to do about it.

    It is painted, not laid out, so that it fits any height: the icon goes first where there is little room.
    """

    _ICON = 28
    _WRAP = int(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop) | int(Qt.TextFlag.TextWordWrap)

    def __init__(self, icon: str, title: str, hint: str) -> None:
        super().__init__()
        self._icon = icon
        self._title = self._hint = ""
        self.say(title, hint)

    def say(self, title: str, hint: str, *, icon: str | None = None) -> None:
        """Change the words, and the icon where one is given."""
        self._icon = icon or self._icon
        self._title, self._hint = title, hint
        self.setAccessibleName(f"{title}. {hint}" if hint else title)
        self.setToolTip(hint)
        self.update()

    @property
    def text(self) -> str:
        """Return both sentences, as a reader hears them."""
        return self.accessibleName()

    def minimumSizeHint(self) -> QSize:
        return QSize(80, self.fontMetrics().height() * 3 + 14)

    def paintEvent(self, event: QPaintEvent) -> None:
        small = QFont(self.font())
        small.setPointSizeF(small.pointSizeF() * 0.89)
        room = QRectF(self.rect()).adjusted(20, 4, -20, -4)
        tall = QRectF(0, 0, room.width(), 10_000)
        title = QFontMetricsF(self.font()).boundingRect(tall, self._WRAP, self._title).height()
        hint = QFontMetricsF(small).boundingRect(tall, self._WRAP, self._hint).height() + 4 if self._hint else 0.0
        icon = self._ICON + 10 if room.height() >= title + hint + self._ICON + 10 else 0
        top = room.top() + max(0.0, (room.height() - icon - title - hint) / 2)
        painter = QPainter(self)
        if icon:
            area = QRectF(room.center().x() - self._ICON / 2, top, self._ICON, self._ICON)
            theme.paint_icon(painter, area, self._icon, colour=theme.tone_colour("faint"))
        painter.setPen(theme.tone_colour("text"))
        painter.drawText(QRectF(room.left(), top + icon, room.width(), title), self._WRAP, self._title)
        painter.setFont(small)
        painter.setPen(theme.tone_colour("faint"))
        painter.drawText(QRectF(room.left(), top + icon + title + 4, room.width(), hint), self._WRAP, self._hint)
        painter.end()


def tool_button(icon: str, *, name: str, tip: str, on_click: Callable[[], object] | None = None) -> QToolButton:
    """Return a small flat icon button with an accessible name and a tooltip."""
    button = QToolButton()
    button.setIcon(theme.icon(icon))
    button.setIconSize(QSize(theme.tokens().icon_s, theme.tokens().icon_s))
    button.setToolTip(tip)
    button.setAccessibleName(name)
    keep_keys(button)
    if on_click is not None:
        button.clicked.connect(lambda _checked=False: on_click())
    return button


class _KeyKeeper(QObject):
    """Keeps keys for the widget that has the focus, which the window's one-key shortcuts would take otherwise."""

    def __init__(self, parent: QObject, keys: frozenset[Qt.Key]) -> None:
        super().__init__(parent)
        self._keys = keys

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            plain = not event.modifiers() & ~(Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.KeypadModifier)
            if plain and event.key() in self._keys:
                event.accept()
                return True
        return super().eventFilter(watched, event)


def keep_keys(widget: QWidget, *keys: Qt.Key) -> None:
    """Let a widget that was reached with Tab use these keys itself (Space where none is named).

    A click does not give it the focus, so that A, D, Space and Enter go on steering the picture after it.
    """
    widget.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    widget.installEventFilter(_KeyKeeper(widget, frozenset(keys or (Qt.Key.Key_Space,))))


class Field(QLineEdit):
    """A line of text that keeps Enter and Esc for itself: Esc empties it, then gives the focus back."""

    def __init__(self) -> None:
        super().__init__()
        self.setAcceptDrops(False)  # a dropped file belongs to the window, not into the text
        keys = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Escape, Qt.Key.Key_Left, Qt.Key.Key_Right)
        self.installEventFilter(_KeyKeeper(self, frozenset(keys)))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            if self.text():
                self.clear()
            else:
                self.clearFocus()
            return
        super().keyPressEvent(event)


def wrapped(text: str) -> str:
    """Return a text broken into lines for a tooltip, whose plain text Qt does not wrap; a very long one is cut."""
    lines = [part for line in text.splitlines() for part in textwrap.wrap(line, 70)]
    return "\n".join(lines if len(lines) <= _TIP_LINES else [*lines[:_TIP_LINES], "…"])


def context_menu(parent: QWidget) -> QMenu:
    """Return an empty menu that is gone once it was closed: each click makes another one."""
    menu = QMenu(parent)
    menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    return menu


def menu_text(text: str) -> str:
    """Return a person's or a model's words as they can stand in a menu: short, and with every "&" as it is."""
    return shortened(text).replace("&", "&&")


def label(text: str, role: str = "") -> QLabel:
    """Return a label in one of the style sheet's roles: title, section, muted, faint, value, warning."""
    made = QLabel(text)
    made.setProperty("role", role)
    return made


class ElidedLabel(QLabel):
    """A one-line label that shortens its text with an ellipsis instead of demanding width."""

    def __init__(self, text: str = "", role: str = "") -> None:
        super().__init__(text)
        self.setProperty("role", role)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def minimumSizeHint(self) -> QSize:
        return QSize(0, super().minimumSizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        option = QStyleOptionFrame()
        self.initStyleOption(option)
        area = self.style().subElementRect(QStyle.SubElement.SE_FrameContents, option, self)
        area = area.intersected(self.contentsRect())
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        shown = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, area.width())
        painter.drawText(area, int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft), shown)
        painter.end()
