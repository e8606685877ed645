"""What a crash left behind is never lost unasked, and a failure is told again once somebody asks again."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from usassist.core.domain import Annotation, Mask, Reader, Region
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
    document.undo_stack.undo()  # nothing is unsaved, and a save hangs
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
