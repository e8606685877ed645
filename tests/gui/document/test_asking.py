"""What is found for a text of a person's own is kept under a label that they meant, or say so before they accept."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from usassist.core.domain import Box, Label
from usassist.gui.commands import click as click_commands
from usassist.gui.commands import proposal as proposal_commands
from usassist.gui.document import Document
from usassist.gui.document.asking import nothing_found, says_nothing_found

HEAD = Label("head", "Head", "#000000", "fetal head")


@pytest.fixture
def ask(document: Document, engine: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """Return a function that asks for a text on the frame on screen and returns what was said meanwhile."""
    spec = SimpleNamespace(prompts={"text", "points", "box", "mask"}, embeds=False)
    for module in ("asking", "clicking"):
        monkeypatch.setattr(f"usassist.gui.document.{module}.specs", lambda: {document.engine_name: spec})
    said: list[str] = []
    document.message.connect(lambda text, _details: said.append(text))

    def go(text: str) -> list[str]:
        said.clear()
        document.set_prompt_text(text)
        before = len(engine.prompts)
        document.request_proposals()
        qtbot.waitUntil(lambda: len(engine.prompts) > before)
        document.lane_inference.drain()
        return list(said)

    return go


@pytest.mark.parametrize(
    ("text", "label_id"),
    [
        ("", "lesion"),
        ("breast tumour", "lesion"),
        ("other structure", "structure"),
        ("fetal head", "Fetal head"),
        ("carotid artery", "Common carotid artery"),
        ("left kidney", "lesion"),
    ],
)
def test_a_text_that_asks_for_something_known_is_not_about_the_active_label(
    document: Document, ask: Callable[[str], list[str]], text: str, label_id: str
) -> None:
    ask(text)
    (proposal,) = document.proposals
    assert (proposal.label_id, proposal.prompt.label_id) == (label_id, label_id)
    assert proposal.prompt.text == (text or "breast lesion")


def test_accepting_adds_the_label_that_was_asked_for_and_undo_takes_it_back(
    document: Document, ask: Callable[[str], list[str]]
) -> None:
    before = document.labels
    ask("head of the fetus")
    proposal_commands.accept(document)
    added = document.labels[-1]
    assert (added.name, document.annotation.regions[0].label_id) == ("Fetal head", added.id)
    document.undo_stack.undo()
    assert document.labels == before


@pytest.mark.parametrize("chosen", ["lesion", "structure"])
def test_a_label_that_is_chosen_after_a_text_is_what_is_asked_for(
    document: Document, ask: Callable[[str], list[str]], engine: Any, show: Callable, *, qtbot: QtBot, chosen: str
) -> None:
    ask("fetal head")
    said: list[str] = []
    document.message.connect(lambda text, _details: said.append(text))
    with qtbot.waitSignals([document.text_dropped, document.active_label_changed]):
        document.set_active_label(chosen)
    assert said == [f"Asking for {document.active_label.name} again."]
    assert document.asked_label_id == chosen
    for point_at in (
        lambda: click_commands.add_point(document, 50, 10, positive=True),
        lambda: click_commands.set_box(document, Box(5, 5, 15, 25)),
    ):
        point_at()
        qtbot.waitUntil(lambda: document.click_answer is not None)
        asked = engine.prompts[-1]
        assert (asked.label_id, asked.text) == (chosen, document.active_label.caption)
        document.drop_clicks()
    show(document, 1)
    qtbot.waitUntil(lambda: bool(document.proposals))
    assert {item.label_id for item in document.proposals} == {chosen}


@pytest.mark.parametrize(("text", "chosen"), [("left kidney", "structure"), ("fetal skull", "head")])
def test_a_text_that_may_be_about_the_chosen_label_stays(
    document: Document, ask: Callable[[str], list[str]], qtbot: QtBot, text: str, chosen: str
) -> None:
    document.set_labels((*document.labels, HEAD))
    ask(text)
    with qtbot.assertNotEmitted(document.text_dropped):
        document.set_active_label(chosen)
    ask(text)
    assert (document.proposals[0].label_id, document.proposals[0].prompt.text) == (chosen, text)


def test_a_label_added_for_two_frames_goes_with_the_last_of_them(
    document: Document, ask: Callable[[str], list[str]], show: Callable
) -> None:
    before = document.labels
    for number in (0, 1):
        show(document, number)
        ask("fetal head")
        proposal_commands.accept(document)
    for number in (0, 1):
        assert len(document.labels) == len(before) + 1
        show(document, number)
        document.undo_stack.undo()
    assert document.labels == before


def test_what_refines_a_region_adds_no_label(document: Document, ask: Callable[[str], list[str]], qtbot: QtBot) -> None:
    before = document.labels
    ask("")
    proposal_commands.accept(document)
    click_commands.add_point(document, 32, 24, positive=True)
    qtbot.waitUntil(lambda: document.click_answer is not None)
    assert document.proposals[0].refines is not None
    proposal_commands.accept(document, label_id="left kidney")
    assert document.labels == before
    assert [region.label_id for region in document.annotation.regions] == ["lesion"]


def test_a_long_text_is_said_in_short(document: Document, ask: Callable[[str], list[str]], engine: Any) -> None:
    words = "unheard " * 100
    (said,) = ask(words)
    assert len(said) < 150 and "unh…' as Lesion" in said
    engine.finds_nothing = True
    (said,) = ask(words)
    assert len(said) < 150 and "…'; point" in said
    assert document.asked_label_id == "lesion"


def test_one_click_asks_once_which_label_it_is_for(
    document: Document, ask: Callable[[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    ask("")
    proposal_commands.accept(document)
    (found,) = document.annotation.regions
    many = tuple(replace(found, id=f"r{number}") for number in range(50))
    document.replace_annotation(replace(document.annotation, regions=many))
    asked: list[str] = []
    monkeypatch.setattr(Document, "asked_label_id", property(lambda _self: asked.append("") or "lesion"))
    assert len(click_commands._drawn(document)) == 50
    assert len(asked) == 1


def test_a_label_that_stands_for_the_text_is_taken(document: Document, ask: Callable[[str], list[str]]) -> None:
    document.set_labels((*document.labels, HEAD))
    ask("fetal skull")
    proposal_commands.accept(document)
    assert [region.label_id for region in document.annotation.regions] == ["head"]
    assert document.active_label.id == "lesion"


def test_an_engine_that_reads_no_text_is_asked_about_the_active_label(document: Document, engine: Any) -> None:
    document.set_engine("classical")
    document.set_prompt_text("fetal head")
    assert document.asked_label_id == document.active_label.id


def test_words_of_ones_own_are_said_with_the_label_once(document: Document, ask: Callable[[str], list[str]]) -> None:
    (said,) = ask("left kidney")
    assert "'left kidney' as Lesion" in said and "right-click" in said
    assert document.own_words(document.proposals[0]) == "left kidney"
    assert ask("left kidney") == []
    assert ask("fetal head") == [], "the row says it: nothing is mislabelled"
    assert ask("hypoechoic mass") == [], "a breast lesion can be one"
    assert ask("") == []
    assert document.own_words(document.proposals[0]) == ""


def test_clicks_are_about_what_the_text_asks_for(
    document: Document, ask: Callable[[str], list[str]], engine: Any, qtbot: QtBot
) -> None:
    ask("fetal head")
    (waiting,) = document.waiting_outlines
    assert waiting.label_id == "Fetal head"
    click_commands.add_point(document, 32, 24, positive=True)
    qtbot.waitUntil(lambda: document.click_answer is not None)
    assert engine.prompts[-1].label_id == "Fetal head"
    assert engine.prompts[-1].mask == waiting.mask, "the click corrects what waited"
    assert [proposal.label_id for proposal in document.proposals] == ["Fetal head"]


def test_a_click_on_a_region_of_another_label_does_not_redraw_it(
    document: Document, ask: Callable[[str], list[str]], engine: Any, qtbot: QtBot
) -> None:
    ask("")
    proposal_commands.accept(document)
    (lesion,) = document.annotation.regions
    box = lesion.mask.box
    at = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    document.select_region(None)
    document.set_prompt_text("fetal head")
    click_commands.add_point(document, *at, positive=True)
    qtbot.waitUntil(lambda: document.click_answer is not None)
    assert (engine.prompts[-1].label_id, document.click_answer.refines) == ("Fetal head", None)
    document.drop_clicks()
    document.select_region(lesion.id)
    click_commands.add_point(document, *at, positive=True)
    qtbot.waitUntil(lambda: document.click_answer is not None)
    assert document.click_answer.refines == lesion.id
    assert (engine.prompts[-1].label_id, engine.prompts[-1].text) == ("lesion", "breast lesion")


def test_a_click_corrects_a_class_that_got_its_label_meanwhile(
    document: Document, ask: Callable[[str], list[str]]
) -> None:
    ask("fetal head")
    document.set_labels((*document.labels, HEAD))
    assert document.asked_label_id == "head"
    assert document.waiting_outlines == document.proposals


def test_a_text_that_two_labels_mean_is_kept_under_one_of_them_with_clicks_and_without(
    document: Document, ask: Callable[[str], list[str]], engine: Any, qtbot: QtBot
) -> None:
    first = Label("head-a", "Fetal head", "#112233", "fetal head")
    second = Label("head-b", "Head, second look", "#223344", "fetal skull outline")
    document.set_labels((*document.labels, first, second))
    ask("fetal cranium")
    (waiting,) = document.proposals
    assert document.active_label.id == "lesion"
    assert (document.asked_label_id, waiting.label_id, document.waiting_outlines) == ("head-a", "head-a", (waiting,))
    click_commands.add_point(document, 32, 24, positive=True)
    qtbot.waitUntil(lambda: document.click_answer is not None)
    assert engine.prompts[-1].mask == waiting.mask
    assert [item.label_id for item in document.proposals] == ["head-a"]
    click_commands.accept(document)
    assert [region.label_id for region in document.annotation.regions] == ["head-a"]


def test_an_answer_takes_over_an_outline_whose_class_got_its_label_meanwhile(
    document: Document, ask: Callable[[str], list[str]], qtbot: QtBot
) -> None:
    ask("fetal head")
    (waiting,) = document.proposals
    document.set_labels((*document.labels, HEAD))
    click_commands.add_point(document, 60, 4, positive=True)
    qtbot.waitUntil(lambda: document.click_answer is not None)
    assert waiting in document.proposals and len(document.proposals) == 2
    click_commands.set_box(document, Box(2, 2, 46, 62))
    qtbot.waitUntil(lambda: document.click_answer is not None)
    assert document.proposals == (document.click_answer,)


@pytest.mark.parametrize("other", ["label", "text", "model", "label's words"])
def test_that_nothing_was_found_holds_for_what_was_asked(
    document: Document, ask: Callable[[str], list[str]], engine: Any, qtbot: QtBot, other: str
) -> None:
    document.auto_propose = False
    engine.finds_nothing = True
    ask("")
    assert document.found_nothing
    with qtbot.waitSignal(document.proposals_changed):
        if other == "label":
            document.set_active_label("structure")
        elif other == "text":
            document.set_prompt_text("left kidney")
        elif other == "model":
            document.set_engine(document.engine_name, "other")
        else:
            document.set_labels((replace(document.labels[0], caption="cyst"), *document.labels[1:]))
    assert not document.found_nothing
    if other == "label":
        document.set_active_label("lesion")
    elif other == "text":
        document.set_prompt_text("")
    assert document.found_nothing is (other in ("label", "text")), "the same question has the same answer"


def test_that_clicks_found_nothing_says_nothing_about_the_label(
    document: Document, ask: Callable[[str], list[str]], engine: Any, qtbot: QtBot
) -> None:
    proposal_commands.reject(document)
    engine.finds_nothing = True
    click_commands.add_point(document, 32, 24, positive=True)
    qtbot.waitUntil(lambda: document.found_nothing)
    with qtbot.waitSignal(document.proposals_changed):
        document.settle_clicks()
    assert not document.found_nothing
    ask("")
    engine.finds_nothing = False
    assert document.found_nothing
    click_commands.add_point(document, 32, 24, positive=True)
    qtbot.waitUntil(lambda: document.click_answer is not None)
    assert not document.found_nothing
    document.drop_clicks()
    assert document.found_nothing


def test_nothing_found_names_what_was_written(document: Document, ask: Callable[[str], list[str]], engine: Any) -> None:
    engine.finds_nothing = True
    for text in ("fetal head", "left kidney"):
        (said,) = ask(text)
        assert said == nothing_found(text)
        assert said.startswith(f"Nothing found for '{text}';") and says_nothing_found(said)
    (said,) = ask("")
    assert said == nothing_found() == "The engine found nothing in this frame."
    assert says_nothing_found(said) and not says_nothing_found("Saved.")


def test_a_proposal_can_be_accepted_with_another_label(document: Document, ask: Callable[[str], list[str]]) -> None:
    before = document.labels
    ask("left kidney")
    proposal_commands.accept(document, label_id="structure")
    assert [region.label_id for region in document.annotation.regions] == ["structure"]
    document.undo_stack.undo()
    assert [proposal.label_id for proposal in document.proposals] == ["lesion"]
    proposal_commands.accept(document, label_id="left kidney")
    assert [(label.id, label.name, label.caption) for label in document.labels[2:]] == [
        ("left-kidney", "left kidney", "left kidney")
    ]
    assert document.annotation.regions[0].label_id == "left-kidney"
    document.undo_stack.undo()
    assert document.labels == before
    document.undo_stack.redo()
    assert document.annotation.regions[0].label_id == document.labels[-1].id == "left-kidney"


def test_the_device_is_what_the_engine_runs_on(document: Document, engine: Any) -> None:
    assert (document.device, document.running_device) == ("auto", "cpu"), "an engine that says nothing has no weights"
    engine.device = "cuda:0"
    assert document.running_device == "cuda:0"
    document.auto_propose = False
    document.set_engine("classical")
    assert document.running_device == ""
