"""Clicks belong to one frame, one label, one engine; refining changes one region; the journal hears of it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from tests.gui.strokes import dab
from usassist.core.domain import Box, Mask, Region, ScanRegion
from usassist.core.errors import ModelError
from usassist.core.models.weights import read_config
from usassist.core.project import journal
from usassist.gui.commands import click, paint, proposal, region
from usassist.gui.document import Document
from usassist.gui.document.clicking import clicks_refused


def point(document: Document, qtbot: QtBot, x: float, y: float, *, positive: bool = True) -> None:
    """Click and wait for the answer."""
    click.add_point(document, x, y, positive=positive)
    qtbot.waitUntil(lambda: document.click_answer is not None)


def test_the_first_click_corrects_the_proposal_that_waits(document: Document, engine: Any, qtbot: QtBot) -> None:
    (waiting,) = document.proposals
    point(document, qtbot, 32, 24)
    asked = engine.prompts[-1]
    assert asked.mask == waiting.mask and asked.text and asked.label_id == document.active_label.id
    (answer,) = document.proposals
    assert answer.mask.area > waiting.mask.area and answer.refines is None
    document.drop_clicks()
    assert document.proposals == (waiting,)


def test_a_box_says_anew_where_the_object_is(document: Document, engine: Any, qtbot: QtBot) -> None:
    click.set_box(document, Box(5, 5, 15, 25))
    qtbot.waitUntil(lambda: document.click_answer is not None)
    assert engine.prompts[-1].mask is None
    assert document.click_answer.mask.box == Box(5, 5, 15, 25)


@pytest.mark.parametrize("what", ["frame", "label", "engine", "selection", "asking again", "a command"])
def test_clicks_end_with_what_they_are_about(
    document: Document, engine: Any, show: Callable[..., None], qtbot: QtBot, what: str
) -> None:
    proposal.accept(document)
    document.select_region(None)
    point(document, qtbot, 50, 10)
    if what == "frame":
        show(document, 1)
    elif what == "label":
        document.set_active_label(document.labels[1].id)
    elif what == "engine":
        document.set_engine("classical")
    elif what == "selection":
        document.select_region(document.annotation.regions[0].id)
    elif what == "asking again":
        document.request_proposals()
    else:
        dab(document, 10, 40)
    assert document.clicks is None and document.click_answer is None
    assert document.click_stack.count() == 0
    assert document.undo_group.activeStack() is document.undo_stack


@pytest.mark.parametrize("leave", ["frame", "escape", "label"])
def test_a_late_answer_to_clicks_never_shows(
    document: Document, engine: Any, show: Callable[..., None], leave: str
) -> None:
    before, left = document.proposals, document.ref.key
    engine.gate.clear()
    click.add_point(document, 50, 10, positive=True)
    if leave == "frame":
        document.auto_propose = False
        show(document, 1)
    elif leave == "escape":
        document.drop_clicks()
    else:
        document.set_active_label(document.labels[1].id)
    engine.gate.set()
    document.lane_inference.drain()
    if leave == "frame":
        assert document.proposals == ()
        show(document, 0)
    assert document.ref.key == left
    assert document.proposals == before


def test_enter_before_the_answer_accepts_nothing_old(document: Document, engine: Any) -> None:
    engine.gate.clear()
    click.add_point(document, 50, 10, positive=True)
    assert not click.accept(document)
    assert document.annotation.regions == () and document.clicks is not None


def test_a_selected_region_is_refined_in_one_step_that_can_be_undone(
    document: Document, engine: Any, qtbot: QtBot
) -> None:
    proposal.accept(document)
    (old,) = document.annotation.regions
    point(document, qtbot, 31, 24)
    assert engine.prompts[-1].mask == old.mask
    assert document.annotation.regions == (old,), "nothing changes before it is accepted"
    steps = document.undo_stack.count()
    answer = document.click_answer
    assert answer.refines == old.id
    assert click.accept(document)
    (new,) = document.annotation.regions
    assert (new.id, new.label_id, new.origin) == (old.id, old.label_id, "engine") and new.mask == answer.mask
    assert document.undo_stack.count() == steps + 1
    document.undo_stack.undo()
    assert document.annotation.regions == (old,)
    assert document.proposals == (answer,) and document.selected_region == old
    point(document, qtbot, 35, 24)
    assert engine.prompts[-1].mask == answer.mask, "the outline that waits again goes on being refined"
    assert document.click_answer.refines == old.id
    click.take_back(document)
    document.undo_stack.redo()
    assert document.annotation.regions == (new,)


def test_a_region_of_a_person_that_is_refined_stays_the_persons(document: Document, qtbot: QtBot) -> None:
    document.drop_proposal(document.proposals[0])
    dab(document, 50, 10)
    point(document, qtbot, 53, 10)
    click.accept(document)
    (refined,) = document.annotation.regions
    assert (refined.origin, refined.edited) == ("human", True)


def test_what_was_pointed_at_counts_as_corrected_and_what_was_taken_as_it_is_does_not(
    document: Document, qtbot: QtBot
) -> None:
    proposal.accept(document)
    (taken,) = document.annotation.regions
    assert (taken.origin, taken.edited) == ("engine", False)
    point(document, qtbot, 31, 24)
    click.accept(document)
    (refined,) = document.annotation.regions
    assert (refined.id, refined.origin, refined.edited) == (taken.id, "engine", True)
    document.undo_stack.undo()
    assert document.annotation.regions == (taken,)
    document.select_region(None)
    document.drop_clicks()
    point(document, qtbot, 50, 10)
    click.accept(document)
    assert [region.edited for region in document.annotation.regions] == [False, True]


def test_a_refinement_does_not_outlive_its_region_and_comes_back_with_it(document: Document, qtbot: QtBot) -> None:
    proposal.accept(document)
    (old,) = document.annotation.regions
    point(document, qtbot, 31, 24)
    answer = document.click_answer
    region.delete_selected(document)
    assert document.proposals == () and not proposal.accept(document)
    document.undo_stack.undo()
    assert document.annotation.regions == (old,)
    document.select_region(old.id)
    assert document.proposals == (answer,)


def test_painting_on_a_refined_outline_accepts_that_first(document: Document, qtbot: QtBot) -> None:
    proposal.accept(document)
    (old,) = document.annotation.regions
    point(document, qtbot, 31, 24)
    answer = document.click_answer
    dab(document, 37, 24)
    (new,) = document.annotation.regions
    assert new.id == old.id and new.edited and new.mask.area >= answer.mask.area
    assert paint.overlaps(new.mask, answer.mask)


def test_the_journal_hears_how_many_clicks_it_took(document: Document, qtbot: QtBot) -> None:
    document.drop_proposal(document.proposals[0])
    for x, positive in ((50, True), (40, True), (30, False)):
        point(document, qtbot, x, 10, positive=positive)
    click.accept(document)
    document.flush()
    events = [event for event in journal.read(document.project, "ann") if event.action == "accepted"]
    assert [event.unchanged for event in events] == [True]
    assert "points=3" in events[0].prompt and "mask" in events[0].prompt
    document.select_region(document.annotation.regions[0].id)
    point(document, qtbot, 43, 10)
    click.accept(document)
    document.flush()
    (edited,) = [event for event in journal.read(document.project, "ann") if event.action == "edited"]
    assert "points=1" in edited.prompt and edited.engine == "fake"


def test_a_refinement_that_is_undone_leaves_the_first_answer_in_the_journal(document: Document, qtbot: QtBot) -> None:
    proposal.accept(document)
    point(document, qtbot, 31, 24)
    click.accept(document)
    document.undo_stack.undo()
    document.flush()
    (accepted,) = [event for event in journal.read(document.project, "ann") if event.action == "accepted"]
    assert "points" not in accepted.prompt


def test_no_more_clicks_than_a_person_makes(document: Document, engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(click, "MOST_CLICKS", 3)
    for x in range(5):
        click.add_point(document, x, 10, positive=True)
    assert len(document.clicks.points) == 3


def test_an_engine_that_fails_is_said_and_clicks_can_be_taken_back(document: Document, engine: Any) -> None:
    told: list[str] = []
    document.message.connect(lambda text, _details: told.append(text))
    before = document.proposals
    engine.error = ModelError("The clicks lie outside.")
    click.add_point(document, 50, 10, positive=True)
    document.lane_inference.drain()
    assert "lie outside" in told[-1]
    engine.error = None
    click.take_back(document)
    assert document.proposals == before


def test_the_same_engine_again_keeps_clicks_and_what_was_put_aside(
    document: Document, engine: Any, qtbot: QtBot
) -> None:
    document.find_out_clicks()
    document.lane_io.drain()
    proposal.accept(document)
    (accepted,) = document.annotation.regions
    document.select_region(accepted.id)
    point(document, qtbot, 32, 24)
    refinement = document.click_answer
    document.select_region(None)
    point(document, qtbot, 55, 40)
    clicks, asked = document.clicks, len(engine.prompts)
    document.set_engine(document.engine_name, None, device=document.device, precision=document.precision)
    assert document.clicks is clicks and document.click_stack.count() == 1 and len(engine.prompts) == asked
    assert not document.finds_out_clicks, "what is known of this model counts"
    document.select_region(accepted.id)
    assert refinement in document.proposals


def test_which_engine_follows_clicks_is_known_without_starting_it(make_document: Callable[..., Document]) -> None:
    assert clicks_refused("classical", "") == ""
    assert bool(clicks_refused("clip_mona", "")) != read_config(None).follows_clicks
    assert "no model" in clicks_refused("clip_mona", "nowhere").lower()
    assert "no clicks" in clicks_refused("unheard", "")


def test_an_engine_that_follows_no_clicks_is_not_asked(
    document: Document, engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("usassist.gui.document.clicking.clicks_refused", lambda _engine, _model: "It cannot. Choose.")
    document.find_out_clicks()
    document.lane_io.drain()
    told: list[str] = []
    document.message.connect(lambda text, _details: told.append(text))
    asked = len(engine.prompts)
    click.add_point(document, 50, 10, positive=True)
    assert told == ["It cannot. Choose."] and document.clicks is None and len(engine.prompts) == asked


def test_nothing_found_by_clicks_is_said(document: Document, engine: Any) -> None:
    document.drop_proposal(document.proposals[0])
    engine.finds_nothing = True
    click.add_point(document, 50, 10, positive=True)
    document.lane_inference.drain()
    assert document.proposals == () and document.found_nothing and document.click_answer is None


def test_a_click_beside_the_scan_is_said_to_be(
    document: Document, engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scanned = replace(document.frame, regions=(ScanRegion(Box(0, 0, 48, 30), "b_mode", None),))
    monkeypatch.setattr(document, "_frame", scanned)
    told: list[str] = []
    document.message.connect(lambda text, _details: told.append(text))
    click.add_point(document, 29.6, 10, positive=True)
    assert document.clicks is None and "inside the scan" in told[-1]
    click.add_point(document, 29.4, 10, positive=True)
    assert document.clicks is not None


def test_clicks_end_where_a_drawing_from_before_a_crash_comes_back(document: Document, qtbot: QtBot) -> None:
    mask = Mask.from_array(
        np.arange(document.frame.shape[0] * document.frame.shape[1]).reshape(document.frame.shape) < 9
    )
    draft = replace(document.annotation, regions=(Region("lost", "lesion", mask),), status="draft")
    document._offer_drafts([draft])
    point(document, qtbot, 32, 24)
    document.restore_drafts([draft])
    assert document.clicks is None and document.click_answer is None and document.proposals == ()
    document.drop_clicks()
    assert document.proposals == (), "Esc brings nothing back onto the restored drawing"
