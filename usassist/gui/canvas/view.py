"""The canvas widget: it shows the document's frame, moves around in it, and hands the mouse to the tool."""

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QMetaMethod, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from usassist.core.domain import Frame, Mask, Proposal
from usassist.core.errors import UsassistError
from usassist.core.io.display import to_display
from usassist.gui.canvas.input import Mouse, event_at, notches
from usassist.gui.canvas.layers import Layers
from usassist.gui.canvas.picture_view import PictureView
from usassist.gui.document import Document
from usassist.gui.tools.tool import Tool

STEP = 1.2
"""How much one notch of the wheel zooms."""
_EMPTY = "Open an image (Ctrl+O) or a folder (Ctrl+U)"


class CanvasView(PictureView):
    """Shows a document's frame and what is drawn on it; tools work on it through the `ToolSurface` protocol.

    `cursor_moved(x, y)` is in image pixels, centres at integers. `play_requested` is Space that was tapped, not held
    for a drag; Space stays with the window's own shortcut while nobody listens to it.
    """

    cursor_moved = Signal(float, float)
    tool_changed = Signal(str)
    masks_visible_changed = Signal(bool)
    play_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._document: Document | None = None
        self._tool: Tool | None = None
        self._notice = _EMPTY
        self.layers = Layers(self.scene())
        self._mouse = Mouse(self)
        self.setObjectName("canvas")
        self.setAccessibleName("Image canvas")
        self.setAccessibleDescription("The ultrasound frame and the regions drawn on it.")
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.viewport().setMouseTracking(True)

    # What the window uses.

    @property
    def document(self) -> Document:
        """Return the document shown; RuntimeError where none is set."""
        if self._document is None:
            raise RuntimeError("The canvas has no document; call set_document first.")
        return self._document

    def set_document(self, document: Document) -> None:
        """Show a document, once."""
        if self._document is not None:
            raise RuntimeError("The canvas already shows a document.")
        self._document = document
        document.frame_shown.connect(self._on_document_frame_shown)
        document.frame_leaving.connect(self._on_document_frame_leaving)
        document.frame_loading.connect(self._on_document_frame_loading)
        document.frame_failed.connect(self._on_document_frame_failed)
        document.open_failed.connect(self._on_document_open_failed)
        document.opened.connect(self._on_document_opened)
        document.annotation_changed.connect(self._on_document_frame_changed)
        document.proposals_changed.connect(self._on_document_frame_changed)
        document.selection_changed.connect(self._on_document_look_changed)
        document.clicks_changed.connect(self._on_document_clicks_changed)
        document.labels_changed.connect(self._on_document_look_changed)
        document.active_label_changed.connect(self._on_document_look_changed)
        if document.frame is not None:
            self._on_document_frame_shown(document.frame)

    @property
    def tool(self) -> Tool | None:
        return self._tool

    def set_tool(self, tool: Tool) -> None:
        """Put a tool in hand; what the tool before had begun is dropped."""
        if tool is self._tool:
            return
        self._mouse.forget()
        if self._tool is not None:
            self._tool.deactivate()
        self._tool = self.layers.tool.tool = tool
        tool.activate(self)
        self._hover()
        self.tool_changed.emit(tool.id)

    def set_opacity(self, opacity: float) -> None:
        """Set how much of the picture the masks cover, 0 to 1."""
        self.layers.set_opacity(opacity)

    def set_brightness_contrast(self, brightness: int, contrast: int) -> None:
        """Set brightness and contrast of the view, -100 to 100 each; stored values stay as they are."""
        self.layers.frame.set_adjustment(brightness, contrast)

    def set_masks_visible(self, visible: bool) -> None:
        """Show or hide regions and proposals."""
        if visible != self.layers.visible:
            self.layers.set_visible(self._document, visible=visible)
            self.masks_visible_changed.emit(visible)

    # What a tool uses.

    def refresh(self, area: QRectF | None = None) -> None:
        """Repaint what the tool draws in `area` (image pixels), or everywhere."""
        if area is None:
            self.layers.tool.update()
        else:
            self.layers.tool.update(area)

    def set_cursor(self, shape: Qt.CursorShape) -> None:
        """Show another mouse cursor over the canvas."""
        self.viewport().setCursor(shape)

    def pan_by(self, dx: float, dy: float) -> None:
        """Move the picture by image pixels."""
        self.scroll_by(QPointF(dx * self.scale, dy * self.scale))

    def preview_stroke(self, added: Mask, *, whole: Mask, erase: bool, waiting: Sequence[Proposal]) -> None:
        """Show what a stroke will do; masks that were hidden are shown again, for nobody paints blind."""
        self.set_masks_visible(True)
        self.layers.preview_stroke(self.document, added, whole=whole, erase=erase, waiting=waiting)

    def preview_mask(self, region_id: str, mask: Mask) -> None:
        """Show another mask in place of a region's own."""
        self.set_masks_visible(True)
        self.layers.preview_mask(self.document, region_id, mask)

    def clear_preview(self) -> None:
        """Show the annotation as it is."""
        self.layers.clear_preview(self._document)

    # What the document says.

    def _on_document_frame_shown(self, frame: Frame) -> None:
        if self._tool is not None:
            self._tool.cancel()
        self._notice = ""
        self.layers.clear_preview(self._document)
        self.layers.frame.set_display(to_display(frame, window=None))
        self._navigator.set_shape(frame.shape)
        self._moved()
        self._on_document_look_changed()
        # The notice lies on the whole window, beyond any item.
        self.viewport().update()

    def _on_document_frame_leaving(self) -> None:
        """Let the tool put what it has begun into the frame it was begun on."""
        if self._tool is not None:
            try:
                self._tool.finish()
            except UsassistError as error:
                self.document.message.emit(str(error), "")

    def _on_document_frame_loading(self) -> None:
        """Drop what a tool has begun; the picture stays until the next one is there, or a cine would flicker."""
        if self._tool is not None:
            self._tool.cancel()

    def _on_document_frame_failed(self, source_key: str, reason: str) -> None:
        """Take the picture away where it is the current file that failed, so that no other is mistaken for it."""
        if self.document.source is not None and self.document.source.key == source_key:
            self._clear(reason)

    def _on_document_open_failed(self, reason: str) -> None:
        """Say it large where nothing else is shown; what is open stays on screen."""
        if not self.document.is_open:
            self._clear(f"{reason}\n\n{_EMPTY}")

    def _on_document_opened(self) -> None:
        if not self.document.is_open:
            self._clear(_EMPTY)

    def _on_document_frame_changed(self, frame_key: str) -> None:
        ref = self.document.ref
        if ref is not None and ref.key == frame_key:
            self._on_document_look_changed()

    def _on_document_look_changed(self, _changed: str = "") -> None:
        if self.document.frame is not None:
            self.layers.sync(self.document)
            self.refresh()

    def _on_document_clicks_changed(self) -> None:
        if self.document.clicks is not None:
            self.set_masks_visible(True)  # nobody corrects blind
        self.refresh()

    def _clear(self, notice: str) -> None:
        """Show no picture, and say why."""
        if self._tool is not None:
            self._tool.cancel()
        self._notice = notice
        self.layers.clear_preview(self.document)
        self.layers.frame.set_display(None)
        self.layers.sync(self.document)
        self.viewport().update()

    def _moved(self) -> None:
        self.layers.set_scale(self.scale, bounds=self._navigator.bounds)
        super()._moved()

    def _hover(self) -> None:
        """Tell the tool where the mouse is after it was not the mouse that moved."""
        if self.viewport().underMouse():
            self._mouse.hover()

    # What Qt says.

    def event(self, event: QEvent) -> bool:
        """Keep the keys that belong to the tool, or to a drag with Space, from the window's shortcuts."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            plain = event.modifiers() in (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.KeypadModifier)
            space = event.key() == Qt.Key.Key_Space and self.isSignalConnected(
                QMetaMethod.fromSignal(self.play_requested)
            )
            if plain and (space or (self._tool is not None and self._tool.takes(event.key()))):
                event.accept()
                return True
        return super().event(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._mouse.press(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        at = self.to_image(event.position())
        self.cursor_moved.emit(at.x(), at.y())
        self._mouse.move(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._mouse.release(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self._mouse.press(event, double=True)

    def leaveEvent(self, event: QEvent) -> None:
        if self._tool is not None:
            self._tool.leave()
        super().leaveEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom at the cursor, unless the tool wants the wheel."""
        delta = notches(event)
        ctrl = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        place = event_at(self.to_image(event.position()), "none", event.modifiers())
        event.accept()
        if delta and (ctrl or self._tool is None or not self._tool.wheel(delta, place)):
            self.zoom_by(STEP**delta, at=event.position())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if self._tool is not None and self._tool.key(event):
            event.accept()
        elif not self._mouse.key_press(event):
            event.ignore()
        if event.key() == Qt.Key.Key_Control:
            self._hover()

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if not self._mouse.key_release(event):
            event.ignore()
        if event.key() == Qt.Key.Key_Control:
            self._hover()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self._mouse.forget_space()
        super().focusOutEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self._notice:
            painter = QPainter(self.viewport())
            painter.setPen(QColor("#9a9a9a"))
            room = self.viewport().rect().adjusted(24, 24, -24, -24)
            painter.drawText(room, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, self._notice)
            painter.end()
