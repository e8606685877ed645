"""What a crash left behind is never lost unasked, and a failure is told again once somebody asks again."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from tests.gui.faults import full_disk
from tests.gui.strokes import dab
from usassist.core.domain import Annotation, Mask, Prompt, Proposal, Reader, Region
from usassist.core.errors import ModelError
from usassist.core.geometry.brush import stroke_mask
from usassist.core.project import journal, layout, recovery, store
from usassist.gui.commands import click
from usassist.gui.commands.command import current
from usassist.gui.document import Document, opening, saving

BROKEN = "The memory is full; choose the processor."


def left_behind(document: Document, reader_id: str = "ann", *, frame_key: str = "") -> Annotation:
    """Write a draft of the frame on screen, or of another one of its size, as a crash leaves it."""
    annotation = replace(document.annotation, frame_key=frame_key or document.ref.key)
    mask = Mask.from_array(stroke_mask(np.array([[9.0, 9.0]]), 4, annotation.shape).to_array())
    draft = replace(annotation, reader_id=reader_id, regions=(Region("lost", "lesion", mask),), status="draft")
    recovery.save_draft(document.project, draft)
    return draft


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
    monkeypatch.setattr(saving, "SAVE_TIMEOUT_S", 0.01)
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


def test_a_draft_that_cannot_be_restored_is_told(
    reopened: Callable[..., Document], heard: Callable[[Document], list[str]]
) -> None:
    document = reopened()
    told, draft = heard(document), left_behind(document)
    layout.draft_file(document.project.root, reader_id="ann", frame_key=draft.frame_key).write_text("{")
    reopened(document)
    assert any(text.startswith("A recovery draft cannot be restored: ") for text in told)


def test_nobody_draws_for_long_on_a_frame_whose_draft_waits(
    reopened: Callable[..., Document], heard: Callable[[Document], list[str]]
) -> None:
    document = reopened()
    draft = left_behind(document)
    document.recovery_found.connect(document.postpone_drafts)
    reopened(document)
    told = heard(document)
    assert not document.may_edit()
    assert "decide first" in told[-1]
    document.discard_drafts([draft])
    assert document.may_edit()


@pytest.mark.parametrize("replaced", [True, False])
def test_a_picture_that_was_replaced_since_it_was_annotated_is_told(
    reopened: Callable[..., Document],
    make_document: Callable[..., Document],
    images: Path,
    qtbot: QtBot,
    replaced: bool,
) -> None:
    document = reopened()
    dab(document, 20, 20)
    path, other = document.sources[0].path, document.sources[1].path
    document.flush()
    document.lane_hash.drain()
    document.close()
    if replaced:
        path.write_bytes(other.read_bytes())
    again, told = make_document(auto_propose=False), list[str]()
    again.message.connect(lambda text, _details: told.append(text))
    for _visit in range(2):
        told.clear()
        with qtbot.waitSignal(again.frame_shown):
            again.open_paths([images]) if not again.is_open else again.show(0)
        again.lane_hash.drain()
        assert any("no longer the file that was annotated" in text for text in told) == replaced
    assert len(again.annotation.regions) == 1


def test_a_frame_whose_annotation_is_damaged_says_why_it_cannot_be_edited(
    reopened: Callable[..., Document], make_document: Callable[..., Document], heard: Callable[[Document], list[str]]
) -> None:
    document = reopened()
    assert document.only_shown == ""
    dab(document, 20, 20)
    document.flush()
    saved = layout.annotation_file(document.project.root, reader_id="ann", frame_key=document.ref.key)
    document.close()
    saved.write_text("{")
    again = reopened(make_document(auto_propose=False))
    told = heard(again)
    assert "its annotation cannot be read" in again.only_shown
    assert not again.may_edit()
    assert current(again) is None
    assert told == [again.only_shown, again.only_shown]
