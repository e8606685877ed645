"""One opened project: its sources, their studies and failures, and how far the work is."""

from dataclasses import replace

from usassist.core.domain import Annotation, FrameRef, Label, Study
from usassist.core.project import store
from usassist.core.project.lock import ReaderLock
from usassist.core.project.sources import is_replaced
from usassist.gui.document.book import AnnotationBook
from usassist.gui.document.opening import Opened


class Session:
    """What belongs to one opened project and goes away with it.

    The reader's lock is taken here, on the GUI thread, because a lock belongs to the thread that took it. Raises
    ProjectError where another window writes this reader's work.
    """

    def __init__(self, opened: Opened) -> None:
        self.project = opened.project
        self.reader = opened.reader
        self.library = opened.library
        self.sources = opened.sources
        self.studies: dict[str, Study] = {}
        self.failures: dict[str, str] = {}
        self.replaced: dict[str, bool] = {}
        """Source key -> whether its file is another one than was annotated, of those that were looked at."""
        self._index = {source.key: number for number, source in enumerate(opened.sources)}
        self._lock = ReaderLock(opened.project, opened.reader.id)
        self._lock.acquire()

    def index_of(self, source_key: str) -> int | None:
        """Return the position of a source in the list, None for a key that is not in it."""
        return self._index.get(source_key)

    def is_replaced(self, source_key: str) -> bool:
        """Look whether a source's file is another one than was annotated; reads all of it, so call it on a lane."""
        entry = next((entry for entry in self.project.sources if entry.key == source_key), None)
        return entry is not None and is_replaced(self.project, entry)

    def locate(self, source_index: int, frame_index: int) -> tuple[Study, FrameRef]:
        """Return the study and the frame's reference, the index kept within; opens the file, so call it on a lane."""
        study = self.library.study(self.sources[source_index].key)
        return study, study.frames[max(0, min(frame_index, len(study.frames) - 1))]

    def stored(self, frame_key: str, shape: tuple[int, int]) -> Annotation:
        """Return the annotation on disk, or an untouched one of this shape; reads a file, so call it on a lane."""
        found = store.load_annotation(self.project, reader_id=self.reader.id, frame_key=frame_key)
        return found if found is not None else Annotation(frame_key, self.reader.id, shape)

    def set_labels(self, labels: tuple[Label, ...]) -> None:
        """Use other labels from now on; writing them is the saver's."""
        self.project = replace(self.project, labels=labels)

    def counts(self, book: AnnotationBook) -> tuple[int, int]:
        """Return (annotated, total) of the frames that need work: stills, and cine frames somebody touched.

        A cine in which nobody touched a frame counts as one: it may need it, and is not done.
        """
        touched = book.touched_sources()
        statuses = [status for key in touched for status in book.statuses_of(key).values()]
        done = sum(status in ("accepted", "unusable") for status in statuses)
        aside = touched | self.failures.keys()
        return done, len(self.sources) - len(aside) + len(statuses)

    def lock_anew(self) -> None:
        """Take the reader's lock again, whose file went with the folder; raises ProjectError where another has it."""
        self._lock.release()
        self._lock.acquire()

    def release(self) -> None:
        """Give the lock back and close the files."""
        self.library.close()
        self._lock.release()
