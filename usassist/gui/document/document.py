"""The document: what is open, what is shown, what is being said about it. Views listen, commands change."""

import logging
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QObject

from usassist.core.domain import Reader
from usassist.core.errors import ProjectError, UsassistError
from usassist.core.models.config import Precision
from usassist.core.proposers import DEFAULT_ENGINE, BuildOptions
from usassist.gui.document import opening
from usassist.gui.document.book import AnnotationBook
from usassist.gui.document.keeping import NO_PROPOSAL
from usassist.gui.document.proposing import Proposing, StartEngine, start_remote
from usassist.gui.document.saving import Saver
from usassist.gui.document.session import Session
from usassist.gui.document.showing import DocumentShowing

_log = logging.getLogger(__name__)
ANSWER_S = 5.0
"""How long the window waits for the disk before something else is opened: refusing loses nothing."""
HASH_TIMEOUT_S = 30.0
"""How long a window that is hidden already waits for the hash of a file that was just annotated."""


class Document(DocumentShowing):
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
        self._proposing = Proposing(
            self.lane_inference,
            start_engine=start_engine,
            on_arrived=self._on_proposals,
            on_failed=lambda error: self._complain(NO_PROPOSAL, error),
            on_state=self._on_engine_state,
        )
        self._proposing.choose(engine, BuildOptions(model=model, device=device, precision=precision))

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
        self._saver = Saver(
            self.lane_save,
            hash_lane=self.lane_hash,
            project=session.project,
            on_failed=self._complain,
            on_remade=self._on_remade,
            has_work=bool(opened.statuses),
        )
        touched = self._book.touched_sources()
        self._saver.catch_up(source for source in self.sources if source.key in touched)
        self._label_id = self.labels[0].id
        self.busy_changed.emit("")
        self.opened.emit()
        self.labels_changed.emit()
        self.active_label_changed.emit(self._label_id)
        files = "One file" if len(self.sources) == 1 else f"{len(self.sources)} files"
        self.message.emit(f"{files}. The work of {session.reader.name} is kept in {session.project.root}.", "")
        if opened.is_remade:
            self.message.emit(
                f"{session.project.root} had lost its project.json, which was made anew from the work in it: names and "
                "colours of labels are as in a new project, and whether pictures were exchanged is not known.",
                "",
            )
        if opened.faults:
            count = len(opened.faults)
            which = "A recovery draft" if count == 1 else f"{count} recovery drafts"
            self.message.emit(f"{which} cannot be restored: {opened.faults[0]}", "\n".join(opened.faults))
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
        self.finish_tools()
        self.flush(timeout=ANSWER_S)
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
