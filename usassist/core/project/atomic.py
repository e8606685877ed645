"""Files that are either the old version or the new one, whatever happens in between."""

import contextlib
import errno
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from usassist.core.errors import ProjectError, UsassistError

_PREFIX, _SUFFIX = ".usassist-", ".tmp"
_BINARY = getattr(os, "O_BINARY", 0)
_NO_FOLDER_FSYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EBADF})
_REPLACE_ATTEMPTS = 10


def write_bytes(path: Path, data: bytes, *, durable: bool = True, error: type[UsassistError] = ProjectError) -> None:
    """Replace the file at `path` by `data` in one step: a reader sees the old bytes or the new ones, never a part.

    The bytes go to a temporary file in the same folder, are flushed to the disk (`durable`) and take the name over;
    then the folder is flushed. The folder must exist (see `make_folder`). On failure `error` is raised, the old file
    is intact and the temporary one is removed.
    """
    temporary = _beside(path, _SUFFIX)
    with _removed_on_failure(temporary, path, error):
        _write_new(temporary, data, durable=durable)
        _replace(temporary, path)
        if durable:
            sync_folder(path.parent)


@contextlib.contextmanager
def replacing(path: Path, *, suffix: str = _SUFFIX, error: type[UsassistError] = ProjectError) -> Iterator[Path]:
    """Yield a new name in the folder of `path`; what the block writes there becomes `path` in one step.

    For libraries that insist on writing files themselves; `suffix` is what they tell formats by. An exception in the
    block, an interrupt too, leaves `path` as it was and removes the temporary file; an OSError becomes `error`.
    """
    temporary = _beside(path, suffix)
    with _removed_on_failure(temporary, path, error):
        yield temporary
        _sync_file(temporary)
        _replace(temporary, path)
        sync_folder(path.parent)


def make_folder(path: Path, *, error: type[UsassistError] = ProjectError) -> None:
    """Make the folder and its parents where they are missing, flushed to the disk; raises `error`."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        for folder in missing:
            sync_folder(folder.parent)
    except OSError as fault:
        raise error(explain(fault, path)) from fault


def remove(path: Path, *, error: type[UsassistError] = ProjectError) -> None:
    """Remove a file for good; one that is not there is no error."""
    try:
        path.unlink()
        sync_folder(path.parent)
    except FileNotFoundError:
        return
    except OSError as fault:
        raise error(explain(fault, path)) from fault


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files that a killed process left; only for a folder that nobody else writes now."""
    if not folder.is_dir():
        return
    for leftover in folder.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            leftover.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk; does nothing where folders cannot be flushed (Windows, some networks)."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as fault:
        if fault.errno not in _NO_FOLDER_FSYNC:
            raise
    finally:
        os.close(handle)


def explain(fault: OSError, path: Path) -> str:
    """Return the sentence for a user whose file could not be written, with what to do about it."""
    if fault.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full: {path} was not written. What was saved before is intact; free some space and retry."
    if fault.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        reason = fault.strerror or "read-only"
        return f"{reason}: {path} was not written. Allow writing there (it may be read-only) or choose another folder."
    return (
        f"{fault.strerror or fault}: {path} was not written. What was saved before is intact; check the disk and retry."
    )


def write_all(handle: int, data: bytes) -> None:
    """Write every byte to an open file descriptor; a disk that takes a part only is asked again until it refuses."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _beside(path: Path, suffix: str) -> Path:
    return path.parent / f"{_PREFIX}{secrets.token_hex(8)}{suffix}"


@contextlib.contextmanager
def _removed_on_failure(temporary: Path, path: Path, error: type[UsassistError]) -> Iterator[None]:
    try:
        yield
    except BaseException as fault:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(fault, OSError):
            raise error(explain(fault, path)) from fault
        raise


def _write_new(path: Path, data: bytes, *, durable: bool) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o666)
    try:
        write_all(handle, data)
        if durable:
            os.fsync(handle)
    finally:
        os.close(handle)


def _sync_file(path: Path) -> None:
    # Opened for writing because Windows flushes no other handle.
    handle = os.open(path, os.O_RDWR | _BINARY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _replace(temporary: Path, path: Path) -> None:
    # On Windows a virus scanner or an indexer may hold the old file open for a moment.
    for attempt in range(_REPLACE_ATTEMPTS):
        try:
            temporary.replace(path)
        except PermissionError:
            if os.name != "nt" or attempt == _REPLACE_ATTEMPTS - 1:
                raise
            time.sleep(0.02 * (attempt + 1))
        else:
            return
