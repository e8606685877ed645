"""The half of the document that keeps work safe: saving, recovery drafts, the journal, the dirty flag."""

import logging
import time
from collections.abc import Sequence
from pathlib import PurePath

from PySide6.QtCore import QObject

from usassist.core.domain import Annotation, Prompt, Proposal, Reader
from usassist.core.errors import ProjectError, UsassistError
from usassist.gui.document import provenance
from usassist.gui.document.book import source_key_of
from usassist.gui.document.saving import SAVE_TIMEOUT_S, Saver
from usassist.gui.document.state import DocumentState

_log = logging.getLogger(__name__)
NO_PROPOSAL = "The engine gave no proposal"


class DocumentKeeping(DocumentState):
    """Saves frames when they are left, on request and at the end; failures are told once and tried again."""

    def __init__(self, parent: QObject | None, *, reader: Reader | None) -> None:
        super().__init__(parent, reader=reader)
        self._accepted: dict[str, Proposal] = {}
        self._rejected: dict[str, list[Proposal]] = {}
        self._seconds: dict[str, float] = {}
        self._saving: dict[str, Annotation] = {}
        self._doubtful: dict[str, tuple[Annotation, ...]] = {}
        self._reasons: dict[str, str] = {}
        self._unanswered: dict[str, Annotation] = {}
        self._recovered: dict[str, Annotation] = {}
        self._being_asked: set[str] = set()
        self._without: dict[str, Prompt] = {}
        self._warnings: dict[str, dict[str, str]] = {}
        self._shown_at = 0.0
        self._was_dirty = False
        self._last_message = ("", "")

    @property
    def is_dirty(self) -> bool:
        """Return whether a frame or the labels differ from what is on disk, or a frame is being written."""
        labels_failed = self._saver is not None and self._saver.labels_failed
        return super().is_dirty or bool(self._saving) or labels_failed

    def save(self) -> None:
        """Queue every unsaved frame for writing; `annotation_saved` follows for each, `dirty_changed` at the end."""
        self._tell_anew()
        self._retry_labels()
        for frame_key in self._book.dirty_keys():
            self._save_frame(frame_key)

    def flush(self, *, timeout: float = SAVE_TIMEOUT_S) -> None:
        """Save and wait until it is on disk, or until a disk that hangs has had its time, `timeout` seconds."""
        self.save()
        is_written = self.lane_save.drain(timeout=timeout)
        if is_written and self._saving:  # undone while they were being written, or gone from the disk: saved again
            self.lane_save.drain(timeout=timeout)

    def _retry_labels(self) -> None:
        # One that waits stays before the frames that need it: a newer one would take its place behind them.
        if self._saver is not None and self._saver.labels_failed and not self.lane_save.is_pending("labels"):
            self._saver.write_labels(self.labels, answered=self._update_dirty)

    def _save_frame(self, frame_key: str) -> None:
        self._retry_labels()  # before the frame: what it says may have a label that project.json does not know yet
        after, before, saver = self._book.get(frame_key), self._book.saved(frame_key), self._saver
        if after is None or before is None or saver is None or self._saving.get(frame_key) is after:
            return
        self._saving[frame_key] = after
        seconds, rejected = self._count_seconds(frame_key), self._rejected.pop(frame_key, [])
        self._seconds[frame_key] = 0.0
        recovered = self._recovered.pop(frame_key, None)
        events = provenance.events_of_save(
            recovered or before, after, accepted=self._accepted, rejected=rejected, seconds=seconds
        )
        if recovered is not None:
            events.insert(0, provenance.event(recovered, "recovered"))

        def done(written: Annotation) -> None:
            if self._saver is saver:  # else it was closed meanwhile, and what is open now knows nothing of this save
                self._on_saved(written)

        def failed(error: Exception) -> None:
            if self._saver is not saver:
                _log.error("%s was closed and could not be saved.", frame_key, exc_info=error)
                return
            if self._saving.get(frame_key) is after:  # else a newer version is on its way to the disk
                del self._saving[frame_key]
            self._seconds[frame_key] = self._seconds.get(frame_key, 0.0) + seconds
            self._rejected[frame_key] = rejected + self._rejected.get(frame_key, [])
            if recovered is not None:
                self._recovered[frame_key] = recovered
            self._reasons[frame_key] = str(error) or type(error).__name__
            self._doubt(after)
            self._complain(self._unsaved(frame_key), error)

        saver.save(
            after,
            events=events,
            source=self._source_of(frame_key),
            # What a frame has on disk that was not shown since the crash, or whose save failed, is not known here.
            keeps_draft=frame_key in self._unanswered,
            write=recovered is not None or frame_key in self._doubtful or _says_something(after, before),
            done=done,
            failed=failed,
        )

    def _unsaved(self, frame_key: str) -> str:
        source, index = self._source_of(frame_key), int(frame_key.rpartition("_")[2])
        name = frame_key if source is None else PurePath(source.relative).name
        return f"{name}{f', frame {index + 1}' if index else ''} is not saved, and is tried again"

    def _doubt(self, unsaved: Annotation) -> None:
        """Take no version of a frame for saved: what failed may have replaced the file, before its journal was written.

        Else an undo would seem to lead back to what is on disk, and what was undone would be there at the next start.
        """
        frame_key = unsaved.frame_key
        tried = self._doubtful.get(frame_key, ())
        self._doubtful[frame_key] = tried if unsaved in tried else (*tried, unsaved)
        current, was_undone = self._book.get(frame_key), not self._book.is_dirty(frame_key)
        self._book.doubt(frame_key)
        if was_undone and current is not None and self._saver is not None:
            self._saver.draft(current, source=None)  # it was removed with the undo
        self._update_dirty()

    def _on_saved(self, annotation: Annotation) -> None:
        frame_key = annotation.frame_key
        self._tell_anew(self._unsaved(frame_key))
        if self._saving.get(frame_key) is annotation:
            del self._saving[frame_key]
        self._doubtful.pop(frame_key, None)
        self._reasons.pop(frame_key, None)
        if self._book.mark_saved(annotation):
            self._save_frame(frame_key)  # at once: the undo removed its draft
        self._update_dirty()
        self.annotation_saved.emit(frame_key)

    def _on_remade(self, saver: Saver) -> None:
        """Write all work that is in memory once more: the project's folder was removed, or a part of it."""
        if self._saver is not saver or self._session is None:
            return  # what it is about was closed meanwhile
        self.message.emit(
            "Somebody removed the project's project.json, or its folder. It is there again, with the frames that this "
            "window still had in memory; what else was in it may be gone.",
            str(self.project.root),
        )
        try:
            self._session.lock_anew()
        except ProjectError as error:
            self._complain("Another window has taken this work over", error)
            return
        saver.write_labels(self.labels, answered=self._update_dirty)
        for frame_key in self._book.known_keys():
            self._book.doubt(frame_key)
            self._save_frame(frame_key)
        for draft in self._unanswered.values():
            saver.draft(draft, source=None)  # it may be gone with the folder
        self._update_dirty()

    def _on_clean(self, frame_key: str, clean: bool) -> None:
        annotation = self._book.get(frame_key)
        if clean and self._saver is not None and annotation is not None and frame_key not in self._unanswered:
            self._saver.discard_draft(annotation)
        self._update_dirty()

    def _update_dirty(self) -> None:
        if self.is_dirty != self._was_dirty:
            self._was_dirty = not self._was_dirty
            self.dirty_changed.emit(self._was_dirty)

    def _count_seconds(self, frame_key: str) -> float:
        now = time.monotonic()
        if self._frame is not None and self._frame.ref.key == frame_key:
            self._seconds[frame_key] = self._seconds.get(frame_key, 0.0) + now - self._shown_at
            self._shown_at = now
        return self._seconds.get(frame_key, 0.0)

    def _forget_work(self) -> None:
        self._book.clear()
        for memory in (self._accepted, self._rejected, self._seconds, self._saving, self._without):
            memory.clear()
        self._doubtful.clear()
        self._reasons.clear()
        self._unanswered.clear()
        self._recovered.clear()
        self._being_asked.clear()
        self._warnings.clear()
        self._update_dirty()

    def restore_drafts(self, drafts: Sequence[Annotation]) -> None:
        """Take what a crash left behind as the frames' annotations, and save it; what no longer waits is left alone."""
        for draft in self._answered(drafts):
            self._recovered[draft.frame_key] = draft
            self._book.restore(draft)
            self._save_frame(draft.frame_key)
            self._proposing.put(draft.frame_key, ())  # what the engine found meanwhile would be accepted on top of it
            self.source_state_changed.emit(source_key_of(draft.frame_key))
            if self._frame is not None and self._frame.ref.key == draft.frame_key:
                self._annotation_fits = draft.shape == self._frame.shape
                self._proposing.cancel()
                self.select_region(None)
                self.annotation_changed.emit(draft.frame_key)
                self.proposals_changed.emit(draft.frame_key)

    def discard_drafts(self, drafts: Sequence[Annotation]) -> None:
        """Remove what a crash left behind; the frames stay as they were last saved."""
        for draft in self._answered(drafts):
            if self._saver is not None:
                self._saver.discard_draft(draft)

    def postpone_drafts(self, drafts: Sequence[Annotation]) -> None:
        """Keep drafts for later: `recovery_found` asks again when such a frame is shown, before it can be edited."""
        self._being_asked.difference_update(draft.frame_key for draft in drafts)

    def _offer_drafts(self, drafts: Sequence[Annotation]) -> None:
        """Ask about what a crash left behind; until it is answered its frames cannot be edited."""
        self._unanswered.update({draft.frame_key: draft for draft in drafts})
        self._being_asked.update(draft.frame_key for draft in drafts)
        if drafts:
            self.recovery_found.emit(list(drafts))

    def _offer_draft(self, frame_key: str) -> bool:
        """Ask about a frame's draft unless that is being done; return whether there is one."""
        draft = self._unanswered.get(frame_key)
        if draft is not None and frame_key not in self._being_asked:
            self._offer_drafts([draft])
        return draft is not None

    def _answered(self, drafts: Sequence[Annotation]) -> list[Annotation]:
        """Return the drafts that wait for an answer, and wait no longer: one may come after another was opened."""
        known = [draft for draft in drafts if self._unanswered.get(draft.frame_key) == draft]
        for draft in known:
            del self._unanswered[draft.frame_key]
            self._being_asked.discard(draft.frame_key)
        return known

    def select_region(self, region_id: str | None) -> None:
        """Select a region of the frame on screen, or none."""
        annotation = self.annotation
        known = region_id is not None and annotation is not None and annotation.region(region_id) is not None
        chosen = region_id if known else None
        if chosen != self._region_id:
            self._region_id = chosen
            self.selection_changed.emit(chosen or "")

    def _complain(self, what: str, error: Exception) -> None:
        """Tell the person once: the same failure of the next frame is no news, unless `_tell_anew` was called."""
        detail = str(error) if isinstance(error, UsassistError) else f"{type(error).__name__}: {error}"
        if not isinstance(error, UsassistError):
            _log.error("%s.", what, exc_info=error)
        if (what, detail) != self._last_message:
            self._last_message = (what, detail)
            self.message.emit(f"{what}: {detail.splitlines()[0] if detail else 'no reason given'}", detail)

    def _tell_anew(self, what: str = "") -> None:
        """Tell the next failure whatever it is: a person asks for something, or `what` failed before and went well."""
        if what in ("", self._last_message[0]):
            self._last_message = ("", "")


def _says_something(*annotations: Annotation) -> bool:
    return any(each != Annotation(each.frame_key, each.reader_id, each.shape) for each in annotations)
