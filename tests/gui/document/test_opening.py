"""Opening without a window: which project is meant, and which key a file gets."""

import threading
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from usassist.core.domain import Label, Reader
from usassist.core.errors import ProjectError, ReadError
from usassist.core.project import store
from usassist.core.project.layout import check_reader_id
from usassist.gui import commands
from usassist.gui.document import Document, opening
from usassist.gui.document.opening import images_root_of, open_session, project_folder, reader_of

ANN = Reader("ann", "Ann")


def open_it(*paths: Path, project_dir: Path | None = None):
    return open_session(list(paths), project_dir=project_dir, reader=ANN)


def test_a_folder_and_a_file_in_it_are_one_project(images: Path) -> None:
    whole, one = open_it(images), open_it(images / "still2.png")
    assert whole.project.root == one.project.root == project_folder(images).resolve()
    assert one.sources[0].key == whole.sources[1].key
    assert len(store.open_project(whole.project.root).sources) == 4


def test_two_folders_of_one_name_are_two_projects(tmp_path: Path) -> None:
    first, second = tmp_path / "a" / "busi", tmp_path / "b" / "busi"
    assert project_folder(first) != project_folder(second)
    assert project_folder(first).name.startswith("busi-")


def test_a_project_can_be_somewhere_else(images: Path, tmp_path: Path) -> None:
    opened = open_it(images, project_dir=tmp_path / "study")
    assert opened.project.root == (tmp_path / "study").resolve()
    again = open_it(images, project_dir=tmp_path / "study")
    assert [source.key for source in again.sources] == [source.key for source in opened.sources]


def test_a_project_opens_by_its_folder_or_its_file(images: Path, tmp_path: Path) -> None:
    opened = open_it(images, project_dir=tmp_path / "study")
    for path in (tmp_path / "study", tmp_path / "study" / "project.json"):
        again = open_it(path)
        assert [(s.key, s.path) for s in again.sources] == [(s.key, s.path.resolve()) for s in opened.sources]


def test_a_part_of_a_projects_images_keeps_its_keys(tmp_path: Path, images: Path) -> None:
    root = images.parent
    whole = open_it(root, project_dir=tmp_path.parent / f"{tmp_path.name}-study")
    part = open_it(images, project_dir=tmp_path.parent / f"{tmp_path.name}-study")
    assert {source.key for source in part.sources} <= {source.key for source in whole.sources}


def test_images_from_elsewhere_are_refused(images: Path, tmp_path: Path) -> None:
    open_it(images, project_dir=tmp_path / "study")
    other = tmp_path / "other"
    other.mkdir()
    (other / "x.png").write_bytes((images / "still1.png").read_bytes())
    with pytest.raises(ProjectError, match="not under"):
        open_it(other, project_dir=tmp_path / "study")


def test_nothing_missing_and_empty_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="Nothing was named"):
        open_it()
    with pytest.raises(ReadError, match="does not exist"):
        open_it(tmp_path / "gone")
    with pytest.raises(ReadError, match="no image"):
        open_it(tmp_path)


def test_a_linked_folder_is_one_project_with_the_folder_it_means(images: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    try:
        link.symlink_to(images, target_is_directory=True)
    except OSError:
        pytest.skip("links may not be made here")
    new, known = open_it(link), open_it(link)
    assert new.project == known.project
    assert new.project.root == open_it(images).project.root
    assert [source.key for source in new.sources] == [source.key for source in known.sources]


def test_a_folder_that_is_as_it_was_is_not_written_again(images: Path) -> None:
    root = open_it(images).project.root
    before = (root / "project.json").stat().st_mtime_ns
    open_it(images)
    assert (root / "project.json").stat().st_mtime_ns == before


@pytest.mark.parametrize(("name", "reader_id"), [("Ann", "ann"), ("Dr. Åsa Öst", "dr-asa-ost"), ("  ", "reader")])
def test_a_readers_id_is_safe_as_a_folder(name: str, reader_id: str) -> None:
    assert reader_of(name).id == reader_id


def test_names_in_another_script_stay_apart() -> None:
    ids = {reader_of(name).id for name in ("日本", "中国", "Анна", "Ольга")}
    assert len(ids) == 4
    assert all(check_reader_id(reader_id) for reader_id in ids)


def test_the_images_root_is_what_all_share(images: Path) -> None:
    assert images_root_of([images]) == images
    assert images_root_of([images / "still1.png", images / "still2.png"]) == images


@pytest.mark.parametrize("reader_id", ["ann", "bob"])
def test_what_was_done_while_the_open_folder_was_read_again_is_there(
    document: Document, images: Path, reader_id: str, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, is_read, read = threading.Event(), threading.Event(), opening._opened

    def slow(*args, **options) -> opening.Opened:
        opened = read(*args, **options)
        is_read.set()
        gate.wait(60)
        return opened

    monkeypatch.setattr(opening, "_opened", slow)
    document.set_reader(Reader(reader_id, reader_id.title()))
    document.open_paths([images])
    qtbot.waitUntil(is_read.is_set)
    document.set_labels((*document.labels, Label("cyst", "Cyst", "#112233")))
    commands.label.nothing_to_segment(document)
    with qtbot.waitSignals([document.opened, document.frame_shown]):
        gate.set()
    done = reader_id == "ann"
    assert (
        document.status_of(document.source.key) == document.annotation.status == ("accepted" if done else "untouched")
    )
    assert document.counts() == (int(done), 4)
    assert "cyst" in {label.id for label in document.labels}


def test_a_project_that_broke_while_it_was_read_again_is_not_open(
    document: Document, images: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_opened: opening.Opened) -> opening.Opened:
        raise ProjectError("project.json is damaged.")

    monkeypatch.setattr(opening, "read_again", broken)
    with qtbot.waitSignals([document.opened, document.open_failed]):
        document.open_paths([images])
    assert not document.is_open
    assert document.frame is None
