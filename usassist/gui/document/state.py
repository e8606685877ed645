"""What the document knows, for every view to read; nothing here changes anything."""

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoGroup, QUndoStack

from usassist.core.domain import (
    Annotation,
    Frame,
    FrameRef,
    Label,
    Project,
    Proposal,
    Reader,
    Region,
    Source,
    Status,
    Study,
)
from usassist.core.errors import UsassistError
from usassist.core.models.config import Precision
from usassist.core.project.palette import DEFAULT_LABELS
from usassist.gui.document.book import AnnotationBook, source_key_of, status_of
from usassist.gui.document.opening import reader_of
from usassist.gui.document.proposing import EngineState, Proposing
from usassist.gui.document.saving import Saver
from usassist.gui.document.session import Session
from usassist.gui.jobs import Lane

if TYPE_CHECKING:
    from usassist.core.io.library import Library


class DocumentState(QObject):
    """The signals and the read-only half of the document.

    While a frame is being decoded `frame`, `ref` and `annotation` are None and nothing can be edited, so that an edit
    can never land on another frame than the one on screen.
    """

    opened = Signal()
    """Another project is open, or none any more."""
    open_failed = Signal(str)
    """Nothing was opened, and why."""
    frame_leaving = Signal()
    """The frame on screen is about to be left: what is begun on it can still be put into it."""
    frame_loading = Signal()
    frame_shown = Signal(object)
    frame_failed = Signal(str, str)
    source_state_changed = Signal(str)
    annotation_changed = Signal(str)
    annotation_saved = Signal(str)
    proposals_changed = Signal(str)
    clicks_changed = Signal()
    """What a person points at on the frame on screen is something else than before."""
    pointing_begun = Signal()
    """A person presses on the frame on screen to point at something: it has to stand still."""
    labels_changed = Signal()
    active_label_changed = Signal(str)
    text_dropped = Signal()
    """The text that was asked is asked no longer: a label was chosen that it is not about."""
    selection_changed = Signal(str)
    engine_changed = Signal()
    dirty_changed = Signal(bool)
    message = Signal(str, str)
    busy_changed = Signal(str)
    recovery_found = Signal(list)

    _proposing: Proposing

    def __init__(self, parent: QObject | None, *, reader: Reader | None) -> None:
        super().__init__(parent)
        self.undo_group = QUndoGroup(self)
        self.lane_io = Lane("io", self)
        self.lane_inference = Lane("inference", self)
        self.lane_save = Lane("save", self)
        self.lane_hash = Lane("hash", self)
        self._reader = reader if reader is not None else reader_of("")
        self._session: Session | None = None
        self._saver: Saver | None = None
        self._book = AnnotationBook(self.undo_group, statuses={}, on_clean=lambda _key, _clean: None)
        self._source_index = -1
        self._frame_index = 0
        self._frame: Frame | None = None
        self._annotation_fits = False
        self._why_only_shown = ""
        self._label_id = ""
        self._region_id: str | None = None

    @property
    def is_open(self) -> bool:
        """Return whether a project is open."""
        return self._session is not None

    @property
    def library(self) -> "Library":
        """Return the open files; raises UsassistError where nothing is open."""
        return self._opened_session().library

    @property
    def project(self) -> Project:
        """Return the open project; raises UsassistError where nothing is open."""
        return self._opened_session().project

    @property
    def project_root(self) -> Path | None:
        return self._session.project.root if self._session is not None else None

    @property
    def reader(self) -> Reader:
        """Return who annotates the open project, or will annotate the next one."""
        return self._session.reader if self._session is not None else self._reader

    @property
    def sources(self) -> tuple[Source, ...]:
        return self._session.sources if self._session is not None else ()

    @property
    def source_index(self) -> int:
        """Return the position of the source that is shown or being loaded, -1 where there is none."""
        return self._source_index

    @property
    def frame_index(self) -> int:
        """Return the index of the frame that is shown or being loaded."""
        return self._frame_index

    @property
    def source(self) -> Source | None:
        return self.sources[self._source_index] if 0 <= self._source_index < len(self.sources) else None

    @property
    def study(self) -> Study | None:
        """Return the study of the source, None until it was opened."""
        source = self.source
        return self._session.studies.get(source.key) if self._session is not None and source is not None else None

    @property
    def frame(self) -> Frame | None:
        """Return the frame on screen, None while another one is being loaded."""
        return self._frame

    @property
    def ref(self) -> FrameRef | None:
        return self._frame.ref if self._frame is not None else None

    @property
    def annotation(self) -> Annotation | None:
        """Return what is said about the frame on screen; None while loading, or where it belongs to another size."""
        return self._book.get(self._frame.ref.key) if self._frame is not None and self._annotation_fits else None

    @property
    def only_shown(self) -> str:
        """Return why the frame on screen can be looked at and not edited; "" where it can, and while loading."""
        return self._why_only_shown if self._frame is not None and not self._annotation_fits else ""

    @property
    def proposals(self) -> tuple[Proposal, ...]:
        """Return the proposals of the frame on screen that nobody answered, best first."""
        return self._proposing.waiting(self._frame.ref.key) if self._frame is not None else ()

    @property
    def labels(self) -> tuple[Label, ...]:
        return self._session.project.labels if self._session is not None else tuple(DEFAULT_LABELS)

    @property
    def active_label(self) -> Label:
        """Return the label that new regions get."""
        return next((label for label in self.labels if label.id == self._label_id), self.labels[0])

    @property
    def selected_region(self) -> Region | None:
        annotation = self.annotation
        return annotation.region(self._region_id) if annotation is not None and self._region_id else None

    @property
    def undo_stack(self) -> QUndoStack | None:
        """Return the undo stack of the frame on screen."""
        return self._book.stack(self._frame.ref.key) if self._frame is not None else None

    @property
    def is_dirty(self) -> bool:
        """Return whether any frame differs from what is on disk."""
        return bool(self._book.dirty_keys())

    @property
    def engine_name(self) -> str:
        return self._proposing.engine

    @property
    def engine_state(self) -> EngineState:
        return self._proposing.state

    @property
    def model_name(self) -> str:
        """Return the chosen model, "" for the engine's default."""
        return self._proposing.options.model or ""

    @property
    def device(self) -> str:
        """Return auto, cpu or cuda, as it was asked for."""
        return self._proposing.options.device

    @property
    def running_device(self) -> str:
        """Return what the engine really computes on, such as cpu or cuda:0; "" until it is loaded."""
        return self._proposing.device

    @property
    def precision(self) -> Precision:
        """Return what a ViT's large products are computed in, as it was asked for."""
        return self._proposing.options.precision

    def status_of(self, source_key: str) -> Status:
        """Return untouched, draft, accepted or unusable for a source: one draft frame makes the source a draft."""
        return status_of(self._book.statuses_of(source_key))

    def frame_statuses(self, source_key: str) -> dict[str, Status]:
        """Return frame key -> status of every frame of a source that somebody touched."""
        return dict(self._book.statuses_of(source_key))

    def failure_of(self, source_key: str) -> str | None:
        """Return why a source cannot be read, None where nothing is known against it."""
        return self._session.failures.get(source_key) if self._session is not None else None

    def counts(self) -> tuple[int, int]:
        """Return (annotated, total) of the frames that need work, see `Session.counts`."""
        return self._session.counts(self._book) if self._session is not None else (0, 0)

    def _source_of(self, frame_key: str) -> Source | None:
        """Return the source that a frame belongs to, None where it is not among those that are open."""
        index = self._opened_session().index_of(source_key_of(frame_key))
        return self.sources[index] if index is not None else None

    def _opened_session(self) -> Session:
        if self._session is None:
            raise UsassistError("Nothing is open; open a file, a folder or a project first.")
        return self._session
