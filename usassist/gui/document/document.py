"""The document: what is open, what is shown, what is being said about it. Views listen, commands change."""

import logging
import time
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QObject, QTimer

from usassist.core.domain import Annotation, Frame, FrameRef, Reader, Study
from usassist.core.errors import ProjectError, UsassistError
from usassist.core.models.config import Precision
from usassist.core.proposers import DEFAULT_ENGINE, BuildOptions
from usassist.gui.document import opening
from usassist.gui.document.book import AnnotationBook
from usassist.gui.document.editing import DocumentEditing
from usassist.gui.document.keeping import NO_PROPOSAL
from usassist.gui.document.proposing import Proposing, StartEngine, start_remote
from usassist.gui.document.saving import Saver
from usassist.gui.document.session import Session

_log = logging.getLogger(__name__)
QUICK_STEP_S = 0.12
"""Frames that follow each other faster than this are being played: the engine is asked when they stop."""
SETTLE_MS = 200
HASH_TIMEOUT_S = 30.0
"""How long a window that is hidden already waits for the hash of a file that was just annotated."""


class Document(DocumentEditing):
    """The open project and the frame on screen; signals are the only way views learn of a change.

    `start_engine(name, options)` makes the engine and runs on the inference lane; the default starts a child process.
    """

    def __init__(
        self,
        parent: QObject | None = None,
        *,
        reader: Reader | None = None,
        start_engine: StartEngine = start_remote,
        engine: str = DEFAULT_ENGINE,
        model: str | None = None,
        device: str = "auto",
        precision: Precision = "fp32",
        auto_propose: bool = True,
    ) -> None:
        super().__init__(parent, reader=reader)
        self.auto_propose = auto_propose
        self._closed = False
        self._last_shown = 0.0
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        self._settle.timeout.connect(self._propose_if_untouched)
        self._proposing = Proposing(
            self.lane_inference,
            start_engine=start_engine,
            on_arrived=self._on_proposals,
            on_failed=lambda error: self._complain(NO_PROPOSAL, error),
            on_state=self._on_engine_state,
        )
        self._proposing.choose(engine, BuildOptions(model=model, device=device, precision=precision))

    # --- opening ------------------------------------------------------------------------------------------------

    def open_paths(self, paths: Sequence[Path], *, project_dir: Path | None = None) -> None:
        """Open files, folders or one project; `opened` follows, or a message says why not."""
        named = str(paths[0]) if len(paths) == 1 else f"{len(paths)} files and folders"
        self.busy_changed.emit(f"Opening {named}")
        self.save()
        reader, wanted = self._reader, list(paths)

        def start() -> None:
            self.lane_io.submit(
                lambda: opening.open_session(wanted, project_dir=project_dir, reader=reader),
                done=self._on_opened,
                failed=self._on_open_failed,
                key="open",
            )

        # What was just saved is on disk before the project is read again.
        self.lane_save.submit(lambda: None, done=lambda _nothing: start())

    def _on_opened(self, opened: opening.Opened) -> None:
        before = self._session
        try:
            session, opened = self._session_of(opened)
        except ProjectError as error:
            opened.library.close()
            if before is not None and self._session is None:
                self.opened.emit()
            self._on_open_failed(error)
            return
        self._close_session()
        self._session = session
        self._book = AnnotationBook(self.undo_group, statuses=opened.statuses, on_clean=self._on_clean)
        self._saver = Saver(self.lane_save, hash_lane=self.lane_hash, project=session.project, on_failed=self._complain)
        touched = self._book.touched_sources()
        self._saver.catch_up(source for source in self.sources if source.key in touched)
        self._label_id = self.labels[0].id
        self.busy_changed.emit("")
        self.opened.emit()
        self.labels_changed.emit()
        self.active_label_changed.emit(self._label_id)
        files = "One file" if len(self.sources) == 1 else f"{len(self.sources)} files"
        self.message.emit(f"{files}. The work of {session.reader.name} is kept in {session.project.root}.", "")
        self.show(0)
        self._offer_drafts(opened.drafts)

    def _session_of(self, opened: opening.Opened) -> tuple[Session, opening.Opened]:
        """Return the session of what was opened, once the work that is open is saved, and what is there to open then.

        Raises ProjectError.
        """
        before = self._session
        if before is None:
            return Session(opened), opened
        if before.project.root != opened.project.root:
            session = Session(opened)  # first: where somebody else has it, no tool has let go of what it has begun
            try:
                self._secure_work()
            except ProjectError:
                session.release()
                raise
            return session, opened
        self._secure_work()
        if before.reader.id == opened.reader.id:
            self._close_session()  # it has the lock
        opened = opening.read_again(opened)  # it was read before the last of this work was written
        return Session(opened), opened

    def _secure_work(self) -> None:
        """Save what is open with what a tool has begun; raises ProjectError where that fails: memory has all of it."""
        self.leave_clicks()
        if self._frame is not None:
            self.frame_leaving.emit()
        self.flush()
        if self.is_dirty:
            unsaved = list(dict.fromkeys([*self._book.dirty_keys(), *self._saving]))
            what = f"The work on {unsaved[0]}" if unsaved else "The labels"
            more = f" and {len(unsaved) - 1} more" if len(unsaved) > 1 else ""
            reason = next((f" ({self._reasons[key]})" for key in unsaved if key in self._reasons), "")
            raise ProjectError(
                f"{what}{more} could not be saved, and would be lost{reason}. See to the disk of {self.project.root}: "
                f"to its room, its rights and whether it answers; then open again."
            )

    def set_reader(self, reader: Reader) -> None:
        """Work under another name from the next opening on."""
        self._reader = reader

    def _on_open_failed(self, error: Exception) -> None:
        self.busy_changed.emit("")
        self._complain("Nothing was opened", error)
        self.open_failed.emit(str(error) if isinstance(error, UsassistError) else f"{type(error).__name__}: {error}")

    def _close_session(self) -> None:
        session, saver = self._session, self._saver
        if session is None or saver is None:
            return
        self._leave()
        self.save()
        if not saver.finish():
            _log.error("The disk did not answer; recovery drafts of unsaved frames remain.")
        self.lane_io.cancel("show")
        self.lane_io.cancel("prefetch")
        self._proposing.forget()
        self._source_index, self._session, self._saver = -1, None, None
        self._forget_work()
        session.release()

    def close(self) -> None:
        """Save, stop the lanes and the engine, give the lock back; the document is not used afterwards."""
        if self._closed:
            return
        self._closed = True
        self._close_session()
        self._proposing.close()
        self.lane_io.close(wait=False)
        if not self.lane_hash.drain(timeout=HASH_TIMEOUT_S):
            _log.warning("A file was not hashed in time; the next window of this project does it.")
        self.lane_hash.close(wait=False)
        self.lane_save.close(wait=True)

    # --- showing ------------------------------------------------------------------------------------------------

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

    def _leave(self) -> None:
        self._settle.stop()
        self.leave_clicks()
        self._proposing.cancel()
        if self._frame is not None:
            self.frame_leaving.emit()
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

    def _take(self, stored: Annotation | ProjectError, frame: Frame, name: str) -> bool:
        """Take what is on disk; return whether it can be edited: what cannot be read, or fits no more, is kept."""
        if isinstance(stored, ProjectError):
            self._complain(f"{name} is only shown, because its annotation cannot be read", stored)
            return False
        annotation = self._book.adopt(stored)
        if annotation.shape == frame.shape:
            return True
        (rows, columns), (old_rows, old_columns) = frame.shape, annotation.shape
        self.message.emit(
            f"{name} is {columns} x {rows} pixels, but what was drawn on it belongs to {old_columns} x {old_rows}: the "
            "file was replaced and is only shown.",
            "",
        )
        return False

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
