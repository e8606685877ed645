"""Drafts of unsaved work: what is found here when a project is opened was not saved before the program ended."""

import logging
from collections.abc import Callable
from pathlib import Path

from usassist.core.domain import Annotation, Project
from usassist.core.errors import ProjectError
from usassist.core.project import atomic, layout, store
from usassist.core.project.migrate import NewerSchemaError

_LOG = logging.getLogger(__name__)


def save_draft(project: Project, annotation: Annotation) -> None:
    """Write a frame's unsaved state, atomically and flushed to the disk; raises ProjectError as `save_annotation`."""
    data = store.encoded(annotation)
    path = layout.draft_file(project.root, reader_id=annotation.reader_id, frame_key=annotation.frame_key)
    atomic.make_folder(path.parent)
    atomic.write_bytes(path, data)


def drafts(
    project: Project, reader_id: str, *, on_fault: Callable[[ProjectError], None] = lambda _fault: None
) -> list[Annotation]:
    """Return a reader's drafts in the order of their frame keys, without those that equal what is saved.

    A draft that cannot be read is logged and told `on_fault`, so that it stops nobody from opening the project, and so
    is one of a frame that a newer usassist saved: it could not be saved over that, and waits for the newer program.
    Nothing is removed here: another window may hold the reader's lock and be writing these drafts now. Raises
    ProjectError where the folder of the drafts cannot be listed.
    """
    found: list[Annotation] = []
    for path in _files(layout.recovery_folder(project.root, reader_id)):
        frame_key = path.stem
        try:
            draft = store.read_annotation(path, reader_id=reader_id, frame_key=layout.check_key(frame_key))
            if draft is not None and draft != _saved(project, draft):
                found.append(draft)
        except ProjectError as fault:
            _LOG.warning("A draft cannot be restored. %s", fault)
            on_fault(fault)
    return found


def discard_draft(project: Project, *, reader_id: str, frame_key: str) -> None:
    """Remove a frame's draft, once it is saved or not wanted; one that is not there is no error."""
    atomic.remove(layout.draft_file(project.root, reader_id=reader_id, frame_key=frame_key))


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == ".json")
    except FileNotFoundError:
        return []
    except OSError as fault:
        raise ProjectError(
            f"{folder} cannot be listed: {fault.strerror or fault}. Check the disk and the rights."
        ) from fault


def _saved(project: Project, draft: Annotation) -> Annotation | None:
    try:
        return store.load_annotation(project, reader_id=draft.reader_id, frame_key=draft.frame_key)
    except NewerSchemaError:
        raise
    except ProjectError:  # the saved file is damaged: all the more reason to offer the draft
        return None
