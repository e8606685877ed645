"""The annotations of this sitting: what is in memory, what is on disk, and one undo stack a frame."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping

from PySide6.QtGui import QUndoGroup, QUndoStack

from usassist.core.domain import Annotation, Status

KEPT_FRAMES = 256
"""How many visited frames keep their undo history; unsaved frames are kept whatever their number."""
UNDO_LIMIT = 2000
_BY_WEIGHT: tuple[Status, ...] = ("draft", "accepted", "unusable")


def source_key_of(frame_key: str) -> str:
    """Return the key of the source a frame belongs to."""
    return frame_key.rpartition("_")[0]


def status_of(frames: Mapping[str, Status]) -> Status:
    """Return one status for the touched frames of a source: a draft in any frame makes the source a draft."""
    found = set(frames.values())
    return next((status for status in _BY_WEIGHT if status in found), "untouched")


class AnnotationBook:
    """Annotations by frame key, the version that is on disk beside the one in memory, and the undo stacks."""

    def __init__(
        self, group: QUndoGroup, *, statuses: dict[str, Status], on_clean: Callable[[str, bool], None]
    ) -> None:
        self._group = group
        self._on_clean = on_clean
        self._current: OrderedDict[str, Annotation] = OrderedDict()
        self._saved: dict[str, Annotation] = {}
        self._stacks: dict[str, QUndoStack] = {}
        self._statuses: dict[str, dict[str, Status]] = {}
        self._evicted_labels: set[str] = set()
        for frame_key, status in statuses.items():
            self._note_status(frame_key, status)

    def get(self, frame_key: str) -> Annotation | None:
        """Return the annotation in memory, None where the frame was not visited."""
        return self._current.get(frame_key)

    def known_keys(self) -> list[str]:
        """Return the frames in memory that somebody said something about."""
        return [key for key, known in self._current.items() if known.regions or known.status != "untouched"]

    def saved(self, frame_key: str) -> Annotation | None:
        """Return the version that is on disk, or the untouched one the frame began with."""
        return self._saved.get(frame_key)

    def adopt(self, annotation: Annotation) -> Annotation:
        """Take over what the disk says, unless memory already knows the frame; return what counts."""
        known = self._current.get(annotation.frame_key)
        if known is not None:
            self._current.move_to_end(annotation.frame_key)
            return known
        self._current[annotation.frame_key] = self._saved[annotation.frame_key] = annotation
        self._evict()
        return annotation

    def label_ids(self, *, on_disk: bool = False, writing: Iterable[Annotation] = ()) -> set[str]:
        """Return the ids of the labels that regions have: in memory, or on disk and in what is being written there."""
        known = (*self._saved.values(), *writing) if on_disk else self._current.values()
        return self._evicted_labels | {region.label_id for annotation in known for region in annotation.regions}

    def replace(self, annotation: Annotation) -> None:
        """Make this the frame's annotation in memory."""
        self._current[annotation.frame_key] = annotation
        self._note_status(annotation.frame_key, annotation.status)

    def restore(self, annotation: Annotation) -> None:
        """Take what a crash left behind: unsaved until `mark_saved`, with a new history that leads to nothing clean."""
        self.replace(annotation)
        untouched = Annotation(annotation.frame_key, annotation.reader_id, annotation.shape)
        self._saved.setdefault(annotation.frame_key, untouched)
        stack = self.stack(annotation.frame_key)
        stack.clear()
        stack.resetClean()

    def mark_saved(self, annotation: Annotation) -> bool:
        """Note that this version is on disk; the stack becomes clean if it is still the one in memory.

        Returns whether it was undone meanwhile, back to what was on disk before and is there no more.
        """
        self._saved[annotation.frame_key] = annotation
        stack = self._stacks.get(annotation.frame_key)
        if stack is None:
            return False
        if self._current.get(annotation.frame_key) is annotation:
            stack.setClean()
            return False
        was_undone = stack.isClean()
        stack.resetClean()  # also where it is not clean: the step that counted as saved leads back to what is gone
        return was_undone

    def doubt(self, frame_key: str) -> None:
        """Note that nobody knows what is on disk of a frame: until `mark_saved` no version of it is clean."""
        self.stack(frame_key).resetClean()

    def stack(self, frame_key: str) -> QUndoStack:
        """Return the frame's undo stack; it is made on the first visit."""
        stack = self._stacks.get(frame_key)
        if stack is None:
            stack = QUndoStack(self._group)
            stack.setUndoLimit(UNDO_LIMIT)
            stack.cleanChanged.connect(lambda clean, key=frame_key: self._on_clean(key, clean))
            self._stacks[frame_key] = stack
            self._group.addStack(stack)
        return stack

    def is_dirty(self, frame_key: str) -> bool:
        """Return whether the frame differs from what is on disk."""
        stack = self._stacks.get(frame_key)
        return stack is not None and not stack.isClean()

    def dirty_keys(self) -> list[str]:
        """Return the frames that differ from what is on disk."""
        return [key for key, stack in self._stacks.items() if not stack.isClean()]

    def statuses_of(self, source_key: str) -> dict[str, Status]:
        """Return the status of every frame of a source that somebody touched."""
        return self._statuses.get(source_key, {})

    def touched_sources(self) -> set[str]:
        """Return the keys of the sources that have a touched frame."""
        return set(self._statuses)

    def clear(self) -> None:
        """Forget everything; the stacks leave the group."""
        for stack in self._stacks.values():
            self._drop(stack)
        self._stacks.clear()
        self._current.clear()
        self._saved.clear()
        self._statuses.clear()
        self._evicted_labels.clear()

    def _note_status(self, frame_key: str, status: Status) -> None:
        source = source_key_of(frame_key)
        if status != "untouched":
            self._statuses.setdefault(source, {})[frame_key] = status
        elif source in self._statuses:
            self._statuses[source].pop(frame_key, None)
            if not self._statuses[source]:
                del self._statuses[source]

    def _drop(self, stack: QUndoStack) -> None:
        stack.blockSignals(True)
        self._group.removeStack(stack)
        stack.deleteLater()

    def _evict(self) -> None:
        for key in list(self._current)[: max(0, len(self._current) - KEPT_FRAMES)]:
            stack = self._stacks.get(key)
            if stack is not None and (stack is self._group.activeStack() or not stack.isClean()):
                continue
            if stack is not None:
                self._drop(self._stacks.pop(key))
            self._evicted_labels |= {region.label_id for region in self._current.pop(key).regions}
            self._saved.pop(key, None)
