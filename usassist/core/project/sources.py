"""Which file a key means: the rules by which a project recognises its images, kept apart from reading and writing."""

import hashlib
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from usassist.core.domain import Project, Source, SourceEntry
from usassist.core.errors import ProjectError
from usassist.core.project import layout
from usassist.core.project.schema import is_inside


def keyed_sources(project: Project, sources: Sequence[Source]) -> tuple[Source, ...]:
    """Return the sources with the keys (and hashes) the project knows them by; unknown ones keep their own.

    A key outlives a renamed file, so what `io` derives from the present path may differ: annotations are found under
    the keys this function returns, never under others.
    """
    known = {entry.relative: entry for entry in project.sources}
    return tuple(_keyed(source, known.get(source.relative)) for source in sources)


def _keyed(source: Source, entry: SourceEntry | None) -> Source:
    if entry is None:
        return source
    sha256 = source.sha256 or (entry.sha256 if entry.size == source.size else None)
    if (entry.key, sha256) == (source.key, source.sha256):
        return source
    return replace(source, key=entry.key, sha256=sha256)


def changed_sources(project: Project, sources: Sequence[Source]) -> tuple[SourceEntry, ...]:
    """Return the entries whose file is no longer the one that was annotated: another size, or another SHA-256."""
    known = {entry.relative: entry for entry in project.sources}
    pairs = ((known[source.relative], source) for source in sources if source.relative in known)
    return tuple(entry for entry, source in pairs if _differs(entry, source))


def missing_sources(project: Project) -> tuple[SourceEntry, ...]:
    """Return the entries that have no file under the project's images root."""
    return tuple(entry for entry in project.sources if not (project.images_root / entry.relative).is_file())


def is_replaced(project: Project, entry: SourceEntry) -> bool:
    """Return whether an entry's file is there and is another one than was annotated: another size, or SHA-256.

    Reads the whole file where the SHA-256 is known. One that is missing or cannot be read is not replaced: that is told
    where it is read.
    """
    path = project.images_root / entry.relative
    try:
        if path.stat().st_size != entry.size:
            return True
        return entry.sha256 is not None and _sha256(path) != entry.sha256
    except OSError:
        return False


def with_sources(
    project: Project, sources: Sequence[Source], *, is_annotated: Callable[[str], bool]
) -> tuple[SourceEntry, ...]:
    """Return the project's entries with the sources merged in.

    The same relative path keeps its key; a file that moved is recognised by its SHA-256 where that is known and its
    old place is empty; a new file whose key is taken gets another key. Size and hash of a file that changed are
    updated only while nothing `is_annotated` under its key: the entry keeps saying which picture the masks belong to.
    """
    _check_given(project, sources)
    entries = {entry.key: entry for entry in project.sources}
    places = {entry.relative: entry.key for entry in project.sources}
    by_hash = {entry.sha256: entry.key for entry in project.sources if entry.sha256}
    given = {source.relative for source in sources}
    for source in sources:
        key = places.get(source.relative)
        if key is not None:
            entries[key] = _refreshed(entries[key], source, is_annotated)
            continue
        moved = entries.get(by_hash.get(source.sha256, "")) if source.sha256 else None
        if moved is not None and moved.relative not in given and not (project.images_root / moved.relative).is_file():
            entries[moved.key] = replace(moved, relative=source.relative)
            places[source.relative] = moved.key
            del places[moved.relative]
            continue
        key = _free_key(layout.check_key(source.key), entries)
        entries[key] = SourceEntry(key, source.relative, source.size, source.sha256)
        places[source.relative] = key
    return tuple(entries.values())


def relinked(project: Project, new_root: Path) -> Project:
    """Return the project with its images under `new_root`; raises ProjectError where none of them is there.

    An entry is found at its relative path if the file there has its size and, where known, its SHA-256: another
    file of the same name never gets its masks. What is not found so is searched for by SHA-256 in the whole folder.
    What is not found at all keeps its entry and is reported by `missing_sources`.
    """
    root = new_root.resolve()
    if not root.is_dir():
        raise ProjectError(f"{root} is no folder. Choose the folder that holds the project's images now.")
    found = {entry.key: entry for entry in project.sources if _is_the_file(root / entry.relative, entry)}
    lost = [entry for entry in project.sources if entry.key not in found]
    places = {found_entry.relative for found_entry in found.values()}
    for entry, relative in _search(root, [entry for entry in lost if entry.sha256], skip=places):
        found[entry.key] = replace(entry, relative=relative)
    if project.sources and not found:
        raise ProjectError(
            f"None of the project's {len(project.sources)} images is in {root}. Choose the folder that holds them now."
        )
    # An entry that was not found must not claim a path at which another entry was.
    claimed = {entry.relative for entry in found.values()}
    entries = tuple(
        found.get(entry.key)
        or (entry if entry.relative not in claimed else replace(entry, relative=f"missing/{entry.key}"))
        for entry in project.sources
    )
    return replace(project, images_root=root, sources=entries)


def _check_given(project: Project, sources: Sequence[Source]) -> None:
    """Raise ProjectError where two different files would be taken for one, or a file lies outside."""
    known = {entry.relative for entry in project.sources}
    paths: dict[str, Path] = {}
    for source in sources:
        if not is_inside(source.relative):
            raise ProjectError(
                f"The source path {source.relative!r} leaves the images folder; open its folder instead."
            )
        other = paths.setdefault(source.relative, source.path)
        if other == source.path and source.relative in known:
            here = project.images_root / source.relative
            other = here if _are_two_files(source.path, here) else other
        if other is not source.path and _are_two_files(other, source.path):
            raise ProjectError(
                f"{other} and {source.path} are two files of one name ({source.relative}); masks of one could reach "
                "the other. Open the folder above both, or make a project for each folder."
            )


def _are_two_files(one: Path, other: Path) -> bool:
    if one == other:
        return False
    try:
        return not one.samefile(other)
    except OSError:  # one of them is not there (any more): the project's images moved
        return False


def _refreshed(entry: SourceEntry, source: Source, is_annotated: Callable[[str], bool]) -> SourceEntry:
    if not _differs(entry, source):
        return entry if entry.sha256 or not source.sha256 else replace(entry, sha256=source.sha256)
    if is_annotated(entry.key):
        return entry
    return replace(entry, size=source.size, sha256=source.sha256)


def _differs(entry: SourceEntry, source: Source) -> bool:
    return entry.size != source.size or bool(entry.sha256 and source.sha256 and entry.sha256 != source.sha256)


def _free_key(key: str, taken: Collection[str]) -> str:
    if key not in taken:
        return key
    candidates = (key if n == 1 else f"{key[:110]}-{n}" for n in range(1, len(taken) + 2))
    return next(candidate for candidate in candidates if candidate not in taken)


def _is_the_file(path: Path, entry: SourceEntry) -> bool:
    try:
        return (
            path.is_file()
            and path.stat().st_size == entry.size
            and (entry.sha256 is None or _sha256(path) == entry.sha256)
        )
    except OSError:
        return False


def _search(root: Path, lost: list[SourceEntry], *, skip: set[str]) -> Iterator[tuple[SourceEntry, str]]:
    wanted: dict[int, list[SourceEntry]] = {}
    for entry in lost:
        wanted.setdefault(entry.size, []).append(entry)
    for folder, _, names in os.walk(root) if wanted else ():
        for name in sorted(names):
            path = Path(folder) / name
            relative = path.relative_to(root).as_posix()
            same_size = wanted.get(path.stat().st_size if path.is_file() else -1)
            if not same_size or relative in skip:
                continue
            sha256 = _sha256(path)
            match = next((entry for entry in same_size if entry.sha256 == sha256), None)
            if match is not None:
                same_size.remove(match)
                yield match, relative


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
