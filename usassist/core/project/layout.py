"""Where a project keeps what, and which names may become files."""

import re
from pathlib import Path

from usassist.core.errors import ProjectError

_READER_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_FRAME_KEY = re.compile(r"[a-z0-9_-]{1,128}")
# Windows refuses these as file names, with any suffix.
_RESERVED = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))})

PROJECT_FILE = "project.json"
WORK_FOLDERS = ("annotations", "journal", "recovery")
"""Folders of a project that hold somebody's work; what else it has, locks and an index, is made anew."""


def is_reader_id(reader_id: str) -> bool:
    """Return whether the id of a reader is safe as a folder name on every system."""
    return bool(_READER_ID.fullmatch(reader_id)) and reader_id not in _RESERVED


def check_reader_id(reader_id: str) -> str:
    """Return the id of a reader if it is safe as a folder name on every system, else raise ProjectError."""
    if not is_reader_id(reader_id):
        raise ProjectError(
            f"A reader's id is 1 to 64 of a-z, 0-9, '_' and '-' and no reserved name; found {reader_id[:80]!r}. "
            "Choose another id."
        )
    return reader_id


def is_key(key: str) -> bool:
    """Return whether a frame's or a source's key is safe as a file name on every system."""
    return bool(_FRAME_KEY.fullmatch(key)) and key not in _RESERVED


def check_key(key: str) -> str:
    """Return the key of a frame or a source if it is safe as a file name, else raise ProjectError."""
    if not is_key(key):
        raise ProjectError(f"A key is 1 to 128 of a-z, 0-9, '_' and '-' and no reserved name; found {key[:140]!r}.")
    return key


def project_file(root: Path) -> Path:
    """Return the file of the project's facts."""
    return root / PROJECT_FILE


def annotations_folder(root: Path, reader_id: str) -> Path:
    """Return the folder of one reader's annotations, one file a frame."""
    return root / "annotations" / check_reader_id(reader_id)


def annotation_file(root: Path, *, reader_id: str, frame_key: str) -> Path:
    """Return the file of what one reader said about one frame."""
    return annotations_folder(root, reader_id) / f"{check_key(frame_key)}.json"


def recovery_folder(root: Path, reader_id: str) -> Path:
    """Return the folder of one reader's unsaved drafts."""
    return root / "recovery" / check_reader_id(reader_id)


def draft_file(root: Path, *, reader_id: str, frame_key: str) -> Path:
    """Return the file of one reader's unsaved draft of one frame."""
    return recovery_folder(root, reader_id) / f"{check_key(frame_key)}.json"


def journal_file(root: Path, reader_id: str) -> Path:
    """Return the append-only file of what one reader did."""
    return root / "journal" / f"{check_reader_id(reader_id)}.jsonl"


def index_file(root: Path, reader_id: str) -> Path:
    """Return the file that remembers the statuses of one reader's annotations; it may vanish at any time."""
    return root / "index" / f"{check_reader_id(reader_id)}.json"


def reader_lock_file(root: Path, reader_id: str) -> Path:
    """Return the file whose lock says that a window writes this reader's work."""
    return root / "locks" / f"reader-{check_reader_id(reader_id)}.lock"


def owner_file(root: Path, reader_id: str) -> Path:
    """Return the file that names the holder of the reader's lock."""
    return root / "locks" / f"reader-{check_reader_id(reader_id)}.json"


def project_lock_file(root: Path) -> Path:
    """Return the file whose lock is held for the moment in which project.json is changed."""
    return root / "locks" / "project.lock"


def read_bounded(path: Path, *, most: int) -> bytes:
    """Return the bytes of a file of at most `most` bytes; raises ProjectError, FileNotFoundError where none is."""
    try:
        with path.open("rb") as stream:
            data = stream.read(most + 1)
    except FileNotFoundError:
        raise
    except OSError as fault:
        raise ProjectError(
            f"{path} cannot be read: {fault.strerror or fault}. Check the disk and the rights."
        ) from fault
    if len(data) > most:
        raise ProjectError(f"{path} is larger than {most:,} bytes; this is no file of usassist. Move it away.")
    return data
