"""Opening a project, and reading and writing what readers said; nothing is overwritten by less or by another's."""

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from usassist.core.domain import Annotation, Label, Project, Reader, Source, Status
from usassist.core.errors import ProjectError
from usassist.core.project import atomic, index, layout, schema
from usassist.core.project.fields import Malformed, parse_json
from usassist.core.project.merging import union
from usassist.core.project.migrate import NewerSchemaError
from usassist.core.project.palette import DEFAULT_LABELS
from usassist.core.project.sources import (
    changed_sources,
    keyed_sources,
    missing_sources,
    relinked,
    with_sources,
)

__all__ = [
    "add_reader",
    "annotated_keys",
    "changed_sources",
    "create_project",
    "drop_labels",
    "enrol",
    "ensure_project",
    "is_project",
    "keyed_sources",
    "load_annotation",
    "missing_sources",
    "open_project",
    "register_sources",
    "relink",
    "save_annotation",
    "save_project",
]

_LOG = logging.getLogger(__name__)
_LOCK_SECONDS = 10.0
_HEAD_BYTES = 256
_PROJECT_HEAD = re.compile(rb'\{\s*"schema_version":\s*[0-9]+,\s*"images_root":\s*"')


def create_project(
    root: Path,
    *,
    images_root: Path,
    labels: Sequence[Label] = DEFAULT_LABELS,
    readers: Sequence[Reader] = (),
    sources: Sequence[Source] = (),
    adopts: bool = False,
) -> Project:
    """Make a new project in `root`, a folder that is empty, missing or holds nobody's work under the project's names.

    `images_root` is the folder the images stay in; they are never copied or changed. Readers and sources may be given
    at once, which is one write instead of three. With `adopts` a folder that has lost its project.json becomes the
    project of the work in it. Raises ProjectError.
    """
    root = root.resolve()
    names = (layout.PROJECT_FILE, *(() if adopts else layout.WORK_FOLDERS))
    occupied = [name for name in names if (root / name).exists()]
    if occupied:
        raise ProjectError(
            f"{root} already holds {', '.join(occupied)}. Open it if it is a project, or choose another folder."
        )
    empty = Project(root, images_root.resolve(), tuple(labels), (), (), schema.SCHEMA_VERSION)
    project = _with(empty, readers=readers, sources=sources)
    atomic.make_folder(root)
    with _project_lock(root):
        if layout.project_file(root).exists():
            raise ProjectError(f"{root} became a project a moment ago. Open it, or choose another folder.")
        _write_project(project)
    return project


def open_project(root: Path) -> Project:
    """Return the project in `root`; its images may be missing (`missing_sources`, `relink`). Raises ProjectError."""
    root = root.resolve()
    try:
        data = layout.read_bounded(layout.project_file(root), most=schema.MAX_PROJECT_BYTES)
    except FileNotFoundError as fault:
        raise ProjectError(f"{root} is no usassist project: it has no {layout.PROJECT_FILE}.") from fault
    return schema.decode_project(data, root=root)


def is_project(path: Path) -> bool:
    """Return whether a folder is a usassist project; another program's project.json does not make it one.

    A damaged project is one still: opening it says what is wrong.
    """
    try:
        with layout.project_file(path).open("rb") as stream:
            # As this program writes it, the first lines say it all; a list of 10,000 sources need not be parsed.
            if _PROJECT_HEAD.match(stream.read(_HEAD_BYTES)):
                return True
        document = parse_json(layout.read_bounded(layout.project_file(path), most=schema.MAX_PROJECT_BYTES))
    except (OSError, ProjectError, Malformed):
        return False
    return isinstance(document, dict) and "schema_version" in document and "images_root" in document


def save_project(project: Project) -> Project:
    """Write project.json and return what it holds now.

    Labels, sources and readers that another window added meanwhile are kept. Where both know a label or a reader the
    given one wins; sources change through `register_sources` and `relink` only.
    """
    return _update(project, lambda merged: replace(merged, images_root=project.images_root))


def ensure_project(project: Project) -> bool:
    """Write project.json anew where somebody removed it, or the whole folder; return whether that was so."""
    if layout.project_file(project.root).exists():
        return False
    with _project_lock(project.root):
        if layout.project_file(project.root).exists():
            return False
        _LOG.warning("%s had no %s any more; it is written anew.", project.root, layout.PROJECT_FILE)
        _write_project(project)
    return True


def drop_labels(project: Project, labels: Sequence[Label]) -> Project:
    """Return the project without these labels, saved; the caller knows that none of its reader's regions has one.

    A label stays where it was changed meanwhile, where it is the last one, and where the project has another reader,
    who may be drawing with it in another window.
    """

    def without(merged: Project) -> Project:
        kept = tuple(label for label in merged.labels if label not in labels)
        return merged if not kept or len(merged.readers) > 1 else replace(merged, labels=kept)

    with _project_lock(project.root):
        saved = open_project(project.root)
        changed = without(saved)
        if changed != saved:
            _write_project(changed)
    return changed


def add_reader(project: Project, reader: Reader) -> Project:
    """Return the project with the reader in it, saved; a known id takes the new name and keeps its place."""
    return enrol(project, readers=(reader,))


def register_sources(project: Project, sources: Sequence[Source]) -> Project:
    """Return the project with the sources merged in by the rules of `with_sources`, saved if that changed anything.

    Use `keyed_sources` afterwards: the project's keys, not the given ones, name the annotations.
    """
    return enrol(project, sources=sources)


def enrol(project: Project, *, readers: Sequence[Reader] = (), sources: Sequence[Source] = ()) -> Project:
    """Do what `add_reader` and `register_sources` do in one write."""
    return _update(project, lambda merged: _with(merged, readers=readers, sources=sources))


def _with(project: Project, *, readers: Sequence[Reader], sources: Sequence[Source]) -> Project:
    for reader in readers:
        layout.check_reader_id(reader.id)
    given = {reader.id: reader for reader in readers}
    known = {reader.id for reader in project.readers}
    merged = (given.get(reader.id, reader) for reader in project.readers)
    new = (reader for reader in given.values() if reader.id not in known)
    entries = with_sources(project, sources, is_annotated=lambda key: _is_annotated(project, key))
    return replace(project, readers=(*merged, *new), sources=entries)


def relink(project: Project, new_root: Path) -> Project:
    """Return the project with its images found again under `new_root` (see `relinked`), saved."""
    return _update(project, lambda merged: relinked(merged, new_root))


def load_annotation(project: Project, *, reader_id: str, frame_key: str) -> Annotation | None:
    """Return what a reader said about a frame, None where nothing was saved.

    Raises ProjectError for a file that is damaged, newer than this program, or another frame's or reader's.
    """
    path = layout.annotation_file(project.root, reader_id=reader_id, frame_key=frame_key)
    return read_annotation(path, reader_id=reader_id, frame_key=frame_key)


def read_annotation(path: Path, *, reader_id: str, frame_key: str) -> Annotation | None:
    """Return the annotation in a file that must be this reader's and this frame's, None where there is no file."""
    try:
        data = layout.read_bounded(path, most=schema.MAX_ANNOTATION_BYTES)
    except FileNotFoundError:
        return None
    annotation = schema.decode_annotation(data, where=str(path))
    if (annotation.reader_id, annotation.frame_key) != (reader_id, frame_key):
        raise ProjectError(
            f"{path} holds the frame {annotation.frame_key} of reader {annotation.reader_id}, not {frame_key} of "
            f"{reader_id}: it was renamed or copied. Give it its own name back."
        )
    return annotation


def save_annotation(project: Project, annotation: Annotation) -> None:
    """Write what a reader said about a frame: all of it is on the disk when this returns, or the old file is intact.

    The bytes are decoded again and compared before they replace anything. Raises ProjectError where a mask has
    another size than the frame, where the frame was annotated at another size before (the image was replaced, or
    this is another frame's work), and where a newer usassist wrote the file. A damaged file is kept beside it.
    """
    data = encoded(annotation)
    path = layout.annotation_file(project.root, reader_id=annotation.reader_id, frame_key=annotation.frame_key)
    _guard_existing(path, annotation)
    atomic.make_folder(path.parent)
    atomic.write_bytes(path, data)


def annotated_keys(project: Project, reader_id: str) -> dict[str, Status]:
    """Return frame key -> status of every frame a reader saved, "untouched" ones included; fast for 10,000 frames."""
    return index.statuses(project.root, reader_id)


def encoded(annotation: Annotation) -> bytes:
    """Return an annotation's bytes, proven to read back as the same value; raises ProjectError where they would not."""
    layout.check_reader_id(annotation.reader_id)
    layout.check_key(annotation.frame_key)
    for region in annotation.regions:
        if region.mask.shape != annotation.shape:
            raise ProjectError(
                f"The mask of region {region.id} has {_size(region.mask.shape)} pixels, the frame "
                f"{annotation.frame_key} has {_size(annotation.shape)}: it belongs to another frame and was not saved."
            )
    where = f"The annotation of frame {annotation.frame_key}"
    try:
        data = schema.encode_annotation(annotation)
    except (TypeError, ValueError) as fault:
        raise ProjectError(f"{where} cannot be written: {fault}. The saved version is untouched.") from fault
    if len(data) > schema.MAX_ANNOTATION_BYTES:
        raise ProjectError(f"{where} needs {len(data):,} bytes, more than a file may have. Remove some regions.")
    if schema.decode_annotation(data, where=where) != annotation:
        raise ProjectError(f"{where} would not read back as it is now and was not written. Please report this.")
    return data


def _guard_existing(path: Path, annotation: Annotation) -> None:
    try:
        saved = read_annotation(path, reader_id=annotation.reader_id, frame_key=annotation.frame_key)
    except NewerSchemaError:
        raise
    except ProjectError as fault:
        _keep_aside(path, fault)
        return
    if saved is not None and saved.regions and saved.shape != annotation.shape:
        raise ProjectError(
            f"The frame {annotation.frame_key} was annotated at {_size(saved.shape)} pixels and now has "
            f"{_size(annotation.shape)}: its image was replaced. Not saved; move {path.name} away to start anew."
        )


def _keep_aside(path: Path, reason: ProjectError) -> None:
    aside = next(
        place for n in range(1, 1_000_000) if not (place := path.with_name(f"{path.stem}.damaged-{n}")).exists()
    )
    _LOG.warning("%s It is kept as %s.", reason, aside.name)
    try:
        path.replace(aside)
    except OSError as fault:
        raise ProjectError(atomic.explain(fault, path)) from fault


def _update(project: Project, change: Callable[[Project], Project]) -> Project:
    """Change what is on the disk, not what this window remembers of it, while no other window can."""
    with _project_lock(project.root):
        try:
            saved = open_project(project.root)
        except ProjectError:
            if layout.project_file(project.root).exists():
                raise
            saved = None
        changed = change(project if saved is None else union(project, saved))
        if changed != saved:
            _write_project(changed)
    return changed


def _write_project(project: Project) -> None:
    data = schema.encode_project(project)
    again = schema.decode_project(data, root=project.root)
    if (again.labels, again.sources, again.readers) != (project.labels, project.sources, project.readers):
        raise ProjectError(f"The project in {project.root} would not read back as it is and was not written.")
    atomic.write_bytes(layout.project_file(project.root), data)


@contextmanager
def _project_lock(root: Path) -> Iterator[None]:
    import filelock  # not with the window: it is first needed when something is opened

    path = layout.project_lock_file(root)
    atomic.make_folder(path.parent)
    lock = filelock.FileLock(path, timeout=_LOCK_SECONDS, thread_local=False)
    try:
        lock.acquire()
    except filelock.Timeout as fault:
        raise ProjectError(
            f"Another window has been changing {root} for {_LOCK_SECONDS:.0f} s. Retry in a moment."
        ) from fault
    except OSError as fault:
        raise ProjectError(atomic.explain(fault, path)) from fault
    try:
        yield
    finally:
        lock.release()


def _is_annotated(project: Project, source_key: str) -> bool:
    folder = project.root / "annotations"
    return any(folder.glob(f"*/{source_key}_*.json"))


def _size(shape: tuple[int, int]) -> str:
    return f"{shape[0]} x {shape[1]}"
