"""The cine bar under the canvas: plays a clip at the file's own pace, and shows which frames are annotated."""

import math

from PySide6.QtCore import QElapsedTimer, QRectF, Qt, QTimer
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QSlider, QStyle, QStyleOptionSlider, QWidget

from usassist.core.domain import Status, Study
from usassist.gui import theme
from usassist.gui.docks.dock import label, tool_button
from usassist.gui.document import Document

UNKNOWN_FRAME_TIME_MS = 1000 / 15
"""A pace for clips whose file declares none; the bar says so."""


class FrameSlider(QSlider):
    """A slider over frames with a tick under every annotated one; a click goes straight to the frame."""

    def __init__(self) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.setAccessibleName("Frame")
        self.setPageStep(10)
        self._ticks: dict[int, Status] = {}

    def set_ticks(self, ticks: dict[int, Status]) -> None:
        """Mark these frames, by index from 0."""
        if ticks != self._ticks:
            self._ticks = ticks
            self.update()

    @property
    def ticks(self) -> dict[int, Status]:
        return dict(self._ticks)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        handle = self._part(QStyle.SubControl.SC_SliderHandle)
        if event.button() == Qt.MouseButton.LeftButton and not handle.contains(event.position().toPoint()):
            left, width = self._travel()
            offset = round(event.position().x() - left)
            self.setValue(QStyle.sliderValueFromPosition(self.minimum(), self.maximum(), offset, round(width)))
        super().mousePressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self._ticks or self.maximum() <= self.minimum():
            return
        t = theme.tokens()
        colours = {"draft": t.warning, "accepted": t.positive, "unusable": t.faint}
        left, width = self._travel()
        painter = QPainter(self)
        painter.setPen(Qt.PenStyle.NoPen)
        for index, status in self._ticks.items():
            x = left + width * index / (self.maximum() - self.minimum())
            painter.setBrush(QColor(colours.get(status, t.faint)))
            painter.drawRect(QRectF(x - 1, self.height() - 4, 2, 4))
        painter.end()

    def _part(self, part: QStyle.SubControl) -> QRectF:
        option = QStyleOptionSlider()
        self.initStyleOption(option)
        return self.style().subControlRect(QStyle.ComplexControl.CC_Slider, option, part, self).toRectF()

    def _travel(self) -> tuple[float, float]:
        """Return where the handle's middle is at the first frame, and how far it goes, in px."""
        groove, handle = self._part(QStyle.SubControl.SC_SliderGroove), self._part(QStyle.SubControl.SC_SliderHandle)
        return groove.left() + handle.width() / 2, max(1.0, groove.width() - handle.width())


class CineBar(QWidget):
    """Play, loop, a slider, and where in the clip it is; hidden for stills.

    Playing follows a clock, not a count of ticks: where decoding is slower than the clip, frames are dropped and the
    pace is kept. The next frame is asked for only when the one before has arrived.
    """

    def __init__(self, document: Document) -> None:
        super().__init__()
        self.setObjectName("CineBar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAccessibleName("Cine")
        self._document = document
        self._study: Study | None = None
        self._clock = QElapsedTimer()
        self._start_index = 0
        self._playing = False
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._on_tick)
        self._build()
        self.slider.valueChanged.connect(self._on_slider_moved)
        document.opened.connect(self._on_document_moved)
        document.frame_shown.connect(lambda _frame: self._on_document_moved())
        document.frame_failed.connect(lambda _key, _reason: self._on_document_failed())
        document.annotation_changed.connect(self._on_document_annotation)
        document.pointing_begun.connect(self._on_document_pointing)
        self._on_document_moved()

    def _build(self) -> None:
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 5, 14, 5)
        row.setSpacing(6)
        self.play_button = tool_button("ph.play-fill", name="Play", tip="Play (Space)", on_click=self.toggle_play)
        self.loop_button = tool_button("ph.repeat", name="Play in a loop", tip="Play in a loop")
        self.loop_button.setCheckable(True)
        self.loop_button.setChecked(True)
        self.slider = FrameSlider()
        self.frame_text, self.time_text, self.pace_text = label("", ""), label("", "muted"), label("", "faint")
        self.frame_text.setAccessibleName("Frame number")
        self.time_text.setAccessibleName("Time in the clip")
        self.pace_text.setAccessibleName("Frames per second")
        row.addWidget(self.play_button)
        row.addWidget(self.loop_button)
        row.addWidget(self.slider, 1)
        row.addSpacing(6)
        for text in (self.frame_text, self.time_text, self.pace_text):
            text.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            row.addWidget(text)
            row.addSpacing(4)

    # Playing

    @property
    def is_playing(self) -> bool:
        return self._playing

    @property
    def frame_time_ms(self) -> float:
        """Return the time of one frame in ms: what the file declares, else a usual pace."""
        declared = self._study.facts.frame_time_ms if self._study is not None else None
        return declared if declared is not None and declared > 0 else UNKNOWN_FRAME_TIME_MS

    def toggle_play(self) -> None:
        """Play, or pause; without a clip nothing happens."""
        if self.is_playing:
            self.pause()
        elif self._study is not None:
            self.play()

    def play(self) -> None:
        """Play from the frame on screen; at the end of the clip from its beginning."""
        if self._study is None:
            return
        last = len(self._study.frames) - 1
        here = self._document.ref.index if self._document.ref is not None else 0
        self._start_index = 0 if here >= last else here
        self._playing = True
        self._clock.start()
        self._wait_for_next()
        self._show_play_state()

    def pause(self) -> None:
        """Stop at the frame on screen."""
        self._playing = False
        self._timer.stop()
        self._show_play_state()

    def due_index(self, elapsed_ms: float) -> int | None:
        """Return which frame belongs on screen so long after `play`, None past the end of a clip that does not loop."""
        count = len(self._study.frames) if self._study is not None else 1
        index = self._start_index + int(elapsed_ms // self.frame_time_ms)
        if index < count:
            return index
        return index % count if self.loop_button.isChecked() else None

    def _wait_for_next(self) -> None:
        """Wake up when the next frame is due: a steady timer would drift across the frames' borders and skip some."""
        self._timer.start(math.ceil(self.frame_time_ms - self._clock.elapsed() % self.frame_time_ms))

    def _on_tick(self) -> None:
        self._wait_for_next()
        ref = self._document.ref
        if ref is None or self._study is None:
            return  # the last frame has not arrived: this one is dropped, the clock goes on
        due = self.due_index(self._clock.elapsed())
        if due is None:
            self.pause()
            due = len(self._study.frames) - 1
        if due != ref.index:
            self._document.seek(due)

    # From the document and the slider

    def _on_document_moved(self) -> None:
        study = self._document.study if self._document.frame is not None else None
        clip = study if study is not None and study.is_cine else None
        if clip is None or self._study is None or clip.key != self._study.key:
            self.pause()
            self._take(clip)
        self._show_position()

    def _on_document_pointing(self) -> None:
        if self.is_playing:
            self.pause()

    def _on_document_failed(self) -> None:
        self.pause()
        self._on_document_moved()

    def _on_document_annotation(self, frame_key: str) -> None:
        if self._study is None or not frame_key.startswith(self._study.key):
            return
        index = next((ref.index for ref in self._study.frames if ref.key == frame_key), None)
        if index is None:
            return
        status = self._document.annotation_of(frame_key).status
        ticks = {number: was for number, was in self.slider.ticks.items() if number != index}
        self.slider.set_ticks(ticks if status == "untouched" else ticks | {index: status})

    def _take(self, clip: Study | None) -> None:
        self._study = clip
        self.setVisible(clip is not None)
        if clip is None:
            return
        self.slider.blockSignals(True)
        self.slider.setRange(0, len(clip.frames) - 1)
        self.slider.blockSignals(False)
        known = clip.facts.frame_time_ms is not None and clip.facts.frame_time_ms > 0
        self.pace_text.setText(f"{1000 / self.frame_time_ms:.3g} fps" if known else "fps unknown")
        self.pace_text.setToolTip(
            "" if known else f"The file declares no pace; played at {1000 / self.frame_time_ms:.0f} fps"
        )
        self._hold_widths(clip)
        self._load_ticks(clip)

    def _hold_widths(self, clip: Study) -> None:
        """Keep the numbers from pushing the slider about while they change."""
        count = len(clip.frames)
        for text, widest in (
            (self.frame_text, f"{count} / {count}"),
            (self.time_text, f"{count * self.frame_time_ms / 1000:.2f} s"),
        ):
            text.setMinimumWidth(text.fontMetrics().horizontalAdvance(widest.replace("1", "0")) + 2)

    def _load_ticks(self, clip: Study) -> None:
        statuses = self._document.frame_statuses(clip.key)
        self.slider.set_ticks({ref.index: statuses[ref.key] for ref in clip.frames if ref.key in statuses})

    def _show_position(self) -> None:
        ref = self._document.ref
        if self._study is None or ref is None:
            return
        self.slider.blockSignals(True)
        self.slider.setValue(ref.index)
        self.slider.blockSignals(False)
        self.frame_text.setText(f"{ref.index + 1} / {len(self._study.frames)}")
        time_ms = ref.time_ms if ref.time_ms is not None else ref.index * self.frame_time_ms
        self.time_text.setText(f"{time_ms / 1000:.2f} s")

    def _on_slider_moved(self, index: int) -> None:
        self.pause()
        self._document.seek(index)

    def _show_play_state(self) -> None:
        playing = self.is_playing
        self.play_button.setIcon(theme.icon("ph.pause-fill" if playing else "ph.play-fill"))
        self.play_button.setToolTip("Pause (Space)" if playing else "Play (Space)")
        self.play_button.setAccessibleName("Pause" if playing else "Play")
