"""Finding the files of a study: folders in depth, natural order, and as few opened files as possible."""

import hashlib
import logging
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from operator import attrgetter
from pathlib import Path

from usassist.core.domain.frame import Source
from usassist.core.errors import ReadError
from usassist.core.io.dicom_head import looks_like_dicom
from usassist.core.io.natural import natural_key

_log = logging.getLogger(__name__)

KNOWN_SUFFIXES = frozenset(
    {
        *(".png", ".jpg", ".jpeg", ".jpe", ".tif", ".tiff", ".bmp", ".dib"),
        *(".dcm", ".dicom", ".dic", ".ima"),
        *(".nii", ".nii.gz", ".nrrd", ".mha"),
    }
)
"""Files with these suffixes are listed without being opened; what is wrong with them shows when they are opened."""

# Never images; without this list a project's or a data set's thousands of records would each be opened to sniff.
_NEVER = frozenset(
    {
        *(".csv", ".tsv", ".txt", ".md", ".json", ".jsonl", ".xml", ".html", ".htm", ".yaml", ".yml", ".toml", ".ini"),
        *(".cfg", ".log", ".lock", ".tmp", ".bak", ".pdf", ".doc", ".docx", ".xls", ".xlsx", ".ppt", ".pptx", ".db"),
        *(".py", ".ipynb", ".m", ".r", ".sh", ".bat", ".exe", ".dll", ".so", ".zip", ".gz", ".tar", ".7z", ".rar"),
        *(".mp4", ".avi", ".mov", ".mkv", ".wav", ".mp3", ".pt", ".pth", ".onnx", ".safetensors", ".npz", ".npy"),
    }
)
_SKIPPED_FOLDERS = frozenset({"__MACOSX", "__pycache__"})
_NOT_IN_SLUG = re.compile(r"[^a-z0-9_-]+")
_PROJECT_FILE = "project.json"
_SLUG_LENGTH = 40
_KEY_DIGITS = 8


def source_key(relative: str) -> str:
    """Return the project's id of a file: a slug of its stem, a dash and 8 hex digits of its relative path's SHA-1.

    `relative` is a posix path. The key holds only a-z, 0-9, "_" and "-", and is the same on every system: names are
    hashed in Unicode's composed form, because macOS hands out decomposed ones.
    """
    name = relative.rpartition("/")[2]
    return _key(relative, name, suffix=_suffix(name), digits=_KEY_DIGITS)


def _key(relative: str, name: str, *, suffix: str, digits: int) -> str:
    # Called for each of 10,000 files while somebody waits; the usual ASCII name skips Unicode's tables.
    plain = stem = name[: -len(suffix)] if suffix else name
    composed = relative
    if not relative.isascii():
        plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
        composed = unicodedata.normalize("NFC", relative)
    slug = _NOT_IN_SLUG.sub("-", plain.lower()).strip("-")[:_SLUG_LENGTH].strip("-") or "source"
    # SHA-1 here names files and protects nothing.
    digest = hashlib.sha1(composed.encode("utf-8", "surrogatepass"), usedforsecurity=False)
    return f"{slug}-{digest.hexdigest()[:digits]}"


def _suffix(name: str) -> str:
    """Return the lower-case suffix with its dot, ".nii.gz" as one, "" where there is none."""
    dot = name.rfind(".")
    suffix = name[dot:].lower() if dot > 0 else ""
    return ".nii.gz" if suffix == ".gz" and name.lower().endswith(".nii.gz") else suffix


def find_sources(paths: Path | Sequence[Path]) -> list[Source]:
    """Return the files to annotate under one or several files and folders, in natural order.

    A folder is searched in depth; `relative` is relative to it, or to the deepest common folder of several paths.
    Files with a known suffix are not opened; others are listed where they begin like DICOM. Left out are hidden
    files and folders, DICOMDIR indexes, folders inside that are projects, and the masks beside a folder of images
    (`masks` or `x_masks` beside `images`, `x_masks` beside `x_images`). A file named on its own is always listed, even
    if it turns out not to be readable. Raises ReadError where a path does not exist or a folder may not be listed.
    """
    given = [paths] if isinstance(paths, Path) else list(paths)
    absolute = [Path(os.path.abspath(path)) for path in given]  # noqa: PTH100  (resolve() would follow links)
    base = _common_folder(absolute)
    found: dict[str, Source] = {}
    for path in absolute:
        for place, source in _walk(path, base):
            found.setdefault(place, source)
    # Most names are numbered with leading zeros: sorted as text first, comparing natural keys has little left to do.
    as_text = sorted(found.values(), key=attrgetter("relative"))
    return _with_unique_keys(sorted(as_text, key=lambda source: natural_key(source.relative)))


def _with_unique_keys(sources: list[Source]) -> list[Source]:
    counts = Counter(source.key for source in sources)
    if len(counts) == len(sources):
        return sources
    # Eight digits collide once in a few hundred folders of 10,000 files of one name; those few get the whole hash.
    return [_with_whole_hash(source) if counts[source.key] > 1 else source for source in sources]


def _with_whole_hash(source: Source) -> Source:
    name = source.relative.rpartition("/")[2]
    return replace(source, key=_key(source.relative, name, suffix=_suffix(name), digits=40))


def _common_folder(paths: Sequence[Path]) -> str:
    folders = [str(path if path.is_dir() else path.parent) for path in paths]
    try:
        return os.path.commonpath(folders) if folders else ""
    except ValueError:  # different drives on Windows have nothing in common
        return ""


def _relative(path: str, base: str) -> str:
    inside = path[len(base) :] if base and path.startswith(base) else path
    return inside.replace(os.sep, "/").replace(":", "").lstrip("/")


def _walk(path: Path, base: str) -> Iterator[tuple[str, Source]]:
    """Yield the sources at a path, each with its path as text; the same file may come twice."""
    try:
        if not path.is_dir():
            relative, info = _relative(str(path), base), path.stat()
            yield str(path), Source(source_key(relative), path, relative, info.st_size, info.st_mtime_ns)
            return
        entries = _entries(str(path))
    except FileNotFoundError as error:
        raise ReadError(f"There is no file or folder {path}; check the path.") from error
    except OSError as error:
        raise ReadError(f"{path} may not be read: {error.strerror}. Check its permissions.") from error
    info = path.stat()
    yield from _files(path, entries, prefix=_prefix(str(path), base), seen={(info.st_dev, info.st_ino)})


def _prefix(folder: str, base: str) -> str:
    relative = _relative(folder, base)
    return f"{relative}/" if relative else ""


def _entries(folder: str) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as scan:
        return list(scan)


def _files(
    folder: Path, entries: list[os.DirEntry[str]], *, prefix: str, seen: set[tuple[int, int]]
) -> Iterator[tuple[str, Source]]:
    pending = [(folder, entries, prefix)]
    while pending:
        here, entries, at = pending.pop()
        folders: list[os.DirEntry[str]] = []
        for entry in entries:
            name = entry.name
            if name.startswith("."):
                continue
            try:
                if entry.is_dir():
                    folders.append(entry)
                    continue
                suffix = _suffix(name)
                if entry.is_file() and (suffix in KNOWN_SUFFIXES or _begins_like_dicom(entry, suffix)):
                    relative, info = at + name, entry.stat()
                    key = _key(relative, name, suffix=suffix, digits=_KEY_DIGITS)
                    # Joining takes two thirds of the time of Path(entry.path).
                    yield entry.path, Source(key, here / name, relative, info.st_size, info.st_mtime_ns)
            except OSError as error:  # a broken link, or a file that went away while we looked
                _log.info("skipped %s: %s", entry.path, error)
        for deeper in _searchable(folders):
            inside = _inside(deeper, seen)
            if inside is not None:
                pending.append((here / deeper.name, inside, f"{at}{deeper.name}/"))


def _searchable(folders: list[os.DirEntry[str]]) -> list[os.DirEntry[str]]:
    names = {entry.name for entry in folders}
    return [
        entry
        for entry in folders
        if entry.name not in _SKIPPED_FOLDERS
        and not (entry.name.endswith("masks") and {entry.name.removesuffix("masks") + "images", "images"} & names)
    ]


def _inside(folder: os.DirEntry[str], seen: set[tuple[int, int]]) -> list[os.DirEntry[str]] | None:
    """Return what a folder inside the search holds; None for a project, a folder seen before or one that is closed."""
    try:
        info = Path(folder.path).stat()
        if (info.st_dev, info.st_ino) in seen:  # a link back to a folder above would never end
            return None
        seen.add((info.st_dev, info.st_ino))
        entries = _entries(folder.path)
    except OSError as error:
        _log.warning("skipped the folder %s: %s", folder.path, error)
        return None
    return None if any(entry.name == _PROJECT_FILE for entry in entries) else entries


def _begins_like_dicom(entry: os.DirEntry[str], suffix: str) -> bool:
    if suffix in _NEVER or entry.name.upper() == "DICOMDIR":
        return False
    with Path(entry.path).open("rb", buffering=0) as file:
        return looks_like_dicom(file.read(132))


def hash_source(source: Source) -> str:
    """Return the SHA-256 of the file's bytes as 64 hex digits; raises ReadError."""
    try:
        with source.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ReadError(f"{source.relative} cannot be read to be hashed: {error.strerror}.") from error
