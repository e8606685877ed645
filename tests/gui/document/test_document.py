"""The document alone: opening, showing, proposals, saving, failures."""

import hashlib
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from tests.gui.faults import full_disk
from tests.gui.strokes import dab
from usassist.core.domain import Project, Reader
from usassist.core.geometry.brush import stroke_mask
from usassist.core.io import open_study
from usassist.core.project import journal, recovery, store
from usassist.gui import commands
from usassist.gui.document import Document
from usassist.gui.document.saving import Saver


def test_opening_a_folder_lists_it_and_keeps_the_project_out_of_it(
    document: Document, images: Path, usassist_home: Path
) -> None:
    assert [source.relative for source in document.sources] == ["still1.png", "still2.png", "still10.png", "z-cine.dcm"]
    assert document.project.root.parent == usassist_home / "projects"
    assert document.project.root.name.startswith("images-of-mine-")
    assert sorted(path.name for path in images.iterdir()) == ["still1.png", "still10.png", "still2.png", "z-cine.dcm"]
    assert document.counts() == (0, 4)
    assert document.status_of(document.source.key) == "untouched"


def test_nothing_can_be_edited_while_the_next_frame_is_loading(document: Document, qtbot: QtBot) -> None:
    first = document.ref.key
    stroke = stroke_mask(np.array([[30.0, 20.0]]), 3, document.frame.shape)
    document.show(1)
    assert document.frame is None
    assert document.annotation is None
    assert document.undo_group.activeStack() is None
    commands.paint.paint(document, stroke, erase=False)
    commands.label.nothing_to_segment(document)
    assert not commands.proposal.accept(document)
    with qtbot.waitSignal(document.frame_shown):
        pass
    assert document.annotation_of(first).regions == ()
    assert document.annotation.regions == ()
    assert not document.is_dirty


def test_a_command_for_another_frame_is_refused(document: Document, show: Callable[..., None]) -> None:
    key = document.ref.key
    show(document, 1)
    document.push(commands.label.SetStatus(document, "accepted", frame_key=key, text="x"))
    assert document.annotation_of(key).status == "untouched"


def test_replace_annotation_refuses_another_size(document: Document) -> None:
    with pytest.raises(Exception, match="cannot take an annotation"):
        document.replace_annotation(replace(document.annotation, shape=(7, 7)))


def test_leaving_a_frame_saves_it_with_a_journal(document: Document, show: Callable[..., None], qtbot: QtBot) -> None:
    key, source_key = document.ref.key, document.source.key
    commands.proposal.accept(document)
    assert document.is_dirty
    with qtbot.waitSignal(document.annotation_saved):
        document.show(1)
    saved = store.load_annotation(document.project, reader_id="ann", frame_key=key)
    assert saved == document.annotation_of(key)
    assert document.status_of(source_key) == "accepted"
    assert not document.is_dirty
    assert document.counts() == (1, 4)
    actions = [(e.action, e.unchanged, e.engine) for e in journal.read(document.project, "ann") if e.frame_key == key]
    assert actions == [("proposed", None, "fake"), ("accepted", True, "fake"), ("saved", None, None)]
    assert recovery.drafts(document.project, "ann") == []


def test_undo_is_still_there_after_visiting_another_frame(document: Document, show: Callable[..., None]) -> None:
    commands.proposal.accept(document)
    dab(document, 40, 40)
    painted = document.annotation
    show(document, 1)
    dab(document, 10, 10)
    show(document, 0)
    assert document.annotation == painted
    document.undo_group.undo()
    document.undo_group.undo()
    assert document.annotation.regions == ()
    assert len(document.proposals) == 1
    document.undo_group.redo()
    document.undo_group.redo()
    assert document.annotation == painted


def test_undo_to_the_saved_state_is_clean_and_leaves_no_draft(document: Document, qtbot: QtBot) -> None:
    dab(document, 40, 40)
    document.flush()
    dab(document, 45, 40)
    assert document.is_dirty
    document.undo_stack.undo()
    assert not document.is_dirty
    document.lane_save.drain()
    assert recovery.drafts(document.project, "ann") == []


def test_a_draft_is_on_disk_after_each_stroke(document: Document) -> None:
    dab(document, 40, 40)
    document.lane_save.drain()
    (draft,) = recovery.drafts(document.project, "ann")
    assert draft == document.annotation


def test_what_cannot_be_read_is_a_row_with_a_reason(
    make_document: Callable[..., Document], images: Path, qtbot: QtBot
) -> None:
    (images / "a-broken.dcm").write_text("no DICOM")
    document = make_document()
    with qtbot.waitSignal(document.frame_failed) as failed:
        document.open_paths([images])
    key, reason = failed.args
    assert document.failure_of(key) == reason
    assert document.frame is None
    with qtbot.waitSignal(document.frame_shown):
        document.step_file(1)
    assert document.counts() == (0, 4)


def test_nothing_to_open_is_a_message_and_the_old_project_stays(
    document: Document, qtbot: QtBot, tmp_path: Path
) -> None:
    for path in (tmp_path / "missing", tmp_path / "empty"):
        if path.name == "empty":
            path.mkdir()
        with qtbot.waitSignal(document.message) as told:
            document.open_paths([path])
        assert str(path) in told.args[0]
    assert len(document.sources) == 4


def test_a_second_window_of_the_same_reader_is_refused(
    document: Document, make_document: Callable[..., Document], images: Path, qtbot: QtBot
) -> None:
    second = make_document()
    with qtbot.waitSignal(second.message) as told:
        second.open_paths([images])
    assert "Nothing was opened" in told.args[0]
    assert not second.is_open


def test_two_readers_work_in_one_project(
    document: Document, make_document: Callable[..., Document], images: Path, qtbot: QtBot
) -> None:
    second = make_document(reader=Reader("bob", "Bob"), auto_propose=False)
    with qtbot.waitSignal(second.frame_shown):
        second.open_paths([images])
    commands.label.nothing_to_segment(second)
    second.flush()
    dab(document, 40, 40)
    document.flush()
    assert set(store.annotated_keys(document.project, "bob").values()) == {"accepted"}
    assert set(store.annotated_keys(document.project, "ann").values()) == {"draft"}


def test_opening_again_finds_the_work(document: Document, images: Path, qtbot: QtBot) -> None:
    dab(document, 40, 40)
    painted = document.annotation
    with qtbot.waitSignals([document.opened, document.frame_shown]):
        document.open_paths([images])
    assert document.annotation == painted
    assert document.status_of(document.source.key) == "draft"
    assert document.proposals == ()


def test_a_project_folder_opens_as_a_project(
    document: Document, make_document: Callable[..., Document], qtbot: QtBot
) -> None:
    root = document.project.root
    document.close()
    again = make_document()
    with qtbot.waitSignal(again.frame_shown):
        again.open_paths([root])
    assert len(again.sources) == 4
    assert again.project.root == root


def test_a_crash_leaves_a_draft_that_can_be_restored(
    document: Document, make_document: Callable[..., Document], images: Path, qtbot: QtBot
) -> None:
    dab(document, 40, 40)
    painted = document.annotation
    document.lane_save.drain()
    # What a crash is: nothing is saved, the lock goes with the process.
    document._session.release()
    again = make_document()
    with qtbot.waitSignal(again.recovery_found) as found:
        again.open_paths([images])
    (draft,) = found.args[0]
    assert draft == painted
    qtbot.waitUntil(lambda: again.frame is not None)
    again.restore_drafts([draft])
    again.lane_save.drain()
    assert again.annotation == painted
    assert not again.is_dirty
    assert store.load_annotation(again.project, reader_id="ann", frame_key=painted.frame_key) == painted
    assert recovery.drafts(again.project, "ann") == []
    assert journal.read(again.project, "ann")[-1].action == "recovered" or "recovered" in [
        event.action for event in journal.read(again.project, "ann")
    ]


def test_drafts_can_be_discarded(
    document: Document, make_document: Callable[..., Document], images: Path, qtbot: QtBot
) -> None:
    dab(document, 40, 40)
    document.lane_save.drain()
    document._session.release()
    again = make_document()
    with qtbot.waitSignal(again.recovery_found) as found:
        again.open_paths([images])
    again.discard_drafts(found.args[0])
    again.lane_save.drain()
    assert recovery.drafts(again.project, "ann") == []
    qtbot.waitUntil(lambda: again.annotation is not None)
    assert again.annotation.regions == ()


def test_a_cine_has_an_annotation_a_frame(document: Document, show: Callable[..., None], qtbot: QtBot) -> None:
    show(document, 3, 2)
    assert document.study.is_cine
    assert document.ref.index == 2
    assert document.counts() == (0, 4)  # a cine nobody touched is not done
    dab(document, 40, 40)
    show(document, 3, 4)
    assert document.annotation.regions == ()
    dab(document, 12, 12)
    commands.label.accept_frame(document)
    document.flush()
    assert document.counts() == (1, 5)
    assert document.status_of(document.source.key) == "draft"
    assert len(store.annotated_keys(document.project, "ann")) == 2


def test_seeking_stays_inside_the_cine(document: Document, show: Callable[..., None], qtbot: QtBot) -> None:
    show(document, 3)
    with qtbot.waitSignal(document.frame_shown):
        document.seek(99)
    assert document.ref.index == 11
    document.step_frame(1)
    assert document.frame is not None
    with qtbot.waitSignal(document.frame_shown):
        document.step_frame(-5)
    assert document.ref.index == 6


def sha256_of(project: Project, key: str) -> str | None:
    return next(entry for entry in store.open_project(project.root).sources if entry.key == key).sha256


def test_the_files_hash_is_in_the_project_before_the_first_save(document: Document) -> None:
    dab(document, 40, 40)
    document.lane_hash.drain()
    document.lane_save.drain()
    assert document.is_dirty
    expected = hashlib.sha256(document.source.path.read_bytes()).hexdigest()
    assert sha256_of(document.project, document.source.key) == expected


def slow_hash(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Hold every hash back until the returned event is set."""
    gate, hash_now = threading.Event(), open_study.hash_source
    monkeypatch.setattr(open_study, "hash_source", lambda source: (gate.wait(60), hash_now(source))[1])
    return gate


def test_a_slow_hash_holds_no_save_up_and_a_closed_window_still_writes_it(
    document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, project, key = slow_hash(monkeypatch), document.project, document.source.key
    dab(document, 40, 40)
    document.flush()
    assert store.load_annotation(project, reader_id="ann", frame_key=document.ref.key) == document.annotation
    assert sha256_of(document.project, key) is None
    timer = threading.Timer(0.2, gate.set)
    timer.start()
    document.close()
    timer.join()
    assert sha256_of(project, key) is not None


def test_another_project_does_not_wait_for_a_slow_hash(
    document: Document, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, images: Path, qtbot: QtBot
) -> None:
    gate, project, key = slow_hash(monkeypatch), document.project, document.source.key
    dab(document, 40, 40)
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(images / "still2.png", other)
    with qtbot.waitSignals([document.opened, document.frame_shown]):
        document.open_paths([other])
    gate.set()
    document.lane_hash.drain()
    document.lane_save.drain()
    assert sha256_of(project, key) is not None


def test_a_hash_that_a_crash_left_out_is_found_at_the_next_opening(
    document: Document,
    make_document: Callable[..., Document],
    images: Path,
    monkeypatch: pytest.MonkeyPatch,
    qtbot: Any,
) -> None:
    key = document.source.key
    with monkeypatch.context() as patch:
        patch.setattr(Saver, "identify", lambda *_args, **_options: None)
        dab(document, 40, 40)
        document.close()
        project = store.open_project(again_project(images).root)
    assert sha256_of(project, key) is None
    again = make_document()
    with qtbot.waitSignals([again.opened, again.frame_shown]):
        again.open_paths([images])
    again.lane_hash.drain()
    again.lane_save.drain()
    assert sha256_of(again.project, key) is not None
    assert [entry.key for entry in store.open_project(project.root).sources if entry.sha256] == [key]


def test_labels_can_be_changed_and_are_written(document: Document) -> None:
    labels = (replace(document.labels[0], name="tumour"), *document.labels[1:])
    document.set_labels(labels)
    document.lane_save.drain()
    assert document.active_label.name == "tumour"
    assert store.open_project(document.project.root).labels[0].name == "tumour"


def test_a_failed_save_keeps_the_frame_dirty_and_says_so(
    document: Document, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:

    commands.proposal.accept(document)
    with monkeypatch.context() as patch:
        patch.setattr(store, "save_annotation", full_disk)
        with qtbot.waitSignal(document.message) as told:
            document.save()
        assert "The disk is full." in told.args[0]
        assert document.is_dirty
    document.flush()
    assert not document.is_dirty
    actions = [event.action for event in journal.read(document.project, "ann")]
    assert actions.count("accepted") == 1


def test_an_annotation_that_cannot_be_read_is_kept_and_the_frame_only_shown(
    document: Document, make_document: Callable[..., Document], images: Path, qtbot: QtBot
) -> None:
    dab(document, 40, 40)
    key, root = document.ref.key, document.project.root
    document.close()
    file = next((root / "annotations" / "ann").glob(f"{key}.json"))
    file.write_text("{", "utf-8")
    again = make_document()
    with qtbot.waitSignals([again.frame_shown, again.message]):
        again.open_paths([images])
    assert again.frame is not None
    assert again.annotation is None
    dab(again, 10, 10)
    again.flush()
    assert file.read_text("utf-8") == "{"
    assert again.failure_of(again.source.key) is None


def test_a_replaced_file_of_another_size_is_only_shown(
    document: Document, make_document: Callable[..., Document], images: Path, qtbot: QtBot
) -> None:
    from usassist.core.geometry.cv import cv2

    dab(document, 40, 40)
    painted = document.annotation
    document.close()
    cv2.imwrite(str(images / "still1.png"), np.zeros((30, 30), dtype=np.uint8))
    again = make_document()
    with qtbot.waitSignal(again.frame_shown):
        again.open_paths([images])
    assert again.annotation is None
    assert not again.proposals
    dab(again, 5, 5)
    again.close()
    assert store.load_annotation(again_project(images), reader_id="ann", frame_key=painted.frame_key) == painted


def again_project(images: Path) -> Any:
    from usassist.gui.document.opening import project_folder

    return store.open_project(project_folder(images))
