"""Opening files, folders and projects: everything slow about it, free of Qt, so that a lane can do it.

The readers are imported on the way, not with the window: the first paint does not wait for them.
"""

import hashlib
import os
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from usassist.core.domain import Annotation, Project, Reader, Source, Status
from usassist.core.errors import ProjectError, ReadError
from usassist.core.paths import user_home
from usassist.core.project import recovery, remaking, store
from usassist.core.project.layout import PROJECT_FILE
from usassist.core.project.sources import keyed_sources

if TYPE_CHECKING:
    from usassist.core.io.library import Library


@dataclass(frozen=True)
class Opened:
    """What opening found: nothing in it is locked yet, and `library` has no file open."""

    project: Project
    reader: Reader
    library: "Library"
    sources: tuple[Source, ...]
    statuses: dict[str, Status]
    drafts: tuple[Annotation, ...]
    faults: tuple[str, ...]
    """Why drafts that a crash left behind cannot be restored."""
    is_remade: bool = False
    """Whether project.json was gone and was made anew from the work beside it."""


def project_folder(images_root: Path) -> Path:
    """Return where the project of a folder that has none lives: in the user's folder, never in the images' own."""
    absolute = images_root.resolve()
    slug = re.sub(r"[^a-z0-9]+", "-", absolute.name.lower()).strip("-")[:40] or "images"
    return user_home() / "projects" / f"{slug}-{_digest(str(absolute))}"


def reader_of(name: str) -> Reader:
    """Return the reader with this name; the id is safe as a folder name, and another one for another name.

    Accents are dropped; where letters would be lost (a name in another script) a hash keeps two people apart.
    """
    clean = name.strip() or "reader"
    plain = "".join(char for char in unicodedata.normalize("NFKD", clean) if not unicodedata.combining(char)).lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40]
    if not slug or any(char.isalnum() and not char.isascii() for char in plain):
        slug = f"{slug or 'reader'}-{_digest(clean)}"
    return Reader(slug, clean)


def _digest(text: str) -> str:
    return hashlib.sha1(text.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()[:8]


def open_session(paths: Sequence[Path], *, project_dir: Path | None, reader: Reader) -> Opened:
    """Find the sources under `paths` and open or make their project.

    `paths` is one project, or any files and folders. Raises ReadError where there is nothing to show and ProjectError
    where the project cannot be opened.
    """
    if not paths:
        raise ReadError("Nothing was named to open; name a file, a folder or a project.")
    existing = [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100  resolve() would follow links into a store
    for path in existing:
        if not path.exists():
            raise ReadError(f"{path} does not exist; check the name, or whether its disk is connected.")
    if len(existing) == 1:
        # A project is its folder; people also double-click or drop the file in it.
        root = existing[0].parent if existing[0].name == PROJECT_FILE else existing[0]
        if store.is_project(root):
            return _open_project(root, reader=reader)
    return _open_images(existing, project_dir=project_dir, reader=reader)


def _open_project(root: Path, *, reader: Reader) -> Opened:
    project = _enrolled(store.open_project(root), reader=reader)
    sources = tuple(
        Source(entry.key, project.images_root / entry.relative, entry.relative, entry.size, sha256=entry.sha256)
        for entry in project.sources
    )
    if not sources:
        raise ProjectError(f"The project {root} lists no images; open the folder that holds them instead.")
    return _opened(project, reader=reader, sources=sources)


def _open_images(paths: list[Path], *, project_dir: Path | None, reader: Reader) -> Opened:
    from usassist.core.io.open_study import find_sources

    root = images_root_of(paths)
    found = find_sources(paths if len(paths) > 1 else paths[0])
    if not found:
        named = paths[0] if len(paths) == 1 else f"the {len(paths)} places that were named"
        raise ReadError(f"There is no image in {named}; expected DICOM, PNG, JPEG, TIFF, BMP or NIfTI files.")
    folder = project_dir if project_dir is not None else project_folder(root)
    project = store.open_project(folder) if store.is_project(folder) else None
    images_root = project.images_root if project is not None else root.resolve()
    sources = [_under(source, images_root) for source in found] if images_root != root else found
    is_lost = project is None and project_dir is None and remaking.has_lost_its_project(folder)
    if is_lost:  # only in the folder that is these images' own: nobody else's work is there
        project = remaking.remake_project(folder, images_root=images_root, readers=(reader,), sources=sources)
    elif project is None:
        project = store.create_project(folder, images_root=images_root, readers=(reader,), sources=sources)
    else:
        project = _enrolled(project, reader=reader, sources=sources)
    opened = _opened(project, reader=reader, sources=keyed_sources(project, sources))
    return replace(opened, is_remade=is_lost)


def _enrolled(project: Project, *, reader: Reader, sources: Sequence[Source] = ()) -> Project:
    """Return the project with the reader and the sources in it; one that has them is not written again."""
    known = {entry.relative: entry.size for entry in project.sources}
    if reader in project.readers and all(known.get(source.relative) == source.size for source in sources):
        return project
    return store.enrol(project, readers=(reader,), sources=sources)


def _opened(project: Project, *, reader: Reader, sources: tuple[Source, ...]) -> Opened:
    from usassist.core.io.library import Library

    return Opened(project, reader, Library(sources), sources, *_work_of(project, reader))


def read_again(opened: Opened) -> Opened:
    """Return what was opened with the labels, statuses and drafts that are on disk now; raises ProjectError."""
    project = store.open_project(opened.project.root)
    statuses, drafts, faults = _work_of(project, opened.reader)
    return replace(opened, project=project, statuses=statuses, drafts=drafts, faults=faults)


def _work_of(project: Project, reader: Reader) -> tuple[dict[str, Status], tuple[Annotation, ...], tuple[str, ...]]:
    """Return the statuses, the drafts and what is wrong with other drafts of a reader, as they are on disk now."""
    faults: list[str] = []
    statuses = store.annotated_keys(project, reader.id)
    drafts = recovery.drafts(project, reader.id, on_fault=lambda fault: faults.append(str(fault)))
    return statuses, tuple(drafts), tuple(faults)


def images_root_of(paths: Sequence[Path]) -> Path:
    """Return the folder that sources are named relative to: the one opened folder, else what all paths share."""
    folders = [path if path.is_dir() else path.parent for path in paths]
    return Path(os.path.commonpath([str(folder) for folder in folders]))


def _under(source: Source, root: Path) -> Source:
    """Name a source relative to the images root of a project that was made for more, or for a linked folder."""
    from usassist.core.io.open_study import source_key

    try:
        relative = source.path.resolve().relative_to(root).as_posix()
    except ValueError as error:
        raise ProjectError(f"{source.path} is not under {root}, where this project's images are.") from error
    return source if relative == source.relative else replace(source, relative=relative, key=source_key(relative))
