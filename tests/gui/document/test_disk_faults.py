"""A disk that is full, slow or refuses costs no work: what is not on it is known to be unsaved, and is tried again."""

import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from tests.gui.faults import FULL, full_disk
from tests.gui.strokes import dab
from usassist.core.domain import Annotation, Project, Reader
from usassist.core.errors import ProjectError
from usassist.core.project import journal, recovery, store
from usassist.gui.document import Document, opening


@pytest.mark.parametrize("drafts_too", [False, True])
def test_nothing_else_is_opened_while_work_cannot_be_saved(
    reopened: Callable[..., Document], monkeypatch: pytest.MonkeyPatch, qtbot: QtBot, drafts_too: bool
) -> None:
    document = reopened()
    folder, library = document.sources[0].path.parent, document.library
    refused: list[str] = []
    document.open_failed.connect(refused.append)
    with monkeypatch.context() as patch:
        patch.setattr(store, "save_annotation", full_disk)
        if drafts_too:
            patch.setattr(recovery, "save_draft", full_disk)
        dab(document, 40, 40)
        painted = document.annotation
        with qtbot.waitSignal(document.open_failed):
            document.open_paths([folder])
        assert painted.frame_key in refused[0]
        assert (document.annotation, document.is_dirty) == (painted, True)
        assert document.library is library
    reopened(document)
    assert (document.annotation, document.is_dirty) == (painted, False)
    assert store.load_annotation(document.project, reader_id="ann", frame_key=painted.frame_key) == painted


def test_what_a_tool_has_begun_is_saved_before_something_else_is_opened(
    reopened: Callable[..., Document], monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    document = reopened()
    folder = document.sources[0].path.parent
    document.frame_leaving.connect(lambda: dab(document, 40, 40))
    monkeypatch.setattr(store, "save_annotation", full_disk)
    with qtbot.waitSignal(document.open_failed):
        document.open_paths([folder])
    assert document.is_dirty
    assert len(document.annotation.regions) == 1


def test_a_save_that_fails_again_is_told_again(
    document: Document, heard: Callable[[Document], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = heard(document)
    monkeypatch.setattr(store, "save_annotation", full_disk)
    dab(document, 40, 40)
    for times in (1, 2):
        document.flush()
        assert sum(FULL in text for text in told) == times


def test_a_save_that_fails_after_a_good_one_is_told(
    document: Document, heard: Callable[[Document], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    told, key = heard(document), document.ref.key
    dab(document, 40, 40)
    for times in (1, 2):
        with monkeypatch.context() as patch:
            patch.setattr(store, "save_annotation", full_disk)
            document._save_frame(key)  # as it is when a frame is left: nobody asked for it
            document.lane_save.drain()
        assert sum(FULL in text for text in told) == times
        document._save_frame(key)
        document.lane_save.drain()
        assert not document.is_dirty
        dab(document, 40, 10)


def test_what_is_undone_while_it_is_being_written_is_undone_on_disk_too(
    reopened: Callable[..., Document],
) -> None:
    document = reopened()
    dab(document, 20, 20)
    document.save()
    document.undo_stack.undo()
    document.flush()
    assert not document.is_dirty
    on_disk = store.load_annotation(document.project, reader_id="ann", frame_key=document.ref.key)
    assert on_disk is None or not on_disk.regions


def test_what_is_undone_while_it_is_being_written_is_saved_without_being_asked(
    reopened: Callable[..., Document], qtbot: QtBot
) -> None:
    document = reopened()
    dab(document, 20, 20)
    document.save()
    document.undo_stack.undo()
    qtbot.waitUntil(lambda: not document.is_dirty)
    on_disk = store.load_annotation(document.project, reader_id="ann", frame_key=document.ref.key)
    assert on_disk is not None and not on_disk.regions
    assert recovery.drafts(document.project, "ann") == []


def test_nothing_else_is_opened_while_a_save_hangs(
    reopened: Callable[..., Document], monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    document, disk, write = reopened(), threading.Event(), store.save_annotation
    folder = document.sources[0].path.parent
    again = opening.open_session([folder], project_dir=None, reader=document.reader)
    monkeypatch.setattr("usassist.gui.document.document.ANSWER_S", 0.01)
    monkeypatch.setattr(store, "save_annotation", lambda *args: (disk.wait(60), write(*args)))
    refused: list[str] = []
    document.open_failed.connect(refused.append)
    dab(document, 40, 40)
    document.save()
    document.undo_stack.undo()
    assert document.is_dirty, "it is being written"
    document._on_opened(again)
    assert len(refused) == 1 and "whether it answers" in refused[0]
    disk.set()
    qtbot.waitUntil(lambda: not document.is_dirty)


@pytest.mark.parametrize("undone_at", ["after", "meanwhile"])
def test_a_mask_that_was_written_before_its_save_failed_can_be_undone_for_good(
    reopened: Callable[..., Document], monkeypatch: pytest.MonkeyPatch, undone_at: str
) -> None:
    document = reopened()
    with monkeypatch.context() as patch:
        patch.setattr(journal, "append", full_disk)
        dab(document, 20, 20)
        document.save()
        if undone_at == "meanwhile":
            document.undo_stack.undo()
        document.lane_save.drain()
        if undone_at == "after":
            document.undo_stack.undo()
        document.lane_save.drain()
        assert document.is_dirty, "disk may hold what was undone"
        assert [draft.regions for draft in recovery.drafts(document.project, "ann")] == [()]
    document.flush()
    assert not document.is_dirty
    on_disk = store.load_annotation(document.project, reader_id="ann", frame_key=document.ref.key)
    assert on_disk is not None and not on_disk.regions


def test_labels_that_could_not_be_written_are_unsaved_and_written_with_the_next_save(
    reopened: Callable[..., Document], monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    document, refused = reopened(), list[str]()
    document.open_failed.connect(refused.append)
    renamed = tuple(replace(label, name=f"My {label.name}") for label in document.labels)
    with monkeypatch.context() as patch:
        patch.setattr(store, "save_project", full_disk)
        document.set_labels(renamed)
        document.lane_save.drain()
        assert document.is_dirty
        with qtbot.waitSignal(document.open_failed):
            document.open_paths([document.sources[0].path.parent])
        assert "The labels could not be saved" in refused[0]
    document.save()
    document.lane_save.drain()
    assert not document.is_dirty
    assert store.open_project(document.project.root).labels == renamed


def test_a_refused_opening_leaves_what_a_tool_has_begun(
    reopened: Callable[..., Document], make_document: Callable[..., Document], tmp_path: Path, qtbot: QtBot
) -> None:
    document, other = reopened(), make_document(auto_propose=False)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.png").write_bytes(document.sources[0].path.read_bytes())
    with qtbot.waitSignal(other.opened):
        other.open_paths([elsewhere])
    left: list[None] = []
    document.frame_leaving.connect(lambda: left.append(None))
    with qtbot.waitSignal(document.open_failed):
        document.open_paths([elsewhere])
    assert left == []


@pytest.mark.parametrize("meanwhile", ["another stroke", "undone and done again"])
def test_what_is_undone_past_what_was_being_written_is_undone_on_disk_too(
    reopened: Callable[..., Document], monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    document, disk, write = reopened(), threading.Event(), store.save_annotation
    monkeypatch.setattr(store, "save_annotation", lambda *args: (disk.wait(60), write(*args)))
    dab(document, 20, 20)
    document.save()
    if meanwhile == "another stroke":
        dab(document, 40, 40)
    else:
        document.undo_stack.undo()
        document.undo_stack.redo()
    disk.set()
    document.lane_save.drain()
    while document.undo_stack.canUndo():
        document.undo_stack.undo()
    document.flush()
    on_disk = store.load_annotation(document.project, reader_id="ann", frame_key=document.ref.key)
    assert on_disk is not None and not on_disk.regions
    assert recovery.drafts(document.project, "ann") == []


def test_a_newer_version_on_its_way_is_not_forgotten_when_the_one_before_fails(
    reopened: Callable[..., Document], monkeypatch: pytest.MonkeyPatch, qtbot: QtBot, heard: Callable[..., list[str]]
) -> None:
    document, gates, written = reopened(), (threading.Event(), threading.Event()), list[Annotation]()
    told = heard(document)

    def slow(_project: Project, annotation: Annotation) -> None:
        first = not written
        written.append(annotation)
        gates[not first].wait(60)
        if first:
            raise ProjectError(FULL)

    monkeypatch.setattr(store, "save_annotation", slow)
    for place in (20, 40):
        dab(document, place, 20)
        document.save()
    gates[0].set()
    qtbot.waitUntil(lambda: any(FULL in text for text in told))
    document.save()
    gates[1].set()
    document.lane_save.drain()
    assert len(written) == 2
    assert not document.is_dirty


def test_labels_that_could_not_be_written_go_along_with_a_frame_that_is_left(
    reopened: Callable[..., Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    document = reopened()
    renamed = tuple(replace(label, name=f"My {label.name}") for label in document.labels)
    with monkeypatch.context() as patch:
        patch.setattr(store, "save_project", full_disk)
        document.set_labels(renamed)
        document.lane_save.drain()
    dab(document, 20, 20)
    document.show(1)
    document.lane_save.drain()
    assert store.open_project(document.project.root).labels == renamed


@pytest.mark.parametrize("gone", ["project.json", "the folder", "all but the annotations"])
def test_a_project_that_somebody_removed_is_there_again_with_what_is_in_memory(
    reopened: Callable[..., Document],
    make_document: Callable[..., Document],
    images: Path,
    qtbot: QtBot,
    gone: str,
) -> None:
    document = reopened()
    root, key, told = document.project.root, document.ref.key, list[str]()
    document.message.connect(lambda text, _details: told.append(text))
    dab(document, 20, 20)
    drawn = document.annotation
    with qtbot.waitSignal(document.frame_shown):
        document.show(1)
    document.flush()
    for path in root.iterdir():
        if gone == "the folder" or (path.name != "annotations" and gone != "project.json"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        elif path.name == gone:
            path.unlink()
    dab(document, 40, 20)
    second = document.annotation
    document.flush()
    qtbot.waitUntil(lambda: not document.is_dirty)
    assert any("Somebody removed" in text for text in told)
    for annotation in (drawn, second):
        found = store.load_annotation(document.project, reader_id="ann", frame_key=annotation.frame_key)
        assert found == annotation
    assert store.open_project(root).sources
    document.close()
    again = make_document(auto_propose=False)
    with qtbot.waitSignals([again.opened, again.frame_shown]):
        again.open_paths([images])
    assert again.ref.key == key and again.annotation == drawn


def test_images_whose_project_lost_its_project_json_can_be_opened(
    reopened: Callable[..., Document],
    make_document: Callable[..., Document],
    heard: Callable[[Document], list[str]],
    images: Path,
    qtbot: QtBot,
) -> None:
    document = reopened()
    dab(document, 20, 20)
    drawn, root = document.annotation, document.project.root
    document.close()
    (root / "project.json").unlink()
    again = make_document(auto_propose=False)
    told = heard(again)
    with qtbot.waitSignals([again.opened, again.frame_shown]):
        again.open_paths([images])
    assert again.annotation == drawn
    assert any("had lost its project.json" in text for text in told)


def test_a_project_that_is_removed_is_whole_after_one_flush(reopened: Callable[..., Document]) -> None:
    document = reopened()
    (document.project.root / "project.json").unlink()
    dab(document, 20, 20)
    document.flush()
    assert not document.is_dirty


def test_a_draft_that_nobody_answered_outlives_the_project_that_was_removed(reopened: Callable[..., Document]) -> None:
    document = reopened()
    dab(document, 20, 20)
    document.flush()
    asked = replace(document.annotation, note="unsaved")
    recovery.save_draft(document.project, asked)
    document.recovery_found.connect(document.postpone_drafts)
    reopened(document)
    assert document._unanswered
    (document.project.root / "project.json").unlink()
    document._on_remade(document._saver)
    document.flush()
    assert recovery.drafts(document.project, "ann") == [asked]


@pytest.mark.parametrize("fails", ["the save", "the labels"])
def test_a_removed_project_is_told_though_the_job_that_found_out_failed(
    reopened: Callable[..., Document],
    heard: Callable[[Document], list[str]],
    monkeypatch: pytest.MonkeyPatch,
    fails: str,
) -> None:
    document = reopened()
    told = heard(document)
    dab(document, 20, 20)
    first = document.annotation
    document.flush()
    shutil.rmtree(document.project.root)
    with monkeypatch.context() as patch:
        patch.setattr(store, "save_annotation" if fails == "the save" else "save_project", full_disk)
        if fails == "the labels":
            document.set_labels(tuple(replace(label, name=f"My {label.name}") for label in document.labels))
        else:
            dab(document, 40, 40)
            document.save()
        document.lane_save.drain()
        assert any("Somebody removed" in text for text in told)
        document.lane_save.drain()
    document.flush()
    found = store.load_annotation(document.project, reader_id="ann", frame_key=first.frame_key)
    assert found == document.annotation and not document.is_dirty


def test_every_window_brings_its_own_readers_work_back(
    reopened: Callable[..., Document], make_document: Callable[..., Document]
) -> None:
    one, two = reopened(), reopened(make_document(auto_propose=False, reader=Reader("bob", "Bob")))
    for document in (one, two):
        dab(document, 20, 20)
        document.flush()
    kept = two.annotation
    shutil.rmtree(one.project.root)
    dab(one, 40, 40)
    one.flush()
    two.show(1)
    two.lane_io.drain()
    dab(two, 40, 40)
    two.flush()
    found = store.load_annotation(two.project, reader_id="bob", frame_key=kept.frame_key)
    assert found == kept
    assert {reader.id for reader in store.open_project(two.project.root).readers} == {"ann", "bob"}


def test_what_a_closed_project_had_to_tell_touches_nothing_that_is_open(
    reopened: Callable[..., Document], heard: Callable[[Document], list[str]]
) -> None:
    document = reopened()
    before = document._saver
    reopened(document)
    told = heard(document)
    document._on_remade(before)
    assert told == [] and not document.is_dirty


def test_labels_are_tried_again_before_all_frames_that_wait(
    reopened: Callable[..., Document], monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    document, order = reopened(), list[str]()
    for frame in range(2):
        dab(document, 20, 20)
        with monkeypatch.context() as patch:
            patch.setattr(store, "save_annotation", full_disk)
            with qtbot.waitSignal(document.frame_shown):
                document.show(frame + 1)
            document.lane_save.drain()
    with monkeypatch.context() as patch:
        patch.setattr(store, "save_project", full_disk)
        document.set_labels(document.labels)
        document.lane_save.drain()
    labels, frames = store.save_project, store.save_annotation
    monkeypatch.setattr(store, "save_project", lambda *args: (order.append("labels"), labels(*args)))
    monkeypatch.setattr(store, "save_annotation", lambda *args: (order.append("frame"), frames(*args)))
    document.flush()
    assert order == ["labels", "frame", "frame"]
    assert not document.is_dirty
