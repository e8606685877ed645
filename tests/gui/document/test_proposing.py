"""The document and its engine: what waits, what is dropped, what the journal hears, what a broken engine does."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pytestqt.qtbot import QtBot

from tests.gui.strokes import dab
from usassist.core.domain import Label, Prompt
from usassist.core.errors import ModelError
from usassist.core.project import journal, store
from usassist.gui import commands
from usassist.gui.document import Document


def test_a_proposal_is_waiting_when_the_frame_opens(document: Document, engine: Any) -> None:
    (proposal,) = document.proposals
    assert proposal.frame_key == document.ref.key
    assert not document.annotation.regions
    assert engine.starts == 1


def test_an_edited_proposal_is_journalled_as_edited(document: Document) -> None:
    commands.proposal.accept(document)
    dab(document, 40, 40)
    document.flush()
    events = {event.action: event for event in journal.read(document.project, "ann")}
    assert events["edited"].unchanged is False
    assert events["edited"].weights_hash == "f" * 64
    assert events["saved"].seconds >= 0
    assert "accepted" not in events


def test_a_rejection_is_a_journal_event_and_no_status(document: Document) -> None:
    assert commands.proposal.reject(document)
    assert document.proposals == ()
    assert document.annotation.status == "untouched"
    document.flush()
    assert [event.action for event in journal.read(document.project, "ann")] == ["proposed", "rejected", "saved"]
    assert store.annotated_keys(document.project, "ann") == {}


def test_a_rejection_that_is_undone_is_not_journalled(document: Document) -> None:
    (proposal,) = document.proposals
    commands.proposal.reject(document)
    document.undo_stack.undo()
    assert document.proposals == (proposal,)
    document.flush()
    assert [event.action for event in journal.read(document.project, "ann")] == ["proposed"]


def test_an_engine_that_cannot_start_is_one_message(
    make_document: Callable[..., Document], images: Path, engine: Any, show: Callable[..., None], qtbot: QtBot
) -> None:
    engine.start_error = ModelError("There are no weights; add a model.")
    document, told = make_document(), []
    document.message.connect(lambda text, _details: told.append(text))
    document.open_paths([images])
    qtbot.waitUntil(lambda: document.engine_state == "failed")
    for index in (1, 2, 0):
        show(document, index)
    document.lane_inference.drain()
    assert engine.starts == 1
    assert sum("no weights" in text for text in told) == 1
    engine.start_error = None
    document.request_proposals()
    qtbot.waitUntil(lambda: bool(document.proposals))
    assert document.engine_state == "ready"


def test_a_late_proposal_never_lies_over_a_drawing_or_another_frame(
    make_document: Callable[..., Document], images: Path, engine: Any, show: Callable[..., None], qtbot: QtBot
) -> None:
    engine.gate.clear()
    document = make_document()
    with qtbot.waitSignals([document.opened, document.frame_shown]):
        document.open_paths([images])
    dab(document, 40, 40)
    engine.gate.set()
    document.lane_inference.drain()
    assert document.proposals == ()
    engine.gate.clear()
    show(document, 1)
    show(document, 2)
    engine.gate.set()
    qtbot.waitUntil(lambda: bool(document.proposals))
    assert {proposal.frame_key for proposal in document.proposals} == {document.ref.key}


def test_asking_again_replaces_what_waits(document: Document, qtbot: QtBot) -> None:
    (old,) = document.proposals
    with qtbot.waitSignal(document.proposals_changed):
        document.request_proposals(Prompt(document.active_label.id, text="mass"))
    (new,) = document.proposals
    assert new is not old
    assert new.prompt.text == "mass"


def test_the_next_file_is_warmed(document: Document, engine: Any, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: document.sources[1].key in {key.rpartition("_")[0] for key in engine.warmed})


def test_another_engine_is_started_and_the_old_one_closed(document: Document, engine: Any, qtbot: QtBot) -> None:
    with qtbot.waitSignal(document.engine_changed):
        document.set_engine("classical")
    assert document.engine_name == "classical"
    document.request_proposals()
    qtbot.waitUntil(lambda: engine.starts == 2)
    assert engine.closed == 1


def test_what_another_model_proposed_is_not_offered_any_more(document: Document, engine: Any, qtbot: QtBot) -> None:
    (old,) = document.proposals
    engine.gate.clear()
    with qtbot.waitSignal(document.proposals_changed):
        document.set_engine("clip_mona", "another")
    assert document.proposals == ()
    engine.gate.set()
    qtbot.waitUntil(lambda: len(document.proposals) == 1)
    assert document.proposals[0] is not old


def test_closing_does_not_wait_for_an_answer(
    make_document: Callable[..., Document], images: Path, engine: Any, qtbot: QtBot, monkeypatch: Any
) -> None:
    engine.gate.clear()
    document = make_document()
    with qtbot.waitSignal(document.frame_shown):
        document.open_paths([images])
    qtbot.waitUntil(lambda: engine.starts == 1)
    monkeypatch.setattr("usassist.gui.document.proposing.CLOSE_TIMEOUT_S", 60.0)  # of a busy machine
    engine.close = engine.gate.set  # as the end of a child process ends the call that waits for it
    document.close()
    assert engine.gate.is_set()
    assert not document.lane_inference._thread.is_alive()


def test_the_engine_is_ready_also_where_nobody_waits_for_its_answer(
    make_document: Callable[..., Document], images: Path, engine: Any, qtbot: QtBot
) -> None:
    (images / "still2.png").write_bytes(b"")
    engine.gate.clear()
    document = make_document()
    with qtbot.waitSignals([document.opened, document.frame_shown]):
        document.open_paths([images])
    with qtbot.waitSignal(document.frame_failed):
        document.show(1)
    engine.gate.set()
    qtbot.waitUntil(lambda: document.engine_state == "ready")
    assert engine.starts == 1


def test_the_written_text_is_asked_of_the_next_frame_too(
    document: Document, show: Callable[..., None], qtbot: QtBot, monkeypatch: Any
) -> None:
    monkeypatch.setattr(
        "usassist.gui.document.asking.specs", lambda: {document.engine_name: SimpleNamespace(prompts={"text"})}
    )
    document.set_prompt_text("  fetal head ")
    show(document, 1)
    qtbot.waitUntil(lambda: bool(document.proposals))
    assert document.proposals[0].prompt.text == "fetal head"
    document.set_prompt_text("")
    show(document, 2)
    qtbot.waitUntil(lambda: bool(document.proposals))
    assert document.proposals[0].prompt.text == document.active_label.caption


def test_frames_that_are_played_are_not_asked_about_before_they_stop(
    document: Document, engine: Any, show: Callable[..., None], qtbot: QtBot, monkeypatch: Any
) -> None:
    monkeypatch.setattr("usassist.gui.document.showing.QUICK_STEP_S", float("inf"))
    engine.asked.clear()
    for index in range(5):
        document._settle.stop()  # however long a frame takes here, it was quick
        show(document, 3, index)
    assert document._settle.isActive()
    assert engine.asked == []
    qtbot.waitUntil(lambda: bool(document.proposals))
    assert engine.asked == [document.ref.key]
    assert {proposal.frame_key for proposal in document.proposals} == {document.ref.key}


def test_an_answer_that_nothing_is_there_is_remembered(
    document: Document, engine: Any, show: Callable[..., None], qtbot: QtBot
) -> None:
    assert not document.found_nothing
    engine.propose = lambda _frame, _prompt: ()
    with qtbot.waitSignal(document.proposals_changed):
        document.request_proposals()
    assert document.found_nothing
    del engine.propose
    with qtbot.waitSignal(document.proposals_changed):
        document.request_proposals()
    assert not document.found_nothing


def test_nothing_to_segment_answers_a_question_that_is_still_open(document: Document, engine: Any) -> None:
    commands.proposal.reject(document)
    engine.gate.clear()
    document.request_proposals()
    commands.label.nothing_to_segment(document)
    engine.gate.set()
    document.lane_inference.drain()
    assert document.proposals == ()
    assert document.annotation.status == "accepted"


def test_a_label_without_a_caption_is_asked_by_its_name(document: Document, qtbot: QtBot, monkeypatch: Any) -> None:
    monkeypatch.setattr(
        "usassist.gui.document.asking.specs", lambda: {document.engine_name: SimpleNamespace(prompts={"text"})}
    )
    document.set_labels((*document.labels, Label("head", "Fetal head", "#112233")))
    document.set_active_label("head")
    with qtbot.waitSignal(document.proposals_changed):
        document.request_proposals()
    assert document.proposals[0].prompt.text == "Fetal head"


def test_N11_a_model_without_masks_is_not_asked_for_them(
    make_document: Callable[..., Document], images: Path, engine: Any, qtbot: QtBot
) -> None:
    engine.task = "classify"
    document = make_document()
    told: list[str] = []
    document.message.connect(lambda text, _details: told.append(text))
    with qtbot.waitSignals([document.opened, document.frame_shown]):
        document.open_paths([images])
    qtbot.waitUntil(lambda: document.engine_state == "ready")
    assert not document.draws_masks
    assert not document.found_nothing  # nobody looked
    assert engine.asked == []
    engine.error = ModelError("This model draws no masks.")
    document.request_proposals()
    qtbot.waitUntil(lambda: any("draws no masks" in text for text in told))
    assert document.engine_state == "ready"


def test_N11_a_question_starts_the_engine_and_a_newer_one_supersedes_it(
    make_document: Callable[..., Document], images: Path, engine: Any, qtbot: QtBot
) -> None:
    document = make_document(auto_propose=False)
    with qtbot.waitSignals([document.opened, document.frame_shown]):
        document.open_paths([images])
    answers: list[int] = []
    engine.gate.clear()
    frame = document.frame
    for number in range(3):
        document.ask_engine(
            lambda running, number=number: (running.embed(frame), number)[1], about="classes", done=answers.append
        )
    assert document.engine_state == "starting"
    engine.gate.set()
    qtbot.waitUntil(lambda: answers == [2])
    assert document.engine_state == "ready"
    document.ask_engine(lambda _engine: 7, about="classes", done=answers.append)
    document.drop_question("classes")
    document.lane_inference.drain()
    assert answers == [2]


def test_N11_an_engine_that_does_not_start_is_one_message(
    make_document: Callable[..., Document], images: Path, engine: Any, qtbot: QtBot
) -> None:
    document = make_document(auto_propose=False)
    with qtbot.waitSignals([document.opened, document.frame_shown]):
        document.open_paths([images])
    told: list[str] = []
    document.message.connect(lambda text, _details: told.append(text))
    engine.start_error = ModelError("No such model.")
    for _time in range(3):
        document.ask_engine(lambda _engine: None, about="classes", done=lambda _answer: None)
        document.lane_inference.drain()
    assert document.engine_state == "failed"
    assert engine.starts == 1
    assert told == ["The engine could not answer: No such model."]
