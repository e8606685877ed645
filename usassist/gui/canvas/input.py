"""From Qt's mouse and keys to what a tool is told; the middle button and Space pan whatever the tool is."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QCursor, QGuiApplication, QKeyEvent, QMouseEvent, QWheelEvent

from usassist.core.errors import UsassistError
from usassist.gui.tools.tool import Button, ToolEvent

if TYPE_CHECKING:
    from usassist.gui.canvas.view import CanvasView

_BUTTONS: dict[Qt.MouseButton, Button] = {
    Qt.MouseButton.LeftButton: "left",
    Qt.MouseButton.RightButton: "right",
    Qt.MouseButton.MiddleButton: "middle",
}


def event_at(at: QPointF, button: Button, modifiers: Qt.KeyboardModifier) -> ToolEvent:
    """Return what a tool is told about an image point."""
    return ToolEvent(
        at.x(),
        at.y(),
        button,
        shift=bool(modifiers & Qt.KeyboardModifier.ShiftModifier),
        ctrl=bool(modifiers & Qt.KeyboardModifier.ControlModifier),
        alt=bool(modifiers & Qt.KeyboardModifier.AltModifier),
    )


def notches(event: QWheelEvent) -> float:
    """Return how far the wheel turned; some desktops turn Alt+wheel or Shift+wheel into a horizontal one."""
    turned = event.angleDelta()
    return (turned.y() or turned.x()) / 120


class Mouse:
    """What is held down on one canvas: a button that belongs to the tool, or a pan."""

    def __init__(self, view: "CanvasView") -> None:
        self._view = view
        self._held = Qt.MouseButton.NoButton
        self._pan: tuple[Qt.MouseButton, QPointF] | None = None
        self._space = False
        self._space_used = False
        self._hand = False
        self._cursor = QCursor(Qt.CursorShape.ArrowCursor)

    def press(self, event: QMouseEvent, *, double: bool = False) -> None:
        """Begin a pan, or hand the press to the tool; a second button during a press is ignored."""
        event.accept()
        button = event.button()
        if self._pan is not None:
            return
        if button == Qt.MouseButton.MiddleButton or (self._space and button == Qt.MouseButton.LeftButton):
            self._pan = button, event.position()
            self._space_used = True
            self._show_hand(Qt.CursorShape.ClosedHandCursor)
            return
        if button not in _BUTTONS or self._held != Qt.MouseButton.NoButton:
            return
        self._held = button
        self._tell("double_click" if double else "press", event, _BUTTONS[button])

    def move(self, event: QMouseEvent) -> None:
        """Pan, or hand the move to the tool."""
        event.accept()
        if self._pan is not None:
            button, last = self._pan
            self._view.scroll_by(QPointF((event.position() - last).toPoint()))
            self._pan = button, last + QPointF((event.position() - last).toPoint())
            return
        if self._held != Qt.MouseButton.NoButton and not event.buttons() & self._held:
            # The release was swallowed, by a dialog for instance: nothing may stay stuck to the cursor.
            self._end(event)
        self._tell("move", event, _BUTTONS.get(self._held, "none"))

    def release(self, event: QMouseEvent) -> None:
        """End a pan, or hand the release to the tool."""
        event.accept()
        if self._pan is not None and event.button() == self._pan[0]:
            self._pan = None
            self._show_hand(Qt.CursorShape.OpenHandCursor if self._space else None)
        elif event.button() == self._held and self._held != Qt.MouseButton.NoButton:
            self._end(event)

    def key_press(self, event: QKeyEvent) -> bool:
        """Take Space: held it pans, tapped it plays."""
        if event.key() != Qt.Key.Key_Space or event.modifiers() != Qt.KeyboardModifier.NoModifier:
            return False
        if not event.isAutoRepeat():
            self._space, self._space_used = True, False
            self._show_hand(Qt.CursorShape.OpenHandCursor)
        event.accept()
        return True

    def key_release(self, event: QKeyEvent) -> bool:
        """Play where Space was tapped."""
        if event.key() != Qt.Key.Key_Space or event.isAutoRepeat():
            return False
        if self._space and not self._space_used:
            self._view.play_requested.emit()
        self.forget_space()
        event.accept()
        return True

    def forget_space(self) -> None:
        """Take Space as let go."""
        if self._space:
            self._space = False
            if self._pan is None:
                self._show_hand(None)

    def hover(self) -> None:
        """Tell the tool where the mouse is, unless a button is down."""
        tool, viewport = self._view.tool, self._view.viewport()
        if tool is not None and self._held == Qt.MouseButton.NoButton and self._pan is None:
            at = QPointF(viewport.mapFromGlobal(QCursor.pos()))
            tool.move(event_at(self._view.to_image(at), "none", QGuiApplication.queryKeyboardModifiers()))

    def forget(self) -> None:
        """Take the button as let go: another tool is in hand."""
        self._held = Qt.MouseButton.NoButton

    def _show_hand(self, shape: Qt.CursorShape | None) -> None:
        """Show a hand while Space or the middle button pans, then the tool's own cursor again."""
        viewport = self._view.viewport()
        if shape is None:
            viewport.setCursor(self._cursor)
            self._hand = False
            return
        if not self._hand:
            self._cursor = viewport.cursor()
        self._hand = True
        viewport.setCursor(shape)

    def _end(self, event: QMouseEvent) -> None:
        button, self._held = _BUTTONS[self._held], Qt.MouseButton.NoButton
        self._tell("release", event, button)

    def _tell(self, what: str, event: QMouseEvent, button: Button) -> None:
        """Tell the tool; what it cannot do becomes one line in the status bar."""
        tool = self._view.tool
        if tool is None:
            return
        tell = {"press": tool.press, "move": tool.move, "release": tool.release, "double_click": tool.double_click}
        try:
            tell[what](event_at(self._view.to_image(event.position()), button, event.modifiers()))
        except UsassistError as error:
            self._view.document.message.emit(str(error), "")
