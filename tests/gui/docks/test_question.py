"""The line under the prompt: where answers come from, and how much of a long text the model reads."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QComboBox
from pytestqt.qtbot import QtBot

from usassist.core.domain import Label
from usassist.core.models.config import AdapterConfig, EncoderConfig, HeadConfig, ModelConfig, PreprocessConfig
from usassist.core.models.weights import ModelInfo
from usassist.core.proposers import specs
from usassist.gui.docks.question import Question

MODEL = ModelInfo("usassist-us", Path("usassist-us"), "US", "shipped", "ab12cd34" * 8, None)
LONG = "a dark oval mass with posterior shadowing and angular margins"  # 10 words, 12 tokens of 10


@pytest.fixture
def question(document: Any, qtbot: QtBot) -> Question:
    form = Question(document, engines=specs, models=lambda: (MODEL,))
    qtbot.addWidget(form)
    form.fill()
    qtbot.waitUntil(lambda: form.is_listed)
    return form


def test_N2_the_words_that_are_cut_are_shown(question: Question, qtbot: QtBot) -> None:
    question.prompt_field.setText(LONG)
    qtbot.waitUntil(lambda: "tokens" in question.state_text.text())
    assert question.state_text.text() == "12 of 10 tokens · not read: angular margins"
    assert question.state_text.property("role") == "warning"
    assert question.state_text.toolTip() == question.state_text.text()
    question.prompt_field.setText("oval mass")
    qtbot.waitUntil(lambda: "weights ab12cd34" in question.state_text.text())
    assert question.state_text.property("role") == "faint"


def test_N2_a_long_text_that_fits_says_how_much_it_takes(question: Question, qtbot: QtBot) -> None:
    question.prompt_field.setText(" ".join(LONG.split()[:6]))
    qtbot.waitUntil(lambda: question.state_text.text() == "8 of 10 tokens · all of it is read")
    assert question.state_text.property("role") == "faint"


def test_N2_the_labels_own_words_are_counted_too(question: Question, document: Any, qtbot: QtBot) -> None:
    document.set_labels((Label("lesion", "Lesion", "#112233", caption=LONG),))
    qtbot.waitUntil(lambda: "not read: angular margins" in question.state_text.text())


def test_choosing_a_label_empties_the_text_about_another_thing(question: Question, document: Any) -> None:
    question.prompt_field.setText("fetal head")
    document.set_active_label("structure")
    assert question.prompt_field.text() == ""
    assert question.prompt_field.placeholderText() == document.active_label.caption
    question.prompt_field.setText("left kidney")
    document.set_active_label("lesion")
    assert question.prompt().text == "left kidney"


def test_N2_counting_starts_no_engine(make_document: Any, engine: Any, qtbot: QtBot) -> None:
    document = make_document(auto_propose=False)
    form = Question(document, engines=specs, models=lambda: (MODEL,))
    qtbot.addWidget(form)
    form.prompt_field.setText(LONG)
    form._count_tokens()
    document.lane_inference.drain()
    assert engine.starts == 0


def test_N2_an_engine_that_takes_no_text_counts_none(question: Question, document: Any, qtbot: QtBot) -> None:
    question.prompt_field.setText(LONG)
    qtbot.waitUntil(lambda: "tokens" in question.state_text.text())
    document.set_engine("classical")
    assert question.state_text.text() == "Needs no model"


@pytest.mark.parametrize(
    ("head", "classes", "said"),
    [
        ("unet", (), "This model takes no text"),
        ("film_skip", (), ""),
        ("unet", ("cyst", "nodule"), ""),
        ("none", (), "This model draws no masks"),
    ],
)
def test_a_model_that_follows_no_text_takes_none(
    make_document: Any, qtbot: QtBot, head: Any, classes: tuple[str, ...], said: str
) -> None:
    config = ModelConfig(
        *("m", "M", EncoderConfig("ViT-B-16", (3,)), AdapterConfig("none"), HeadConfig(head), PreprocessConfig(64)),
        classes=classes,
        task="embed" if head == "none" else "segment",
    )
    document = make_document(auto_propose=False)
    form = Question(document, engines=specs, models=lambda: (replace(MODEL, config=config),))
    qtbot.addWidget(form)
    form.fill()
    qtbot.waitUntil(lambda: form.is_listed)
    assert form.prompt_field.isEnabled() == (not said)
    assert (form.prompt_field.placeholderText() == said) == bool(said)
    form.prompt_field.setText("fetal head")
    assert (form.prompt() is None) == bool(said)
    document.engine_changed.emit()
    assert document.asked_label_id == ("lesion" if said else "Fetal head"), "words that are not asked name nothing"


def test_C5_a_model_in_a_folder_is_named_and_not_missed(
    make_document: Any, engine: Any, tmp_path: Path, qtbot: QtBot
) -> None:
    (tmp_path / "my model").mkdir()
    form = Question(make_document(model=str(tmp_path / "my model")), engines=specs, models=tuple)
    qtbot.addWidget(form)
    form.fill()
    qtbot.waitUntil(lambda: form.is_listed)
    assert form.state_text.text() == "Model in the folder my model · not loaded"
    assert form.state_text.property("role") == "faint" and not form.lacks_model
    assert form.model_box.placeholderText() == "my model"


LEARNED = ModelConfig(
    *("m", "M", EncoderConfig("ViT-B-16", (3,)), AdapterConfig("none"), HeadConfig("promptable"), PreprocessConfig(64)),
    learned_targets=("breast_lesion", "fetal_head"),
)


@pytest.fixture
def learned(document: Any, qtbot: QtBot) -> Question:
    form = Question(document, engines=specs, models=lambda: (replace(MODEL, config=LEARNED),))
    qtbot.addWidget(form)
    form.fill()
    qtbot.waitUntil(lambda: form.is_listed)
    return form


def test_a_text_that_was_never_learned_is_said_before_it_is_asked(learned: Question, qtbot: QtBot) -> None:
    assert learned.doubt is None and learned.state_text.property("role") == "faint", "a new label asks for a lesion"
    learned.prompt_field.setText("liver")
    qtbot.waitUntil(lambda: learned.state_text.text() == "Never learned: liver")
    assert learned.state_text.property("role") == "warning"
    assert learned._doubtful.isVisible()
    said = "ask for what it learned: breast lesion and fetal head"
    for tip in (learned.state_text.toolTip(), learned._doubtful.toolTip()):
        assert said in " ".join(tip.split())
    learned.prompt_field.setText("malignant breast mass")
    qtbot.waitUntil(lambda: "weights ab12cd34" in learned.state_text.text())
    assert not learned._doubtful.isVisible() and learned.state_text.property("role") == "faint"
    assert "The model learned breast lesion and fetal head." in " ".join(learned.prompt_field.toolTip().split())


def test_the_labels_own_words_are_judged_too(learned: Question, qtbot: QtBot) -> None:
    learned._document.set_labels((Label("stone", "Kidney stone", "#112233"),))
    qtbot.waitUntil(lambda: learned.state_text.text() == "Never learned: Kidney, stone")
    learned.prompt_field.setText("fetal head")
    qtbot.waitUntil(lambda: "weights ab12cd34" in learned.state_text.text())


def test_another_engine_and_a_model_that_says_nothing_doubt_nothing(
    question: Question, learned: Question, qtbot: QtBot
) -> None:
    for form in (question, learned):
        form.prompt_field.setText("liver")
    assert question.doubt is None and question.learned == "", "what it learned is not known"
    assert learned.doubt is not None
    learned._document.set_engine("classical")
    assert learned.doubt is None and learned.state_text.text() == "Needs no model"


def _pick(box: QComboBox, name: str) -> None:
    row = box.findData(name)
    assert row >= 0
    box.setCurrentIndex(row)
    box.activated.emit(row)


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("folder", [True, False])
def test_the_chosen_model_survives_another_engine(
    make_document: Any, tmp_path: Path, qtbot: QtBot, listed: bool, folder: bool
) -> None:
    chosen = str(tmp_path) if folder else "mine"
    document = make_document(engine="clip_mona", model=chosen)
    form = Question(document, engines=specs, models=lambda: (MODEL, replace(MODEL, name="mine")))
    qtbot.addWidget(form)
    form.fill()
    if listed:
        qtbot.waitUntil(lambda: form.is_listed)
    for engine in ("clip_mona", "classical", "clip_mona"):
        _pick(form.engine_box, engine)
        assert (document.engine_name, document.model_name) == (engine, chosen)
    qtbot.waitUntil(lambda: form.is_listed)
    assert (form.model_box.currentText() or form.model_box.placeholderText()) == (tmp_path.name if folder else "mine")
    _pick(form.model_box, "usassist-us")
    assert (document.engine_name, document.model_name) == ("clip_mona", "usassist-us")


def test_what_is_in_use_already_can_be_picked_without_harm(question: Question, document: Any) -> None:
    waiting = document.proposals
    _pick(question.engine_box, "clip_mona")
    _pick(question.model_box, "usassist-us")  # the default by its name
    assert document.proposals == waiting and document.model_name == ""
