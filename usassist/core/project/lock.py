"""One window at a time writes one reader's work."""

import logging
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from usassist.core.domain import Project
from usassist.core.errors import ProjectError
from usassist.core.project import atomic, layout
from usassist.core.project.fields import Fields, Malformed, dump_json, parse_json
from usassist.core.project.journal import utc_now

_LOG = logging.getLogger(__name__)
_MAX_OWNER_BYTES = 4096


@dataclass(frozen=True, slots=True)
class LockOwner:
    """Who holds a reader's lock: the computer's name, the process and since when (ISO 8601, UTC)."""

    host: str
    pid: int
    since: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since[:16].replace('T', ' ')} UTC"


class ReaderLock:
    """The right to write one reader's annotations, drafts and journal; a context manager.

    The operating system holds the lock and lets go of it when the process ends, however it ends: a crashed window
    never locks a reader out. The owner file only names the holder in the message to the second window.
    """

    def __init__(self, project: Project, reader_id: str) -> None:
        import filelock  # not with the window: it is first needed when something is opened

        self._reader_id = layout.check_reader_id(reader_id)
        self._path = layout.reader_lock_file(project.root, reader_id)
        self._owner_file = layout.owner_file(project.root, reader_id)
        self._written = (
            layout.annotations_folder(project.root, reader_id),
            layout.recovery_folder(project.root, reader_id),
        )
        # A lock taken on one thread is given back on another when a window closes.
        self._lock = filelock.FileLock(self._path, timeout=0, thread_local=False)

    @property
    def is_held(self) -> bool:
        """Return whether this object holds the lock."""
        return self._lock.is_locked

    def acquire(self) -> None:
        """Take the lock, or raise ProjectError that names who holds it; holding it already changes nothing."""
        import filelock

        if self.is_held:
            return
        atomic.make_folder(self._path.parent)
        try:
            self._lock.acquire()
        except filelock.Timeout as fault:
            raise ProjectError(self._refusal()) from fault
        except OSError as fault:
            raise ProjectError(atomic.explain(fault, self._path)) from fault
        try:
            self._write_owner()
        except BaseException:
            self._lock.release()
            raise
        # Nobody else writes these folders now, so what is unfinished in them was left by a process that was killed.
        for folder in self._written:
            atomic.remove_leftovers(folder)

    def release(self) -> None:
        """Give the lock back; not holding it is no error."""
        if not self.is_held:
            return
        try:
            atomic.remove(self._owner_file)
        except ProjectError as fault:
            _LOG.warning("%s", fault)
        finally:
            self._lock.release()

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _write_owner(self) -> None:
        owner = {"host": socket.gethostname(), "pid": os.getpid(), "since": utc_now()}
        atomic.write_bytes(self._owner_file, dump_json(owner), durable=False)

    def _refusal(self) -> str:
        owner = read_owner(self._owner_file)
        if owner is None:
            holder = "another window"
        elif (owner.host, owner.pid) == (socket.gethostname(), os.getpid()):
            holder = f"this program ({owner})"
        else:
            holder = f"another window ({owner})"
        return (
            f"The work of {self._reader_id!r} is already open in {holder}. Close it there, or work under another "
            "reader name (Settings)."
        )


def read_owner(path: Path) -> LockOwner | None:
    """Return the holder an owner file names, None where it names none."""
    try:
        fields = Fields(parse_json(layout.read_bounded(path, most=_MAX_OWNER_BYTES)), "the owner")
        return LockOwner(fields.text("host", most=300), fields.integer("pid"), fields.text("since"))
    except (FileNotFoundError, ProjectError, Malformed):
        return None
