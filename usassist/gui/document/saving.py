"""Writing annotations, recovery drafts and the journal, in order, on a lane of its own.

It is not the lane that decodes: a draft must be on disk some milliseconds after the stroke, whatever is being read.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from usassist.core.domain import Annotation, Label, Project, Source
from usassist.core.errors import ProjectError
from usassist.core.project import journal, layout, recovery, store
from usassist.gui.jobs import Lane

STROKE_GRACE_S = 0.5
"""How long a stroke waits for the draft of the stroke before it, so that a crash costs the last stroke only.

A person never waits: strokes are further apart than a write, unless the disk takes longer than this."""

SAVE_TIMEOUT_S = 30.0
_DRAFT_STAYS = "The recovery draft could not be removed"
_log = logging.getLogger(__name__)


class Saver:
    """Queues writes for one reader of one project; callbacks run on the GUI thread."""

    def __init__(
        self,
        lane: Lane,
        *,
        hash_lane: Lane,
        project: Project,
        on_failed: Callable[[str, Exception], None],
        on_remade: Callable[["Saver"], None],
        has_work: bool = False,
    ) -> None:
        """`on_remade` is called when the project, or the folder of the reader's annotations, was gone and is written
        anew: other work may be gone with it. `has_work` says that the reader has annotations on disk.
        """
        self._lane = lane
        self._hash_lane = hash_lane
        self._project = project
        self._on_failed = on_failed
        self._on_remade = on_remade
        self._has_work = has_work
        self._is_remade = False
        self.labels_failed = False
        """Whether the labels of project.json are older than those in use, because they could not be written."""
        self._asked: set[str] = set()
        self._found: deque[Source] = deque()
        self._overdue: deque[Source] = deque()

    def draft(self, annotation: Annotation, *, source: Source | None) -> None:
        """Write a recovery draft; of several that wait for one frame, the latest wins.

        The source is identified from the first draft on, so that its hash is known before the first save.
        """
        key = f"draft:{annotation.frame_key}"
        self._lane.wait_for(key, timeout=STROKE_GRACE_S)
        self._lane.submit(
            lambda: recovery.save_draft(self._project, annotation),
            failed=lambda error: self._on_failed("The recovery draft could not be written", error),
            key=key,
        )
        if source is not None:
            self.identify(source)

    def discard_draft(self, annotation: Annotation) -> None:
        """Remove a frame's draft: what it holds is on disk."""
        self._lane.submit(
            lambda: recovery.discard_draft(
                self._project, reader_id=annotation.reader_id, frame_key=annotation.frame_key
            ),
            failed=lambda error: self._on_failed(_DRAFT_STAYS, error),
            key=f"draft:{annotation.frame_key}",
        )

    def save(
        self,
        annotation: Annotation,
        *,
        events: Sequence[journal.JournalEvent],
        source: Source | None,
        write: bool,
        keeps_draft: bool = False,
        done: Callable[[Annotation], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """Write an annotation, then its journal lines, then remove its draft; `done` gets the annotation.

        `write` is False where the annotation says nothing and there is no file of it: the journal is all there is. A
        draft that cannot be removed is told and no failure: it says what is saved, so nobody is asked about it.
        `keeps_draft` is for a draft from before that nobody has answered.
        """

        def work() -> ProjectError | None:
            self._ensure_project(annotation.reader_id)
            if write:
                store.save_annotation(self._project, annotation)
                self._has_work = True
            for event in events:
                journal.append(self._project, event)
            try:
                if not keeps_draft:
                    recovery.discard_draft(
                        self._project, reader_id=annotation.reader_id, frame_key=annotation.frame_key
                    )
            except ProjectError as error:
                return error
            return None

        def written(left: ProjectError | None) -> None:
            if left is not None:
                self._on_failed(_DRAFT_STAYS, left)
            done(annotation)
            self._tell_remade()

        def went_wrong(error: Exception) -> None:
            failed(error)
            self._tell_remade()

        self._lane.submit(work, done=written, failed=went_wrong)
        if write and source is not None:
            self.identify(source)

    def log(self, events: Sequence[journal.JournalEvent]) -> None:
        """Append journal lines that belong to no save."""

        def work() -> None:
            for event in events:
                journal.append(self._project, event)

        if events:
            self._lane.submit(work, failed=lambda error: self._on_failed("The journal could not be written", error))

    def write_labels(self, labels: tuple[Label, ...], *, answered: Callable[[], None]) -> None:
        """Write other labels into project.json, whatever else changed in it meanwhile.

        `answered` is called when `labels_failed` says how it went.
        """

        def work() -> None:
            self._ensure_project()
            store.save_project(replace(store.open_project(self._project.root), labels=labels))

        def done(_nothing: object) -> None:
            self.labels_failed = False
            answered()
            self._tell_remade()

        def failed(error: Exception) -> None:
            self.labels_failed = True
            self._on_failed("The labels could not be written; that is tried again with the next save", error)
            answered()
            self._tell_remade()

        self._project = replace(self._project, labels=labels)  # what is written anew where project.json is gone
        self._lane.submit(work, done=done, failed=failed, key="labels")

    def _ensure_project(self, reader_id: str = "") -> None:
        """Write the project anew where it is gone, or where this reader's work is; runs on the lane.

        Another window may have written it anew already, without what this one knows.
        """
        folder = layout.annotations_folder(self._project.root, reader_id) if reader_id and self._has_work else None
        if store.ensure_project(self._project):
            self._is_remade = True
        elif folder is not None and not folder.is_dir():
            store.save_project(self._project)
            self._is_remade = True

    def _tell_remade(self) -> None:
        # Kept until it is told: the job that found out may fail, or be superseded by a newer one.
        if self._is_remade:
            self._is_remade = False
            self._asked.clear()  # the hashes since the opening were in what is gone
            self._on_remade(self)

    def drop_labels(self, labels: Sequence[Label]) -> None:
        """Remove labels that nothing has any more from project.json."""
        self._lane.submit(
            lambda: store.drop_labels(self._project, labels),
            failed=lambda error: self._on_failed("The labels could not be written", error),
        )

    def identify(self, source: Source, *, quiet: bool = False) -> None:
        """Write a source's SHA-256 into project.json as soon as it is known, once; `quiet` only logs a failure.

        It is computed on a lane of its own: a cine of a gigabyte must hold up neither a draft nor a save.
        """
        if source.sha256 is not None or source.key in self._asked:
            return
        self._asked.add(source.key)

        def work() -> Source:
            from usassist.core.io.open_study import hash_source

            return replace(source, sha256=hash_source(source))

        def done(hashed: Source) -> None:
            self._found.append(hashed)
            self._lane.submit(self._write_found, failed=self._on_unwritten, key="hashes")
            self._next_overdue()

        def failed(error: Exception) -> None:
            self._asked.discard(source.key)  # the next save tries again
            if quiet:
                _log.info("%s could not be hashed: %s", source.relative, error)
            else:
                self._on_failed(f"{source.relative} could not be hashed", error)
            self._next_overdue()

        self._hash_lane.submit(work, done=done, failed=failed)

    def catch_up(self, sources: Iterable[Source]) -> None:
        """Identify annotated sources whose window ended too early for it, one after the other."""
        self._overdue.extend(source for source in sources if source.sha256 is None)
        self._next_overdue()

    def _next_overdue(self) -> None:
        if self._overdue:
            self.identify(self._overdue.popleft(), quiet=True)

    def _write_found(self) -> None:
        """Write what was found so far; runs on the lane that writes, while more may be found."""
        found = [self._found.popleft() for _ in range(len(self._found))]
        if not found:
            return
        try:
            store.register_sources(store.open_project(self._project.root), found)
        except ProjectError:
            self._found.extend(found)  # the next write takes them along
            raise

    def _on_unwritten(self, error: Exception) -> None:
        self._on_failed("The project could not be written", error)

    def finish(self) -> bool:
        """Wait until everything queued is written; return False if the disk did not answer.

        A hash that is being computed follows by itself while its lane lives: project.json has a lock of its own.
        """
        self._overdue.clear()
        return self._lane.drain(timeout=SAVE_TIMEOUT_S)
