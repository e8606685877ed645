"""The proposals panel shows what engines answered and is honest where there is nothing to show."""

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QMenu

from usassist.core.captions.asked_label import label_id_of_text
from usassist.core.domain import Label
from usassist.core.errors import ModelError
from usassist.core.models.weights import ModelInfo
from usassist.core.proposers import ProposerSpec
from usassist.gui.commands import click as click_commands
from usassist.gui.commands import label as label_commands
from usassist.gui.commands import proposal as proposal_commands
from usassist.gui.docks.proposals import UNLIKE, ProposalsDock
from usassist.gui.docks.rows import ROW_ROLE


def never(_options: object) -> None:
    raise AssertionError


ENGINES = {
    "clip_mona": ProposerSpec("clip_mona", "CLIP-Mona", frozenset({"text"}), ("weights",), never),
    "classical": ProposerSpec("classical", "Classical", frozenset(), (), never),
}


def model(name: str, *, problem: str = "") -> ModelInfo:
    return ModelInfo(name, Path(name), name.upper(), "user", "" if problem else "ab12cd34" * 8, None, problem)


MODELS = (model("usassist-us"), model("mine"))


@pytest.fixture
def make_dock(qtbot):
    def make(document, *, models=MODELS) -> ProposalsDock:
        dock = ProposalsDock(document, engines=lambda: ENGINES, models=lambda: models)
        qtbot.addWidget(dock)
        dock.question.fill()
        qtbot.waitUntil(lambda: dock.question.is_listed)
        return dock

    return make


def test_a_proposal_shows_its_numbers(make_dock, document) -> None:
    dock = make_dock(document)
    row = dock.rows.index(0).data(ROW_ROLE)
    assert row.title == document.labels[0].name
    assert row.trailing == "72 %"
    assert [(bar.name, bar.value) for bar in row.bars] == [("Presence", 0.9), ("Quality", 0.8)]
    assert "0.00 s" in row.subtitle
    assert "presence 90%" in dock.rows.index(0).data(Qt.ItemDataRole.AccessibleTextRole)


def test_accept_waits_for_the_answer_to_clicks(make_dock, document, engine, qtbot) -> None:
    dock, (old,) = make_dock(document), document.proposals
    engine.gate.clear()
    click_commands.add_point(document, 50, 10, positive=True)
    dock.accept_button.click()
    assert document.annotation.regions == () and document.proposals == (old,) and document.clicks is not None
    engine.gate.set()
    qtbot.waitUntil(lambda: document.click_answer is not None)
    answer = document.click_answer
    dock.accept_button.click()
    assert [region.mask for region in document.annotation.regions] == [answer.mask]


def test_accept_and_reject_are_commands(make_dock, document) -> None:
    dock = make_dock(document)
    dock.accept_button.click()
    assert [region.origin for region in document.annotation.regions] == ["engine"]
    assert not dock.accept_button.isEnabled()
    assert "This frame is done" in dock.empty.text
    document.undo_stack.undo()
    assert dock.rows.rowCount() == 1
    dock.reject_button.click()
    assert document.annotation.regions == ()
    assert dock.rows.rowCount() == 0
    document.undo_stack.undo()
    assert dock.rows.rowCount() == 1


def test_again_asks_with_the_written_text(make_dock, document, monkeypatch) -> None:
    dock = make_dock(document)
    asked = []
    monkeypatch.setattr(document, "request_proposals", lambda prompt=None: asked.append(prompt))
    dock.again_button.click()
    dock.prompt_field.setText("  dark oval mass ")
    dock.prompt_field.returnPressed.emit()
    assert asked[0] is None
    assert (asked[1].text, asked[1].label_id) == ("dark oval mass", document.active_label.id)


def _asks(dock: ProposalsDock, document, text: str, qtbot) -> None:
    """Ask for a text; the engine of these tests is taken for one that reads texts."""
    dock.prompt_field.setText(text)
    with qtbot.waitSignal(document.proposals_changed):
        dock.again_button.click()
    document.lane_inference.drain()


def test_a_row_says_what_was_asked_in_words_of_ones_own(make_dock, document, qtbot) -> None:
    dock = make_dock(document)
    _asks(dock, document, "left kidney", qtbot)
    row = dock.rows.rows[0]
    assert row.title == "Lesion"
    assert row.subtitle.startswith("asked: left kidney · ")
    assert "asked: left kidney" in row.spoken and "Right-click" in row.tip
    _asks(dock, document, "breast lesion", qtbot)
    assert "asked" not in dock.rows.rows[0].subtitle


def test_a_text_that_no_label_stands_for_names_the_row(make_dock, document, qtbot) -> None:
    dock = make_dock(document)
    _asks(dock, document, "fetal head", qtbot)
    row = dock.rows.rows[0]
    assert (row.title, row.subtitle.split(" · ")[0]) == ("Fetal head", "new label")
    assert "accepting adds one" in row.tip
    dock.accept_button.click()
    assert [label.name for label in document.labels] == ["Lesion", "Other structure", "Fetal head"]
    assert document.annotation.regions[0].label_id == label_id_of_text("fetal skull") == "fetal_head"


def test_the_menu_of_a_row_accepts_it_with_another_label(make_dock, document, qtbot) -> None:
    dock = make_dock(document)
    assert dock.label_menu(1) is None
    words = [action.text() for action in dock.label_menu(0).actions()]
    assert words == ["Accept as Lesion", "Accept as Other structure"]
    _asks(dock, document, "left kidney", qtbot)
    *known, new = dock.label_menu(0).actions()
    assert new.text() == "Accept as a new label, left kidney"
    known[1].trigger()
    assert document.annotation.regions[0].label_id == "structure"
    document.undo_stack.undo()
    new.trigger()
    assert document.annotation.regions[0].label_id == "left-kidney"
    new.trigger()
    assert len(document.annotation.regions) == 1, "it waits no longer"
    document.undo_stack.undo()
    _asks(dock, document, "fetal head", qtbot)
    assert dock.label_menu(0).actions()[-1].text() == "Accept as a new label, Fetal head"


def test_a_long_text_stays_short_and_an_ampersand_stays_one(make_dock, document, qtbot) -> None:
    dock = make_dock(document)
    document.set_labels((*document.labels, Label("rd", "R&D", "#112233")))
    _asks(dock, document, "unheard " * 600, qtbot)
    assert len(dock.prompt_field.text()) == 1000
    row = dock.rows.rows[0]
    assert len(row.subtitle) < 120 and "unh… ·" in row.subtitle
    assert len(row.spoken) < 250 and max(map(len, row.tip.splitlines())) < 150
    *_, rd, new = [action.text() for action in dock.label_menu(0).actions()]
    assert rd == "Accept as R&&D"
    assert len(new) < 80 and new.endswith("…")


def test_a_menu_is_gone_once_it_was_closed(make_dock, document, qtbot) -> None:
    dock = make_dock(document)
    for _ in range(3):
        menu = dock.label_menu(0)
        with qtbot.waitSignal(menu.destroyed):
            menu.popup(dock.pos())
            menu.close()
    assert dock.findChildren(QMenu) == []


def test_engine_and_model_are_chosen_here_and_elsewhere(make_dock, document) -> None:
    dock = make_dock(document)
    assert dock.question.engine_box.currentData() == "clip_mona"
    assert dock.question.model_box.currentData() == "usassist-us"
    assert dock.prompt_field.placeholderText() == document.active_label.caption
    dock.question.model_box.setCurrentIndex(1)
    dock.question.model_box.activated.emit(1)
    assert (document.engine_name, document.model_name) == ("clip_mona", "mine")
    document.set_engine("classical")
    assert dock.question.engine_box.currentData() == "classical"
    assert not dock.question.model_box.isEnabled()
    assert not dock.prompt_field.isEnabled()
    assert "no text" in dock.prompt_field.placeholderText()
    assert dock.question.state_text.text() == "Needs no model"


def test_without_a_model_it_says_so(make_dock, make_document) -> None:
    dock = make_dock(make_document(), models=())
    assert "No trained model" in dock.question.state_text.text()
    assert dock.question.state_text.property("role") == "warning"
    assert not dock.question.model_box.isEnabled()
    assert "No frame is shown" in dock.empty.text


def test_a_damaged_model_cannot_be_chosen(make_dock, make_document) -> None:
    dock = make_dock(make_document(), models=(model("usassist-us", problem="model.safetensors is missing."),))
    assert "damaged" in dock.question.model_box.itemText(0)
    assert not dock.question.model_box.model().item(0).isEnabled()
    assert "missing" in dock.question.state_text.text()


def test_a_model_is_picked_by_its_name_and_the_tip_says_its_title(make_dock, make_document) -> None:
    box = make_dock(make_document()).question.model_box
    assert [box.itemText(row) for row in range(box.count())] == ["usassist-us", "mine"]
    assert box.itemData(1, Qt.ItemDataRole.ToolTipRole).startswith("MINE\n")
    assert "USASSIST-US" in box.toolTip()


def test_a_model_names_its_weights(make_dock, make_document) -> None:
    dock = make_dock(make_document())
    assert dock.question.state_text.text() == "user model · weights ab12cd34 · not loaded"


def test_a_failed_engine_is_told(make_dock, make_document, engine, images, qtbot) -> None:
    engine.error = ModelError("No.")
    document = make_document()
    dock = make_dock(document)
    with qtbot.waitSignal(document.frame_shown):
        document.open_paths([images])
    qtbot.waitUntil(lambda: document.engine_state == "failed")
    assert "gave no answer" in dock.empty.text
    assert dock.again_button.isEnabled()


def test_work_is_shown_while_it_lasts(make_dock, document) -> None:
    dock = make_dock(document)
    document.busy_changed.emit("Loading the engine")
    assert not dock.busy_bar.isHidden()
    assert not dock.again_button.isEnabled()
    document.busy_changed.emit("")
    assert dock.busy_bar.isHidden()
    assert dock.again_button.isEnabled()


def test_an_engine_that_loads_is_told_until_the_first_proposal(make_dock, make_document, engine, images, qtbot) -> None:
    engine.gate.clear()
    document = make_document()
    dock = make_dock(document)
    with qtbot.waitSignal(document.frame_shown):
        document.open_paths([images])
    assert document.engine_state == "starting"
    assert "The engine is loading" in dock.empty.text
    assert not dock.busy_bar.isHidden()
    with qtbot.waitSignal(document.open_failed):
        document.open_paths([images / "nowhere"])
    assert not dock.busy_bar.isHidden()
    assert "The engine is loading" in dock.empty.text
    engine.gate.set()
    qtbot.waitUntil(lambda: dock.rows.rowCount() == 1)
    assert dock.busy_bar.isHidden()


def test_an_empty_panel_says_what_is_missing(make_dock, document, engine, images, qtbot) -> None:
    (images / "still10.png").write_bytes(b"")
    dock = make_dock(document)
    label_commands.unusable(document)
    assert "Marked unusable" in dock.empty.text
    document.undo_stack.undo()
    proposal_commands.accept(document)
    label_commands.set_status(document, "draft", text="Again")
    assert "Press Enter to accept" in dock.empty.text
    dock.accept_button.click()
    assert document.annotation.status == "accepted"
    assert not dock.accept_button.isEnabled()
    engine.propose = lambda _frame, _prompt: ()
    with qtbot.waitSignal(document.frame_shown):
        document.step_file(1)
    qtbot.waitUntil(lambda: "found nothing" in dock.empty.text)
    assert "Q" in dock.empty.text and "press N" in dock.empty.text
    dock.prompt_field.setText("fetal head")
    dock.again_button.click()
    qtbot.waitUntil(lambda: "What you wrote was not found" in dock.empty.text)
    assert "press N" not in dock.empty.text, "no head is not yet no lesion"
    dock.prompt_field.clear()
    with qtbot.waitSignal(document.frame_failed):
        document.step_file(1)
    assert "cannot be read" in dock.empty.text


def test_the_written_text_is_what_is_asked_from_now_on(make_dock, document) -> None:
    dock = make_dock(document)
    dock.prompt_field.setText(" fetal head ")
    assert document._prompt_text == "fetal head"
    dock.prompt_field.clear()
    assert document._prompt_text == ""


def test_N11_a_model_that_draws_no_masks_says_where_its_answers_are(make_dock, make_document, images, engine, qtbot):
    engine.task = "classify"
    document = make_document()
    dock = make_dock(document)
    with qtbot.waitSignals([document.opened, document.frame_shown]):
        document.open_paths([images])
    qtbot.waitUntil(lambda: "draws no masks" in dock.empty.text)
    assert "Classes panel" in dock.empty.text


STRANGE = "Unlike the images this model was trained on; check everything it says."


def test_a_strange_frame_warns_above_its_proposals(make_dock, document, engine, show, qtbot) -> None:
    dock = make_dock(document)
    assert dock.notice.text == ""
    assert "like those that the model was trained on" in dock.rows.index(0).data(ROW_ROLE).tip
    engine.warning = STRANGE
    show(document, 1)
    qtbot.waitUntil(lambda: dock.rows.rowCount() == 1)
    assert (dock.notice.text, dock.notice.accessibleDescription()) == (UNLIKE, STRANGE)
    assert STRANGE in dock.rows.index(0).data(ROW_ROLE).tip
    assert STRANGE in dock.rows.index(0).data(Qt.ItemDataRole.AccessibleTextRole)
    show(document, 0)
    assert dock.notice.text == ""


def test_the_warning_moves_nothing(make_dock, document, qtbot) -> None:
    dock = make_dock(document)
    dock.show()
    QApplication.processEvents()
    document.lane_io.drain()  # the list of models, which is looked for once the panel is seen
    without = dock.minimumSizeHint(), dock.view.geometry(), dock.accept_button.geometry()
    dock.notice.say(UNLIKE, tip=STRANGE)
    QApplication.processEvents()
    assert (dock.minimumSizeHint(), dock.view.geometry(), dock.accept_button.geometry()) == without
    assert dock.notice.isVisible()


def test_a_strange_frame_warns_where_nothing_was_found_in_it_too(make_dock, document, engine, show, qtbot) -> None:
    dock = make_dock(document)
    engine.warning = STRANGE
    engine.finds_nothing = True
    show(document, 1)
    qtbot.waitUntil(lambda: document.found_nothing)
    assert (dock.notice.text, dock.notice.accessibleDescription()) == (UNLIKE, STRANGE)


def test_another_model_may_have_seen_such_images(make_dock, document, engine, show, qtbot) -> None:
    dock = make_dock(document)
    engine.warning = STRANGE
    show(document, 1)
    qtbot.waitUntil(lambda: dock.notice.text == UNLIKE)
    engine.warning = ""
    document.set_engine("clip_mona", "mine")
    qtbot.waitUntil(lambda: dock.rows.rowCount() == 1)
    assert dock.notice.text == document.warning == ""
    assert document.warning_about(document.sources[1].key) == ""


def test_an_answer_to_a_text_that_was_never_learned_says_so(make_dock, document, engine, show, qtbot) -> None:
    dock = make_dock(document)
    engine.text_warning = "The model never learned the word 'liver'."
    show(document, 1)
    qtbot.waitUntil(lambda: dock.rows.rowCount() == 1)
    row = dock.rows.index(0).data(ROW_ROLE)
    assert "never learned" in row.subtitle
    assert engine.text_warning in row.tip and "like those that the model was trained on" in row.tip
    assert engine.text_warning in dock.rows.index(0).data(Qt.ItemDataRole.AccessibleTextRole)
    assert dock.notice.text == document.warning == "", "nothing is wrong with the image"
    assert document.warning_about(document.sources[1].key) == ""
    engine.warning = STRANGE
    dock.ask_again()
    qtbot.waitUntil(lambda: dock.notice.text == UNLIKE)
    assert document.warning == STRANGE


def test_that_nothing_was_found_is_said_of_the_label_it_was_asked_for(make_dock, document, engine, show, qtbot) -> None:
    dock = make_dock(document)
    document.auto_propose = False
    engine.finds_nothing = True
    show(document, 1)
    document.request_proposals()
    qtbot.waitUntil(lambda: document.found_nothing)
    assert dock.empty.accessibleName().startswith("The engine found nothing.")
    document.set_active_label(document.labels[1].id)
    assert dock.empty.accessibleName().startswith("No proposal is waiting.")
    document.set_active_label(document.labels[0].id)
    assert dock.empty.accessibleName().startswith("The engine found nothing.")
    dock.prompt_field.setText("left kidney")
    assert dock.empty.accessibleName().startswith("No proposal is waiting.")
