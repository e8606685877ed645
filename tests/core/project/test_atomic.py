"""Whatever fails while a file is written, the old one is intact and nothing is left beside it."""

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from usassist.core.errors import ExchangeError, ProjectError
from usassist.core.project import atomic


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fail(code: int) -> Callable[..., Any]:
    def failing(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    return failing


def test_writes_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "ä 文.json"
    atomic.write_bytes(path, b"old")
    atomic.write_bytes(path, b"new" * 100_000)
    assert path.read_bytes() == b"new" * 100_000
    assert names(tmp_path) == [path.name]


@pytest.mark.parametrize("call", ["open", "write", "fsync", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_a_fault_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail(code))
        with pytest.raises(ProjectError, match=r"a\.json was not written"):
            atomic.write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.json"]


def test_a_disk_that_fills_up_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    real_write = os.write
    left = 10

    def filling(handle: int, data: bytes) -> int:
        nonlocal left
        if left == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = real_write(handle, bytes(data)[:left])
        left -= written
        return written

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", filling)
        with pytest.raises(ProjectError, match="The disk is full"):
            atomic.write_bytes(path, b"n" * 100)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.json"]


def test_a_slow_disk_that_takes_a_few_bytes_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_write = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real_write(handle, bytes(data)[:3]))
    atomic.write_bytes(tmp_path / "a", b"0123456789")
    assert (tmp_path / "a").read_bytes() == b"0123456789"


def test_an_interrupt_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            atomic.write_bytes(tmp_path / "a", b"new")
    assert names(tmp_path) == []


def test_the_content_reaches_the_disk_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(handle: int) -> None:
        order.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        real_fsync(handle)

    def replace(source: Any, target: Any) -> None:
        order.append("replace")
        real_replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    atomic.write_bytes(tmp_path / "a", b"new")
    assert order == ["file", "replace"] + (["folder"] if os.name != "nt" else [])


def test_a_folder_that_cannot_be_flushed_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_fsync = os.fsync
    calls = 0

    def fsync(handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        real_fsync(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    atomic.write_bytes(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


def test_errors_are_those_of_the_room_that_writes(tmp_path: Path) -> None:
    with pytest.raises(ExchangeError, match="was not written"):
        atomic.write_bytes(tmp_path / "no folder" / "a", b"new", error=ExchangeError)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ExchangeError, match="was not written"):
        atomic.make_folder(tmp_path / "file" / "below", error=ExchangeError)


def test_replacing_takes_what_another_library_wrote(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    with atomic.replacing(path, suffix=".nii.gz") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.endswith(".nii.gz")
        temporary.write_bytes(b"image")
    assert path.read_bytes() == b"image"
    with pytest.raises(ZeroDivisionError), atomic.replacing(path) as temporary:
        temporary.write_bytes(b"half")
        raise ZeroDivisionError
    with pytest.raises(ProjectError), atomic.replacing(path):
        pass  # the library wrote nothing
    assert path.read_bytes() == b"image"
    assert names(tmp_path) == [path.name]


def test_remove_and_leftovers(tmp_path: Path) -> None:
    atomic.remove(tmp_path / "missing")
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / ".usassist-0123.tmp").write_bytes(b"half")
    (tmp_path / ".hidden").write_bytes(b"someone's")
    atomic.remove(tmp_path / "a")
    atomic.remove_leftovers(tmp_path)
    atomic.remove_leftovers(tmp_path / "missing")
    assert names(tmp_path) == [".hidden"]
