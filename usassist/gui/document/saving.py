"""Writing annotations, recovery drafts and the journal, in order, on a lane of its own.

It is not the lane that decodes: a draft must be on disk some milliseconds after the stroke, whatever is being read.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from usassist.core.domain import Annotation, Label, Project, Source
from usassist.core.project import journal, recovery, store
from usassist.gui.jobs import Lane

STROKE_GRACE_S = 0.5
"""How long a stroke waits for the draft of the stroke before it, so that a crash costs the last stroke only.

A person never waits: strokes are further apart than a write, unless the disk takes longer than this."""

HASHES_AT_ONCE = 16
HASH_TIMEOUT_S, SAVE_TIMEOUT_S = 3.0, 30.0


class Saver:
    """Queues writes for one reader of one project; callbacks run on the GUI thread."""

    def __init__(
        self, lane: Lane, *, hash_lane: Lane, project: Project, on_failed: Callable[[str, Exception], None]
    ) -> None:
        self._lane = lane
        self._hash_lane = hash_lane
        self._project = project
        self._on_failed = on_failed
        self._hashed: set[str] = set()
        self._hashes: dict[str, Source] = {}

    def draft(self, annotation: Annotation) -> None:
        """Write a recovery draft; of several that wait for one frame, the latest wins."""
        key = f"draft:{annotation.frame_key}"
        self._lane.wait_for(key, timeout=STROKE_GRACE_S)
        self._lane.submit(
            lambda: recovery.save_draft(self._project, annotation),
            failed=lambda error: self._on_failed("The recovery draft could not be written", error),
            key=key,
        )

    def discard_draft(self, annotation: Annotation) -> None:
        """Remove a frame's draft: what it holds is on disk."""
        self._lane.submit(
            lambda: recovery.discard_draft(
                self._project, reader_id=annotation.reader_id, frame_key=annotation.frame_key
            ),
            failed=lambda error: self._on_failed("The recovery draft could not be removed", error),
            key=f"draft:{annotation.frame_key}",
        )

    def save(
        self,
        annotation: Annotation,
        *,
        events: Sequence[journal.JournalEvent],
        source: Source | None,
        write: bool,
        done: Callable[[Annotation], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """Write an annotation, then its journal lines, then remove its draft; `done` gets the annotation.

        `write` is False where the annotation says nothing and there is no file of it: the journal is all there is.
        """

        def work() -> Annotation:
            if write:
                store.save_annotation(self._project, annotation)
            for event in events:
                journal.append(self._project, event)
            recovery.discard_draft(self._project, reader_id=annotation.reader_id, frame_key=annotation.frame_key)
            return annotation

        self._lane.submit(work, done=done, failed=failed)
        if write and source is not None:
            self._hash(source)

    def log(self, events: Sequence[journal.JournalEvent]) -> None:
        """Append journal lines that belong to no save."""

        def work() -> None:
            for event in events:
                journal.append(self._project, event)

        if events:
            self._lane.submit(work, failed=lambda error: self._on_failed("The journal could not be written", error))

    def write_labels(self, labels: tuple[Label, ...]) -> None:
        """Write other labels into project.json, whatever else changed in it meanwhile."""
        self._lane.submit(
            lambda: store.save_project(replace(store.open_project(self._project.root), labels=labels)),
            failed=lambda error: self._on_failed("The labels could not be written", error),
            key="labels",
        )

    def _hash(self, source: Source) -> None:
        """Compute a source's SHA-256 once, on a lane of its own: a cine of a gigabyte must not hold up a draft."""
        if source.sha256 is not None or source.key in self._hashed:
            return
        self._hashed.add(source.key)

        def work() -> Source:
            from usassist.core.io.open_study import hash_source

            return replace(source, sha256=hash_source(source))

        def done(hashed: Source) -> None:
            self._hashes[hashed.key] = hashed
            if len(self._hashes) >= HASHES_AT_ONCE:
                self._write_hashes()

        self._hash_lane.submit(
            work, done=done, failed=lambda error: self._on_failed(f"{source.relative} could not be hashed", error)
        )

    def _write_hashes(self) -> None:
        found, self._hashes = list(self._hashes.values()), {}

        def work() -> None:
            if found:
                store.register_sources(store.open_project(self._project.root), found)

        self._lane.submit(work, failed=lambda error: self._on_failed("The project could not be written", error))

    def finish(self) -> bool:
        """Wait until everything queued is on disk; return False if the disk did not answer."""
        self._hash_lane.drain(timeout=HASH_TIMEOUT_S)
        self._write_hashes()
        return self._lane.drain(timeout=SAVE_TIMEOUT_S)
