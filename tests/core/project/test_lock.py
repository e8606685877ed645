"""One window a reader; a window that died locks nobody out."""

import errno
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from usassist.core.domain import Project
from usassist.core.errors import ProjectError
from usassist.core.project import atomic, layout, store
from usassist.core.project.lock import ReaderLock, read_owner

HOLDER = """
import sys
from pathlib import Path
from usassist.core.project import lock, store
held = lock.ReaderLock(store.open_project(Path(sys.argv[1])), sys.argv[2])
try:
    held.acquire()
except Exception as fault:
    print(type(fault).__name__, fault, flush=True)
else:
    print("held", flush=True)
    sys.stdin.readline()
    held.release()
    print("released", flush=True)
"""


class Holder:
    """Another process that holds, or asks for, a reader's lock."""

    def __init__(self, project: Project, reader_id: str) -> None:
        arguments = [sys.executable, "-c", HOLDER, str(project.root), reader_id]
        self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline().strip()

    def end(self) -> None:
        self.process.communicate("\n", timeout=60)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate(timeout=60)


def test_the_second_window_learns_who_holds_the_first(project: Project) -> None:
    holder = Holder(project, "ann")
    try:
        assert holder.said == "held"
        with pytest.raises(ProjectError) as caught:
            ReaderLock(project, "ann").acquire()
        assert f"process {holder.process.pid} on {socket.gethostname()}" in str(caught.value)
        with ReaderLock(project, "bob"):  # another reader works beside it
            pass
    finally:
        holder.end()
    with ReaderLock(project, "ann") as mine:
        assert mine.is_held
        refused = Holder(project, "ann")
        refused.end()
        assert refused.said.startswith("ProjectError The work of 'ann' is already open in another window (process")
        assert str(os.getpid()) in refused.said


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX")
def test_the_lock_of_a_killed_window_is_taken_over(project: Project) -> None:
    holder = Holder(project, "ann")
    holder.kill()
    owner = read_owner(layout.owner_file(project.root, "ann"))
    assert owner is not None
    assert owner.pid == holder.process.pid
    folder = layout.annotations_folder(project.root, "ann")
    folder.mkdir(parents=True)
    (folder / ".usassist-00.tmp").write_bytes(b"half a file")
    with ReaderLock(project, "ann"):
        found = read_owner(layout.owner_file(project.root, "ann"))
        assert found is not None
        assert found.pid == os.getpid()
        assert list(folder.iterdir()) == []


def test_a_second_lock_in_this_program_is_refused_too(project: Project) -> None:
    first, second = ReaderLock(project, "ann"), ReaderLock(project, "ann")
    first.acquire()
    first.acquire()
    with pytest.raises(ProjectError, match=r"open in this program .* another reader name"):
        second.acquire()
    assert not second.is_held
    second.release()
    assert first.is_held
    first.release()
    first.release()
    assert not layout.owner_file(project.root, "ann").exists()
    with second:
        assert second.is_held


def test_a_lock_is_given_back_on_another_thread(project: Project) -> None:
    held = ReaderLock(project, "ann")
    held.acquire()
    thread = threading.Thread(target=held.release)
    thread.start()
    thread.join()
    with ReaderLock(project, "ann"):
        pass


def test_a_damaged_owner_file_changes_nothing(project: Project) -> None:
    with ReaderLock(project, "ann"):
        layout.owner_file(project.root, "ann").write_text("{")
        with pytest.raises(ProjectError, match="open in another window"):
            ReaderLock(project, "ann").acquire()


@pytest.mark.parametrize("step", ["make_folder", "write_bytes"])
def test_a_lock_that_cannot_be_taken_whole_is_not_held(
    project: Project, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """A full disk: the lock may not stay taken by a window that believes it has none."""

    def full(*_args: object, **_options: object) -> None:
        raise ProjectError("The disk is full.")

    held = ReaderLock(project, "ann")
    with monkeypatch.context() as patch:
        patch.setattr(atomic, step, full)
        with pytest.raises(ProjectError, match="The disk is full"):
            held.acquire()
    assert not held.is_held
    with ReaderLock(project, "ann") as another:
        assert another.is_held


def test_a_lock_in_a_folder_that_refuses_it_says_why(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    held = ReaderLock(project, "ann")

    def refuse() -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(held._lock, "acquire", refuse)
    with pytest.raises(ProjectError, match=r"Permission denied: .* read-only"):
        held.acquire()


def test_a_lock_is_given_back_also_where_its_owner_file_stays(
    project: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def stuck(*_args: object, **_options: object) -> None:
        raise ProjectError("The file is in use.")

    with monkeypatch.context() as patch:
        held = ReaderLock(project, "ann")
        held.acquire()
        patch.setattr(atomic, "remove", stuck)
        held.release()
    assert "The file is in use." in caplog.text
    with ReaderLock(project, "ann") as another:
        assert another.is_held


def test_ids_never_leave_the_folder(project: Project) -> None:
    with pytest.raises(ProjectError, match="reader's id"):
        ReaderLock(project, "../ann")


def test_two_processes_add_readers_and_lose_none(project: Project) -> None:
    adder = (
        "import sys; from pathlib import Path; from usassist.core.domain import Reader\n"
        "from usassist.core.project import store\n"
        "store._LOCK_SECONDS = 100.0  # two who never pause, on a busy machine\n"
        "p = store.open_project(Path(sys.argv[1]))\n"
        "for n in range(20): store.add_reader(p, Reader(f'{sys.argv[2]}{n}', 'x'))\n"
    )
    children = [subprocess.Popen([sys.executable, "-c", adder, str(project.root), name]) for name in ("a", "b")]
    assert [child.wait(timeout=120) for child in children] == [0, 0]
    assert len(store.open_project(Path(project.root)).readers) == 41
