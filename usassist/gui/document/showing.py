"""The half of the document that goes from frame to frame: the old one is safe before the new one is shown."""

import time

from PySide6.QtCore import QObject, QTimer

from usassist.core.domain import Annotation, Frame, FrameRef, Reader, Study
from usassist.core.errors import ProjectError, UsassistError
from usassist.gui.document.editing import DocumentEditing

QUICK_STEP_S = 0.12
"""Frames that follow each other faster than this are being played: the engine is asked when they stop."""
SETTLE_MS = 200


class DocumentShowing(DocumentEditing):
    """Loads frames in the background, the next one ahead; what is left is finished and saved first."""

    def __init__(self, parent: QObject | None, *, reader: Reader | None) -> None:
        super().__init__(parent, reader=reader)
        self._last_shown = 0.0
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        self._settle.timeout.connect(self._propose_if_untouched)

    def show(self, source_index: int, frame_index: int = 0) -> None:
        """Go to a frame; the old one is saved first, and nothing can be edited until the new one is there."""
        session = self._session
        if session is None or not 0 <= source_index < len(session.sources):
            return
        self._leave()
        self._source_index, self._frame_index = source_index, max(0, frame_index)
        self.frame_loading.emit()

        def work() -> tuple[Study, Frame, Annotation | ProjectError]:
            study, ref = session.locate(source_index, frame_index)
            frame = session.library.frame(ref)
            try:
                return study, frame, session.stored(ref.key, frame.shape)
            except ProjectError as error:
                return study, frame, error

        self.lane_io.cancel("prefetch")
        self.lane_io.submit(
            work,
            done=lambda found: self._on_loaded(*found),
            failed=lambda error: self._on_load_failed(session.sources[source_index].key, error),
            key="show",
            front=True,
        )

    def step_file(self, step: int) -> None:
        """Go `step` sources on, or back where it is negative; the ends are the ends."""
        target = max(0, min(self._source_index + step, len(self.sources) - 1))
        if target != self._source_index:
            self.show(target)

    def step_to_do(self, step: int) -> bool:
        """Go to the nearest source that is not annotated, on or back; return False where there is none."""
        places = range(self._source_index + 1, len(self.sources)) if step > 0 else range(self._source_index - 1, -1, -1)
        for place in places:
            key = self.sources[place].key
            if self.status_of(key) in ("untouched", "draft") and self.failure_of(key) is None:
                self.show(place)
                return True
        return False

    def step_frame(self, step: int) -> None:
        """Go `step` frames on in a cine; the ends are the ends."""
        self.seek(self._frame_index + step)

    def seek(self, frame_index: int) -> None:
        """Go to a frame of the same source; an index outside goes to the nearest end."""
        study = self.study
        if study is None:
            return
        target = max(0, min(frame_index, len(study.frames) - 1))
        if target != self._frame_index:
            self.show(self._source_index, target)

    def finish_tools(self) -> None:
        """Let a tool put what it has begun into the frame on screen, as where that is left."""
        self.leave_clicks()
        if self._frame is not None:
            self.frame_leaving.emit()

    def _leave(self) -> None:
        self._settle.stop()
        self.finish_tools()
        self._proposing.cancel()
        if self._frame is not None:
            self._count_seconds(self._frame.ref.key)
            if self._book.is_dirty(self._frame.ref.key):
                self._save_frame(self._frame.ref.key)
        self._frame = self._upcoming = None
        self._region_id = None
        self._annotation_fits = False
        self.undo_group.setActiveStack(None)  # type: ignore[arg-type]  # Qt takes a null pointer here

    def _on_loaded(self, study: Study, frame: Frame, stored: Annotation | ProjectError) -> None:
        session = self._opened_session()
        session.studies[study.key] = study
        if session.failures.pop(study.key, None) is not None:
            self.source_state_changed.emit(study.key)
        self._frame, self._frame_index = frame, frame.ref.index
        self._annotation_fits = self._take(stored, frame, study.source.relative)
        self.undo_group.setActiveStack(self._book.stack(frame.ref.key))
        now = time.monotonic()
        quick, self._last_shown, self._shown_at = now - self._last_shown < QUICK_STEP_S, now, now
        self.frame_shown.emit(frame)
        self.proposals_changed.emit(frame.ref.key)
        self.selection_changed.emit(self._region_id or "")
        self._offer_draft(frame.ref.key)
        if quick and study.is_cine:
            self._settle.start()
        else:
            self._propose_if_untouched()
        self._prefetch(study, frame.ref)
        self._look_if_replaced(study)

    def _take(self, stored: Annotation | ProjectError, frame: Frame, name: str) -> bool:
        """Take what is on disk; return whether it can be edited: what cannot be read, or fits no more, is kept."""
        if isinstance(stored, ProjectError):
            what = f"{name} is only shown, because its annotation cannot be read"
            self._why_only_shown = f"{what}: {stored}"
            self._complain(what, stored)
            return False
        annotation = self._book.adopt(stored)
        if annotation.shape == frame.shape:
            return True
        (rows, columns), (old_rows, old_columns) = frame.shape, annotation.shape
        self._why_only_shown = (
            f"{name} is {columns} x {rows} pixels, but what was drawn on it belongs to {old_columns} x {old_rows}: the "
            "file was replaced and is only shown."
        )
        self.message.emit(self._why_only_shown, "")
        return False

    def _look_if_replaced(self, study: Study) -> None:
        """Warn where what was drawn before belongs to another file than is shown; a file is looked at once."""
        session, key = self._opened_session(), study.key
        if key in session.replaced:
            self._warn_of_replaced(key, study.source.relative)
        elif self._book.statuses_of(key):

            def done(is_replaced: bool) -> None:
                if self._session is session:
                    session.replaced[key] = is_replaced
                    self._warn_of_replaced(key, study.source.relative)

            self.lane_hash.submit(lambda: session.is_replaced(key), done=done, key="replaced")

    def _warn_of_replaced(self, source_key: str, name: str) -> None:
        if self._opened_session().replaced[source_key] and self.source is not None and self.source.key == source_key:
            self.message.emit(
                f"{name} is no longer the file that was annotated: see whether what is drawn belongs to this picture.",
                "Its size or its content changed. An export of the same picture anew is harmless; where it is another "
                "picture, remove what is drawn.",
            )

    def _on_load_failed(self, source_key: str, error: Exception) -> None:
        session = self._opened_session()
        reason = str(error) if isinstance(error, UsassistError) else f"{type(error).__name__}: {error}"
        if source_key not in session.studies:
            session.failures[source_key] = reason
            self.source_state_changed.emit(source_key)
        self.selection_changed.emit("")
        self.frame_failed.emit(source_key, reason)

    def _prefetch(self, study: Study, ref: FrameRef) -> None:
        session = self._opened_session()
        stays = study.is_cine and ref.index + 1 < len(study.frames)
        target = (self._source_index, ref.index + 1) if stays else (self._source_index + 1, 0)
        if target[0] < len(session.sources):
            self.lane_io.submit(
                lambda: session.library.frame(session.locate(*target)[1]),
                done=self._on_prefetched,
                failed=lambda _error: None,  # whoever goes there is told
                key="prefetch",
            )
