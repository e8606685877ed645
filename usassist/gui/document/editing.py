"""The half of the document that commands use: annotations by frame, the undo stack of the frame on screen."""

from PySide6.QtGui import QUndoCommand

from usassist.core.domain import Annotation
from usassist.core.errors import UsassistError
from usassist.gui.document.book import source_key_of
from usassist.gui.document.labelling import DocumentLabelling

_NOT_NOW = "Nothing was changed: the frame is still being loaded, or cannot be edited."


class DocumentEditing(DocumentLabelling):
    """Takes commands for the frame on screen, and new versions of an annotation from commands only."""

    def annotation_of(self, frame_key: str) -> Annotation:
        """Return what is said about a frame: from memory, else from disk, else untouched (then the file is opened)."""
        known = self._book.get(frame_key)
        if known is not None:
            return known
        session = self._opened_session()
        study = session.library.study(source_key_of(frame_key))
        return session.stored(frame_key, (study.rows, study.columns))

    def may_edit(self) -> bool:
        """Return whether the frame on screen can be edited now; where not, why is said, or asked about.

        A tool asks before it begins something that takes a while to draw.
        """
        if self.annotation is None or self._frame is None:
            self.message.emit(self.only_shown or _NOT_NOW, "")
            return False
        if self._offer_draft(self._frame.ref.key):
            # The draft of an edit would take the place of the one that waits for an answer.
            self.message.emit("Nothing was changed: decide first what becomes of the unsaved work of this frame.", "")
            return False
        return True

    def push(self, command: QUndoCommand) -> None:
        """Do a command and put it on the undo stack of its frame, which must be the one on screen."""
        if self._frame is None or getattr(command, "frame_key", None) != self._frame.ref.key:
            self.message.emit(self.only_shown or _NOT_NOW, "")
        elif self.may_edit():
            if not getattr(command, "keeps_clicks", False):
                self.settle_clicks()
            self._book.stack(self._frame.ref.key).push(command)

    def replace_annotation(self, annotation: Annotation) -> None:
        """Take a new version of a frame's annotation; only commands call this.

        Raises UsassistError where the size is not the frame's.
        """
        before = self._book.get(annotation.frame_key)
        if before is None or before.shape != annotation.shape or before.reader_id != annotation.reader_id:
            raise UsassistError(f"{annotation.frame_key} cannot take an annotation of another frame, size or reader.")
        self._bring_back(annotation)  # first: a draft on disk never has a label that project.json lacks
        self._book.replace(annotation)
        if self._saver is not None:
            self._saver.draft(annotation, source=self._source_of(annotation.frame_key))
        if self._region_id is not None and annotation.region(self._region_id) is None:
            self.select_region(None)
        self.annotation_changed.emit(annotation.frame_key)
        if before.status != annotation.status:
            self.source_state_changed.emit(source_key_of(annotation.frame_key))

    def set_active_label(self, label_id: str) -> None:
        """Draw with this label and ask for it from now on; a selected region of another label is no longer selected.

        A text that asks for something else is no longer asked: the label is what the person said last.
        """
        if all(label.id != label_id for label in self.labels):
            return
        is_other, self._label_id = label_id != self.active_label.id, label_id
        if not (self._drop_other_text() or is_other):
            return
        region = self.selected_region
        if region is not None and region.label_id != label_id:
            self.select_region(None)
        self.active_label_changed.emit(label_id)
