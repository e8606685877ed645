"""What a crash left behind is never lost unasked, and a failure is told again once somebody asks again."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from usassist.core.domain import Annotation, Mask, Project, Prompt, Proposal, Reader, Region
from usassist.core.errors import ModelError, ProjectError
from usassist.core.geometry.brush import stroke_mask
from usassist.core.project import journal, recovery, store
from usassist.gui import commands
from usassist.gui.commands import click
from usassist.gui.document import Document, keeping, opening, saving

FULL = "The disk is full."
BROKEN = "The memory is full; choose the processor."


def dab(document: Document, x: float, y: float) -> None:
    commands.paint.paint(document, stroke_mask(np.array([[x, y]]), 3, document.frame.shape), erase=False)


def left_behind(document: Document, reader_id: str = "ann", *, frame_key: str = "") -> Annotation:
    """Write a draft of the frame on screen, or of another one of its size, as a crash leaves it."""
    annotation = replace(document.annotation, frame_key=frame_key or document.ref.key)
    mask = Mask.from_array(stroke_mask(np.array([[9.0, 9.0]]), 4, annotation.shape).to_array())
    draft = replace(annotation, reader_id=reader_id, regions=(Region("lost", "lesion", mask),), status="draft")
    recovery.save_draft(document.project, draft)
    return draft


@pytest.fixture
def reopened(make_document: Callable[..., Document], images: Path, qtbot: QtBot) -> Callable[..., Document]:
    """Return a function that opens the images, in the window of a document or in a new one, and waits."""

    def reopen(document: Document | None = None) -> Document:
        document = document or make_document(auto_propose=False)
        with qtbot.waitSignals([document.opened, document.frame_shown]):
            document.open_paths([images])
        return document

    return reopen


@pytest.fixture
def heard() -> Callable[[Document], list[str]]:
    """Return a function that gives a list which grows with what a document tells."""

    def listen(document: Document) -> list[str]:
        told: list[str] = []
        document.message.connect(lambda text, _details: told.append(text))
        return told

    return listen


def test_a_draft_kept_for_later_outlives_opening_the_folder_again(reopened: Callable[..., Document]) -> None:
    document = reopened()
    draft = left_behind(document)
    offers: list[list[Annotation]] = []
    document.recovery_found.connect(lambda found: (offers.append(list(found)), document.postpone_drafts(found)))
    for _opening in range(2):
        offers.clear()
        reopened(document)
        assert offers[0] == [draft]
        dab(document, 40, 40)
        document.flush()
        assert document.annotation.regions == ()
        assert recovery.drafts(document.project, "ann") == [draft]


def test_a_draft_that_nobody_answered_is_not_drawn_over(reopened: Callable[..., Document]) -> None:
    document = reopened()
    draft = left_behind(document)
    offers: list[list[Annotation]] = []
    document.recovery_found.connect(lambda found: offers.append(list(found)))
    reopened(document)
    dab(document, 40, 40)
    document.flush()
    assert recovery.drafts(document.project, "ann") == [draft]
    assert offers == [[draft]]  # it is being asked: not twice


def test_another_reader_of_the_open_folder_is_offered_their_own_drafts(reopened: Callable[..., Document]) -> None:
    document = reopened()
    draft = left_behind(document, "bob")
    offers: list[list[Annotation]] = []
    document.recovery_found.connect(lambda found: offers.append(list(found)))
    document.set_reader(Reader("bob", "Bob"))
    reopened(document)
    assert document.reader.id == "bob"
    assert offers == [[draft]]


def test_opening_again_offers_no_work_that_was_saved_on_the_way(reopened: Callable[..., Document]) -> None:
    document = reopened()
    offers: list[list[Annotation]] = []
    document.recovery_found.connect(lambda found: offers.append(list(found)))
    dab(document, 40, 40)
    painted = document.annotation
    reopened(document)
    assert (document.annotation, offers) == (painted, [])


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


def test_restored_work_that_cannot_be_saved_at_once_is_kept_and_tried_again(
    reopened: Callable[..., Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    document = reopened()
    elsewhere = f"{document.sources[1].key}_00000"  # never on screen
    drafts = sorted([left_behind(document), left_behind(document, frame_key=elsewhere)], key=lambda a: a.frame_key)
    reopened(document)
    with monkeypatch.context() as patch:
        patch.setattr(store, "save_annotation", full_disk)
        document.restore_drafts(drafts)
        document.lane_save.drain()
    dab(document, 40, 40)
    document.undo_stack.undo()
    document.lane_save.drain()
    assert document.is_dirty
    assert recovery.drafts(document.project, "ann") == drafts
    document.flush()
    assert not document.is_dirty
    for draft in drafts:
        assert store.load_annotation(document.project, reader_id="ann", frame_key=draft.frame_key) == draft
    assert recovery.drafts(document.project, "ann") == []
    actions = [event.action for event in journal.read(document.project, "ann")]
    assert actions == ["recovered", "saved"] * 2


def test_emptied_work_takes_the_place_of_what_was_saved_on_a_frame_not_shown_yet(
    reopened: Callable[..., Document], show: Callable[..., None]
) -> None:
    document = reopened()
    show(document, 1)
    dab(document, 40, 40)
    document.flush()
    document.lane_save.drain()  # its draft is removed once more when it is clean
    emptied = replace(document.annotation, regions=(), status="untouched")
    recovery.save_draft(document.project, emptied)
    reopened(document)
    document.restore_drafts([emptied])
    document.flush()
    assert store.load_annotation(document.project, reader_id="ann", frame_key=emptied.frame_key) == emptied


def test_a_save_of_what_was_closed_meanwhile_answers_for_nothing_that_is_open(
    reopened: Callable[..., Document], images: Path, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    document, disk, write = reopened(), threading.Event(), store.save_annotation
    for module in (keeping, saving):
        monkeypatch.setattr(module, "SAVE_TIMEOUT_S", 0.01)
    monkeypatch.setattr(store, "save_annotation", lambda *args: (disk.wait(60), write(*args)))
    told: list[str] = []
    dab(document, 40, 40)
    painted = document.annotation
    document.save()
    document.undo_stack.undo()  # nothing differs from what was on disk, and a save hangs
    monkeypatch.setattr(document, "_secure_work", lambda: None)  # as when somebody closes all the same
    with qtbot.waitSignal(document.frame_shown):
        document._on_opened(opening.open_session([images], project_dir=None, reader=document.reader))
    document.annotation_saved.connect(told.append)
    document._offer_drafts([painted])
    disk.set()
    document.lane_save.drain()
    assert told == []
    document.restore_drafts([painted])
    document.lane_save.drain()
    assert document.annotation == painted
    assert told == [painted.frame_key]


@pytest.mark.parametrize("answer", ["restore_drafts", "discard_drafts"])
def test_an_answer_that_comes_too_late_changes_nothing(reopened: Callable[..., Document], answer: str) -> None:
    document = reopened()
    draft = left_behind(document)
    reopened(document)
    document.discard_drafts([draft])
    dab(document, 40, 40)
    painted = document.annotation
    getattr(document, answer)([draft])
    document.flush()
    assert document.annotation == painted
    assert store.load_annotation(document.project, reader_id="ann", frame_key=painted.frame_key) == painted


def full_disk(*_args: object) -> None:
    raise ProjectError(FULL)


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


def test_an_engine_that_fails_again_is_told_again(
    document: Document, engine, heard: Callable[[Document], list[str]]
) -> None:
    told, engine.error = heard(document), ModelError(BROKEN)
    ask = [
        document.request_proposals,
        document.request_proposals,
        lambda: click.add_point(document, 20, 24, positive=True),
        lambda: document.set_engine("fake", "another"),
    ]
    for times, asked in enumerate(ask, start=1):
        asked()
        document.lane_inference.drain()
        assert sum(BROKEN in text for text in told) == times


def test_an_engine_that_fails_by_itself_is_told_once_until_it_answered(
    document: Document, engine, heard: Callable[[Document], list[str]], show: Callable[..., None], qtbot: QtBot
) -> None:
    told, engine.error = heard(document), ModelError(BROKEN)
    for index in (1, 2):
        show(document, index)
        document.lane_inference.drain()
    assert sum(BROKEN in text for text in told) == 1
    engine.error = None
    show(document, 1)
    qtbot.waitUntil(lambda: bool(document.proposals))
    engine.error = ModelError(BROKEN)
    show(document, 2)
    document.lane_inference.drain()
    assert sum(BROKEN in text for text in told) == 2


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
    for module in (keeping, saving):
        monkeypatch.setattr(module, "SAVE_TIMEOUT_S", 0.01)
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


def test_what_the_engine_found_beneath_a_restored_drawing_does_not_wait(
    reopened: Callable[..., Document],
) -> None:
    document = reopened()
    draft = left_behind(document)
    reopened(document)
    mask = draft.regions[0].mask
    found = Proposal(draft.frame_key, "lesion", mask, 0.9, 0.8, "fake", "f" * 64, Prompt("lesion"), 0.1)
    document._proposing.put(draft.frame_key, (found,))
    assert document.proposals
    document.restore_drafts([draft])
    assert document.proposals == ()


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
