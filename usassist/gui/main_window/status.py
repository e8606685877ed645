"""The status bar: what was said last, where the cursor is, and which engine answers on which device."""

import math
import time
from collections import deque

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QLabel, QPlainTextEdit, QStatusBar, QWidget

from usassist.core.domain import Annotation, Frame
from usassist.core.models.weights import DEFAULT_MODEL
from usassist.core.proposers import specs
from usassist.gui.dialogs.dialog import Dialog
from usassist.gui.docks.dock import ElidedLabel
from usassist.gui.docks.notice import Notice
from usassist.gui.document import Document, EngineState
from usassist.gui.document.asking import says_nothing_found

KEPT_MESSAGES = 200
READING_S = 4.0
SAVED = "Saved."
_STATES: dict[EngineState, str] = {"off": "", "starting": " (loading)", "ready": "", "failed": " (failed)"}


class MessageLabel(ElidedLabel):
    """One line that is clicked for the whole story."""

    clicked = Signal()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.clicked.emit()
        event.accept()


class MessagesDialog(Dialog):
    """The latest messages with their details, newest first, to read and to copy."""

    def __init__(self, text: str, *, parent: QWidget | None = None) -> None:
        super().__init__("Messages", parent=parent)
        self.text = QPlainTextEdit(text)
        self.text.setReadOnly(True)
        self.text.setAccessibleName("Messages")
        self.body.addWidget(self.text, 1)
        self.add_button("Close", self.accept, default=True)
        self.prefer_size(640, 420)


class StatusBar(QStatusBar):
    """Message on the left; position, value, spacing, zoom, engine and device on the right."""

    def __init__(self, document: Document) -> None:
        super().__init__()
        self.setAccessibleName("Status")
        self.setSizeGripEnabled(False)
        self._document = document
        self._cursor: tuple[float, float] | None = None
        self._messages: deque[tuple[str, str, str]] = deque(maxlen=KEPT_MESSAGES)
        self._busy = self._said = ""
        self._said_at = 0.0
        self.message_label = MessageLabel("")
        self.message_label.setAccessibleName("Message")
        self.message_label.setCursor(Qt.CursorShape.PointingHandCursor)
        self.message_label.clicked.connect(self.show_messages)
        self.setContentsMargins(8, 0, 4, 0)
        self.addWidget(self.message_label, 1)
        self.training = self._add("Training", "")
        self.training.hide()
        self.notice = Notice("Warning about the frame")
        self.addPermanentWidget(self.notice)
        self.state = self._add("What is said about the frame", "")
        self.position = self._add("Position in the image", "x 0000, y 0000")
        self.value = self._add("Value under the cursor", "value 000 000 000")
        self.spacing = self._add("Spacing", "0.0000 × 0.0000 mm/px")
        self.zoom = self._add("Zoom", "1000 %")
        self.engine = self._add("Engine and model", "")
        self.device = self._add("Device", "")
        document.message.connect(self.say)
        document.busy_changed.connect(self._on_document_busy)
        document.frame_loading.connect(self._forget_message)
        document.frame_shown.connect(lambda _frame: self._show_frame())
        document.frame_failed.connect(lambda _key, _reason: self._show_frame())
        document.opened.connect(self._show_frame)
        document.annotation_changed.connect(lambda _key: self._on_document_annotation())
        document.proposals_changed.connect(lambda _key: self._on_document_proposals())
        document.engine_changed.connect(self._show_engine)
        self._show_frame()
        self._show_engine()

    def say(self, text: str, details: str = "") -> None:
        """Show a message until the next one; a click shows them all with their details."""
        self._messages.appendleft((time.strftime("%H:%M:%S"), text, details))
        self._show_said(text)

    def hint(self, text: str) -> None:
        """Show a passing word about the tool in hand; it is not kept among the messages."""
        self._show_said(text)

    def _show_said(self, text: str) -> None:
        self._said, self._said_at = text, time.monotonic()
        self._show_message()

    def _forget_message(self) -> None:
        """Take away what was said about another frame, once there was time to read it; the list keeps it."""
        if time.monotonic() - self._said_at > READING_S:
            self._show_said("")

    def _on_document_proposals(self) -> None:
        self._show_state()
        if says_nothing_found(self._said) and not self._document.found_nothing:
            self._show_said("")

    def _on_document_annotation(self) -> None:
        self._show_state()
        if self._said == SAVED:  # not any more
            self._show_said("")

    def show_messages(self) -> None:
        """Open the list of messages."""
        entries = (
            f"{when}  {text}" + (f"\n{details}\n" if details and details not in text else "")
            for when, text, details in self._messages
        )
        dialog = MessagesDialog("\n".join(entries) or "Nothing was said yet.", parent=self.window())
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def set_cursor(self, x: float, y: float) -> None:
        """Say what is at an image point (x, y); pixel centres are at integers."""
        self._cursor = (x, y)
        self._show_cursor()

    def set_zoom(self, scale: float) -> None:
        """Say the zoom, in screen pixels per image pixel."""
        self.zoom.setText(f"{scale * 100:.0f} %" if self._document.frame is not None else "")

    def _add(self, name: str, widest: str) -> QLabel:
        label = QLabel()
        label.setAccessibleName(name)
        label.setToolTip(name)
        if widest:
            # A bar that does not jump while the mouse moves.
            label.setMinimumWidth(label.fontMetrics().horizontalAdvance(widest))
        self.addPermanentWidget(label)
        return label

    def _on_document_busy(self, what: str) -> None:
        self._busy = what
        self._show_message()

    def _show_message(self) -> None:
        text = f"{self._busy}…" if self._busy else self._said
        self.message_label.setText(text)
        self.message_label.setToolTip(text)

    def _show_frame(self) -> None:
        self._show_state()
        self._show_cursor()

    def _show_state(self) -> None:
        annotation = self._document.annotation
        self.state.setText(_words_for(annotation) if annotation is not None else "")
        unlike = self._document.warning
        waiting = self._document.proposals if self._document.frame is not None else ()
        unlearned = next((item.text_warning for item in waiting if item.text_warning), "")
        words = "unlike the training images" if unlike else "never learned what was asked" if unlearned else ""
        self.notice.say(words, tip=f"{unlike} {unlearned}".strip())

    def _show_cursor(self) -> None:
        frame = self._document.frame
        if frame is None:
            for label in (self.position, self.value, self.spacing):
                label.setText("")
            return
        col, row = (math.floor(value + 0.5) for value in self._cursor or (-1.0, -1.0))
        inside = 0 <= row < frame.shape[0] and 0 <= col < frame.shape[1]
        self.position.setText(f"x {col}, y {row}" if inside else f"{frame.shape[1]} × {frame.shape[0]} px")
        self.value.setText(_value_at(frame, row, col) if inside else "")
        self.spacing.setText(_spacing_at(frame, row, col))

    def _show_engine(self) -> None:
        spec = specs().get(self._document.engine_name)
        title = spec.title if spec is not None else self._document.engine_name
        model = self._document.model_name or DEFAULT_MODEL
        needs_model = spec is not None and "weights" in spec.requires
        words = f"{title} · {model}" if needs_model else title
        self.engine.setText(words + _STATES[self._document.engine_state])
        asked, runs_on = self._document.device, self._document.running_device
        self.device.setText(runs_on or asked)
        self.device.setToolTip(f"Device: {runs_on or 'known once the engine is loaded'} (asked for: {asked})")


def _words_for(annotation: Annotation) -> str:
    empty = annotation.status == "accepted" and not annotation.regions
    status = "nothing to segment" if empty else "to do" if annotation.status == "untouched" else annotation.status
    return f"{status}, flagged" if annotation.flagged else status


def _value_at(frame: Frame, row: int, col: int) -> str:
    pixel = frame.pixels[row, col]
    return f"value {int(pixel)}" if pixel.ndim == 0 else "value " + " ".join(str(int(channel)) for channel in pixel)


def _spacing_at(frame: Frame, row: int, col: int) -> str:
    """Return the spacing at a pixel, or where the cursor is outside the one that all regions share; else "px"."""
    spacing = frame.spacing_at(row, col)
    declared = {region.spacing_mm for region in frame.regions if region.spacing_mm is not None}
    if spacing is None and not frame.region_at(row, col) and len(declared) == 1:
        spacing = declared.pop()
    if spacing is None:
        return "px (spacing unknown)"
    high, wide = spacing
    return f"{high:.4g} mm/px" if math.isclose(high, wide, rel_tol=1e-3) else f"{high:.4g} × {wide:.4g} mm/px"
