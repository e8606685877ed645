"""Finding files: what is listed, in which order, under which key."""

import os
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usassist.core.errors import ReadError
from usassist.core.io import find
from usassist.core.io.open_study import find_sources, hash_source, source_key


def touch(root: Path, *names: str, data: bytes = b"x") -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def relatives(root: Path) -> list[str]:
    return [source.relative for source in find_sources(root)]


def test_a_folder_is_searched_in_depth_in_natural_order(tmp_path: Path) -> None:
    touch(tmp_path, "b/img10.png", "b/IMG2.jpg", "a.dcm", "c/d/e/f.tiff", "z.nii.gz", "B/one.bmp")
    found = relatives(tmp_path)
    assert found[:1] == ["a.dcm"]
    assert found[-2:] == ["c/d/e/f.tiff", "z.nii.gz"]
    assert found.index("b/IMG2.jpg") < found.index("b/img10.png")


def test_known_suffixes_are_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, *(f"{index}{suffix}" for index, suffix in enumerate(find.KNOWN_SUFFIXES)), "notes.csv", "x.JSON")
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("a file was opened"))
    assert len(find_sources(tmp_path)) == len(find.KNOWN_SUFFIXES)


def test_dicom_without_suffix_is_found_and_other_files_are_not(tmp_path: Path) -> None:
    touch(tmp_path, "IM0001", "1.2.840.1", data=bytes(128) + b"DICM" + bytes(20))
    touch(tmp_path, "README", "x.weird", "short", data=b"hello")
    assert relatives(tmp_path) == ["1.2.840.1", "IM0001"]


def test_hidden_files_projects_and_indexes_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path, ".hidden.png", ".git/a.png", "__MACOSX/b.png", "work/project.json", "work/c.png", "ok.png")
    touch(tmp_path, "DICOMDIR", data=bytes(128) + b"DICM")
    assert relatives(tmp_path) == ["ok.png"]


def test_masks_beside_images_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.png", "masks/a.png", "deep/images/b.png", "deep/masks/b.png")
    touch(tmp_path, "train_images/c.png", "train_masks/c.png", "other/masks/d.png", "labels.csv")
    touch(tmp_path, "class_masks/a.png")
    assert relatives(tmp_path) == ["deep/images/b.png", "images/a.png", "other/masks/d.png", "train_images/c.png"]


def test_the_masks_folder_itself_can_be_opened(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.png", "masks/a.png")
    assert relatives(tmp_path / "masks") == ["a.png"]


def test_a_named_file_is_listed_whatever_it_is(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt")
    (source,) = find_sources(tmp_path / "notes.txt")
    assert (source.relative, source.size) == ("notes.txt", 1)


def test_several_paths_share_their_deepest_folder_and_no_file_comes_twice(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.png", "a/2.png", "b/1.png")
    found = find_sources([tmp_path / "b", tmp_path / "a" / "1.png", tmp_path / "a"])
    assert [source.relative for source in found] == ["a/1.png", "a/2.png", "b/1.png"]
    assert len({source.key for source in found}) == 3


def test_no_paths_no_sources() -> None:
    assert find_sources([]) == []


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"no file or folder .*gone"):
        find_sources(tmp_path / "gone")


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_links_in_a_circle_and_broken_links_end(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.png")
    (tmp_path / "a" / "up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "broken.png").symlink_to(tmp_path / "nothing")
    assert relatives(tmp_path) == ["a/1.png"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX file kinds")
def test_a_pipe_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "pipe.png")
    assert find_sources(tmp_path) == []


def test_size_and_time_are_those_of_the_file(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", data=b"12345")
    (source,) = find_sources(tmp_path)
    info = (tmp_path / "a.png").stat()
    assert (source.size, source.modified_ns, source.path) == (5, info.st_mtime_ns, tmp_path / "a.png")


def test_keys_that_collide_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find, "_KEY_DIGITS", 0)
    touch(tmp_path, "a/x.png", "b/x.png", "y.png")
    keys = [source.key for source in find_sources(tmp_path)]
    assert len(set(keys)) == 3
    assert keys[2] == "y-"


def test_source_keys_are_stable_and_safe() -> None:
    assert source_key("sub/Clip 01.dcm") == "clip-01-c14f268d"
    assert source_key("a.nii.gz").startswith("a-")
    assert source_key("超声.png").startswith("source-")
    assert source_key("a/x.png") != source_key("b/x.png")
    # The same name, composed and decomposed.
    assert source_key("\u00e9.png") == source_key("e\u0301.png")


@given(st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=200))
def test_source_keys_are_always_safe_file_names(relative: str) -> None:
    assert re.fullmatch(r"[a-z0-9_-]{1,40}-[0-9a-f]{8}", source_key(relative))


def test_hash_is_sha256(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", data=b"abc")
    (source,) = find_sources(tmp_path)
    assert hash_source(source) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    (tmp_path / "a.png").unlink()
    with pytest.raises(ReadError, match=r"a\.png"):
        hash_source(source)
