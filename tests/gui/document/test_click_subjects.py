"""What clicks are about: which region they refine, when another object begins, and what becomes of what waits."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from tests.gui.document.test_clicking import point
from tests.gui.strokes import dab
from usassist.core.domain import Box, ScanRegion
from usassist.core.errors import ModelError
from usassist.gui.commands import click, label, proposal
from usassist.gui.document import Document


@pytest.fixture
def told(document: Document) -> list[str]:
    """Return what the document says from now on."""
    said: list[str] = []
    document.message.connect(lambda text, _details: said.append(text))
    return said


@pytest.fixture
def accepted(document: Document) -> Any:
    """Return the region that the first proposal became: a disc of radius 9 around (21, 24), selected."""
    proposal.accept(document)
    return document.annotation.regions[0]


def test_A1_an_object_begun_after_deselecting_leaves_the_refined_region_alone(
    document: Document, engine: Any, accepted: Any, qtbot: QtBot
) -> None:
    point(document, qtbot, 31, 24)
    outline = document.click_answer
    document.settle_clicks()
    assert document.proposals == (outline,)
    document.select_region(None)
    assert document.proposals == (), "what refines it waits while it is selected"
    point(document, qtbot, 55, 40)
    assert engine.prompts[-1].mask is None and document.click_answer.refines is None
    click.accept(document)
    assert document.annotation.regions[0] == accepted and len(document.annotation.regions) == 2
    document.select_region(accepted.id)
    assert document.proposals == (outline,), "selected again, its outline waits again"


def test_A1_an_outline_of_a_region_that_was_changed_meanwhile_is_dropped(
    document: Document, accepted: Any, qtbot: QtBot
) -> None:
    point(document, qtbot, 31, 24)
    document.select_region(None)
    dab(document, 21, 24, erase=True)
    document.select_region(None)
    document.select_region(accepted.id)
    assert document.proposals == ()


def test_A1_a_frame_that_is_shown_again_shows_the_outline_and_what_it_refines(
    document: Document, accepted: Any, show: Callable[..., None], qtbot: QtBot
) -> None:
    point(document, qtbot, 31, 24)
    outline = document.click_answer
    show(document, 1)
    show(document, 0)
    assert document.proposals == (outline,) and document.selected_region == accepted


def test_A2_what_is_accepted_while_objects_are_pointed_at_is_not_selected(document: Document) -> None:
    document.is_pointing = True
    proposal.accept(document)
    assert document.annotation.regions and document.selected_region is None


@pytest.mark.parametrize("place", [(55, 40), "box"])
def test_A2_a_first_click_far_from_the_selected_region_begins_another_object(
    document: Document, accepted: Any, told: list[str], qtbot: QtBot, place: Any
) -> None:
    if place == "box":
        click.set_box(document, Box(36, 48, 44, 60))
    else:
        click.add_point(document, *place, positive=True)
    qtbot.waitUntil(lambda: document.click_answer is not None)
    assert document.selected_region is None and document.click_answer.refines is None
    assert document.clicks.mask is None and "new object" in told[0]
    click.accept(document)
    assert document.annotation.regions[0] == accepted


def test_A2_the_first_click_alone_decides_and_a_negative_one_is_about_what_is_selected(
    document: Document, accepted: Any, qtbot: QtBot
) -> None:
    click.add_point(document, 55, 40, positive=False)
    qtbot.waitUntil(lambda: document.click_answer is not None)
    point(document, qtbot, 55, 40)
    assert document.click_answer.refines == accepted.id


def test_A2_a_click_a_few_screen_pixels_away_refines_at_every_zoom(document: Document, accepted: Any) -> None:
    click.add_point(document, 36, 24, positive=True, near=7)
    assert document.selected_region == accepted


@pytest.mark.parametrize("positive", [True, False])
def test_A3_a_first_click_in_a_region_of_the_label_refines_that(
    document: Document, engine: Any, accepted: Any, told: list[str], qtbot: QtBot, *, positive: bool
) -> None:
    document.select_region(None)
    point(document, qtbot, 21, 18, positive=positive)
    assert document.selected_region == accepted and document.click_answer.refines == accepted.id
    assert engine.prompts[-1].mask == accepted.mask and "Refining" in told[0]
    click.accept(document)
    assert len(document.annotation.regions) == 1


@pytest.mark.parametrize(("box", "refines"), [(Box(13, 10, 36, 34), True), (Box(10, 24, 40, 60), False)])
def test_A3_a_box_around_a_region_refines_that_and_one_beside_it_does_not(
    document: Document, accepted: Any, qtbot: QtBot, box: Box, *, refines: bool
) -> None:
    for chosen in (None, accepted.id):
        document.select_region(chosen)
        click.set_box(document, box)
        assert (document.selected_region == accepted) is refines
        document.drop_clicks()


def test_A3_a_region_of_another_label_is_not_refined(document: Document, accepted: Any, qtbot: QtBot) -> None:
    document.set_active_label(document.labels[1].id)
    point(document, qtbot, 21, 24)
    assert document.click_answer.refines is None and document.click_answer.label_id == document.labels[1].id


def test_B_a_first_click_far_from_what_waits_begins_another_object_and_the_other_goes_on_waiting(
    document: Document, engine: Any, told: list[str], qtbot: QtBot
) -> None:
    (waiting,) = document.proposals
    point(document, qtbot, 55, 40)
    answer = document.click_answer
    assert engine.prompts[-1].mask is None and "other outline waits" in told[0]
    assert document.proposals == (answer, waiting)
    point(document, qtbot, 24, 24)
    assert engine.prompts[-1].mask == answer.mask, "the first click decides what all are about"
    click.take_back(document)
    qtbot.waitUntil(lambda: document.click_answer is not None)
    assert document.proposals == (document.click_answer, waiting)
    click.take_back(document)
    assert document.proposals == (waiting,)
    document.click_stack.redo()
    qtbot.waitUntil(lambda: document.click_answer is not None)
    assert engine.prompts[-1].mask is None and document.proposals[1:] == (waiting,)
    document.drop_clicks()
    assert document.proposals == (waiting,), "Esc brings back what waited, and no more"
    point(document, qtbot, 55, 40)
    click.accept(document)
    assert len(document.annotation.regions) == 1 and document.proposals == (waiting,)


def test_B_of_several_that_wait_the_one_that_is_clicked_at_is_corrected(
    document: Document, engine: Any, qtbot: QtBot
) -> None:
    (first,) = document.proposals
    point(document, qtbot, 55, 40)
    second = document.click_answer
    document.settle_clicks()
    for x, y, positive, about, other in (
        (33, 24, True, first, second),
        (24, 24, False, first, second),
        (57, 42, True, second, first),
        (50, 40, False, second, first),
    ):
        point(document, qtbot, x, y, positive=positive)
        assert engine.prompts[-1].mask == about.mask
        assert document.proposals == (document.click_answer, other)
        document.drop_clicks()


def test_B_an_answer_that_holds_what_waited_takes_its_place(document: Document, engine: Any, qtbot: QtBot) -> None:
    (waiting,) = document.proposals
    point(document, qtbot, 55, 40)
    assert waiting in document.proposals
    for x in range(18, 26):
        point(document, qtbot, x, 24)
    assert document.proposals == (document.click_answer,)
    document.drop_clicks()
    assert document.proposals == (waiting,)


@pytest.mark.parametrize(("box", "stays"), [(Box(36, 40, 46, 60), True), (Box(30, 10, 46, 60), False)])
def test_B_a_box_beside_what_waits_begins_another_object(
    document: Document, qtbot: QtBot, box: Box, *, stays: bool
) -> None:
    (waiting,) = document.proposals
    click.set_box(document, box)
    qtbot.waitUntil(lambda: document.click_answer is not None)
    assert (waiting in document.proposals) is stays
    document.drop_clicks()
    assert document.proposals == (waiting,)


def test_B_where_a_click_erases_the_outline_the_next_one_begins_from_nothing(
    document: Document, engine: Any, told: list[str], qtbot: QtBot
) -> None:
    engine.finds_nothing = True
    click.add_point(document, 21, 24, positive=False)
    qtbot.waitUntil(lambda: document.found_nothing)
    assert document.proposals == () and told == [
        "Nothing is left of the outline; click what belongs to the object, or press Esc."
    ]
    engine.finds_nothing = False
    point(document, qtbot, 55, 40)
    asked = engine.prompts[-1]
    assert asked.mask is None and [item.positive for item in asked.points] == [False, True]


def test_A3_a_negative_click_with_nothing_to_correct_asks_nothing(
    document: Document, engine: Any, told: list[str]
) -> None:
    proposal.reject(document)
    asked = len(engine.prompts)
    click.add_point(document, 21, 24, positive=False)
    assert document.clicks is None and len(engine.prompts) == asked and "nothing" not in told[0].lower()
    assert "click what belongs" in told[0]


def test_A4_refining_a_region_keeps_the_outline_of_another_object(
    document: Document, accepted: Any, qtbot: QtBot
) -> None:
    document.select_region(None)
    point(document, qtbot, 55, 40)
    other = document.click_answer
    document.select_region(accepted.id)
    assert document.proposals == (other,)
    point(document, qtbot, 31, 24)
    assert other in document.proposals and len(document.proposals) == 2
    click.accept(document)
    assert document.proposals == (other,) and len(document.annotation.regions) == 1


def test_A6_clicks_wait_until_it_is_known_whether_the_model_follows_them(
    document: Document, engine: Any, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("usassist.gui.document.clicking.clicks_refused", lambda _engine, _model: "It cannot. Choose.")
    document.set_engine("classical")
    click.add_point(document, 50, 10, positive=True)
    assert "not known yet" in told[-1] and document.clicks is None
    document.lane_io.drain()
    click.add_point(document, 50, 10, positive=True)
    assert told[-1] == "It cannot. Choose." and not any(prompt.points for prompt in engine.prompts)


def test_A7_points_and_boxes_are_asked_where_the_model_looks(
    document: Document, engine: Any, told: list[str], monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    regions = (ScanRegion(Box(4, 4, 40, 50), "b_mode", None), ScanRegion(Box(40, 0, 48, 64), "spectral_doppler", None))
    monkeypatch.setattr(document, "_frame", replace(document.frame, regions=regions))
    click.add_point(document, 20, 44, positive=True)
    click.set_box(document, Box(41, 10, 47, 30))
    assert document.clicks is None and len(told) == 2 and all("scan does not reach" in text for text in told)
    click.set_box(document, Box(0, 0, 20, 20))
    assert document.clicks.box == Box(4, 4, 20, 20)


def test_A10_leaving_the_frame_says_that_the_outline_was_not_accepted(
    document: Document, engine: Any, told: list[str], show: Callable[..., None], qtbot: QtBot
) -> None:
    point(document, qtbot, 50, 10)
    show(document, 1)
    assert told.count("The outline of still1.png waits and was not accepted.") == 1
    del told[:]
    show(document, 0)
    engine.gate.clear()
    click.add_point(document, 50, 10, positive=True)
    show(document, 1)
    assert told == ["The clicks on still1.png are dropped."]
    show(document, 0)
    assert len(told) == 1


@pytest.mark.parametrize("say", [label.toggle_flag, lambda document: label.set_note(document, "odd")])
def test_A10_a_flag_and_a_note_keep_the_clicks(document: Document, qtbot: QtBot, say: Callable) -> None:
    point(document, qtbot, 50, 10)
    answer = document.click_answer
    say(document)
    assert document.clicks is not None and document.click_answer is answer
    document.undo_group.undo()
    assert document.clicks is None and document.undo_stack.count() == 1


def test_B1_refused_clicks_do_not_break_the_engine(
    document: Document, engine: Any, images: Path, show: Callable[..., None], qtbot: QtBot
) -> None:
    engine.error = ModelError("The clicks lie outside.")
    for x in (50, 52, 54, 56):
        click.add_point(document, x, 10, positive=True)
        document.lane_inference.drain()
    assert document.engine_state == "ready"
    engine.error = None
    show(document, 1)
    qtbot.waitUntil(lambda: bool(document.proposals))


def test_a_click_that_was_taken_back_is_not_done_again_for_something_else(
    document: Document, accepted: Any, qtbot: QtBot
) -> None:
    point(document, qtbot, 31, 24)
    click.take_back(document)
    assert document.click_stack.canRedo()
    document.select_region(None)
    assert not document.click_stack.canRedo()


def test_a_first_click_that_was_taken_back_is_done_again_and_not_an_older_step(
    document: Document, engine: Any, qtbot: QtBot
) -> None:
    proposal.accept(document)
    document.undo_group.undo()
    (waiting,) = document.proposals
    point(document, qtbot, 55, 40)
    document.undo_group.undo()
    assert document.clicks is None and document.proposals == (waiting,)
    document.undo_group.redo()
    assert document.annotation.regions == () and document.clicks is not None
    qtbot.waitUntil(lambda: document.click_answer is not None)
    assert len(document.clicks.points) == 1
    document.undo_group.undo()
    document.undo_stack.redo()
    assert document.undo_group.activeStack() is document.undo_stack and not document.click_stack.canRedo()
