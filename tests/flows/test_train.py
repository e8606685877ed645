"""What a person accepted is trained on from the window, and the new model is compared, named and used there."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from gui_fixtures import picture
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox
from pytestqt.qtbot import QtBot

from usassist.core.data.accepted import LEAST_SHOWING
from usassist.core.geometry.cv import cv2
from usassist.core.models.weights import find_model
from usassist.core.paths import user_home
from usassist.gui.dialogs.train import TrainDialog

STILLS = 7
RECIPE = """
name = "quick"
title = "Quick"
task = "segment"
start_from = "usassist-us"
epochs = {epochs}
batch_size = 2
threads = 1
trainable = "adapters"
lr = 1e-4
[preprocess]
size = 64
"""


@pytest.fixture
def stills(tmp_path: Path) -> Path:
    folder = tmp_path / "stills of mine"
    folder.mkdir()
    for number in range(STILLS):
        cv2.imwrite(str(folder / f"{number}.png"), picture(number))
    return folder


@pytest.fixture
def recipe(usassist_home: Path) -> Callable[..., None]:
    """Return a function that puts a small recipe among the person's own."""

    def write(*, epochs: int) -> None:
        (usassist_home / "recipes").mkdir(exist_ok=True)
        (usassist_home / "recipes" / "quick.toml").write_text(RECIPE.format(epochs=epochs))

    return write


@pytest.fixture
def ready(
    sit_down: Callable, stills: Path, recipe: Callable[..., None], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., TrainDialog]:
    """Return a function that accepts frames, opens the dialog by its menu and chooses the small recipe."""
    monkeypatch.setattr("usassist.gui.jobs.process._NICENESS", 0)  # on a busy machine the tests would wait for long

    def get(*, accepted: int = STILLS, nothing: int = 0, epochs: int = 1) -> TrainDialog:
        recipe(epochs=epochs)
        hand = sit_down(device="cpu")
        hand.open(stills)
        for number in range(accepted):
            if hand.document.source_index != number or hand.document.frame is None:
                hand.show(number)
            hand.wait_for_proposal()
            hand.key(Qt.Key.Key_N if number < nothing else Qt.Key.Key_Return)
        hand.window.bindings["train"].trigger()
        qtbot.waitUntil(lambda: hand.window.training.dialog is not None)
        dialog = hand.window.training.dialog
        qtbot.waitUntil(lambda: dialog.setup.accepted is not None)
        dialog.setup.recipe_box.setCurrentIndex(dialog.setup.recipe_box.findText("quick", Qt.MatchFlag.MatchStartsWith))
        dialog.hand = hand
        return dialog

    return get


def _until(dialog: TrainDialog, qtbot: QtBot, done: Callable[[], bool], *, timeout: int = 240_000) -> None:
    if not done():
        with qtbot.waitSignal(dialog.training.changed, timeout=timeout, check_params_cb=done):
            pass


def _stage(dialog: TrainDialog, *stages: str) -> Callable[[], bool]:
    return lambda: dialog.training.stage in stages


def test_N15_the_dialog_counts_what_was_accepted(ready: Callable[..., TrainDialog], qtbot: QtBot) -> None:
    dialog = ready(accepted=7, nothing=1)
    accepted = dialog.setup.accepted
    assert [(label.id, count) for label, count in accepted.labels] == [("lesion", 6), ("structure", 0)]
    assert accepted.nothing == 1
    sides = dialog.setup.sides
    assert (sides.train + sides.val, sides.val > 0) == (7, True)
    showing = f" ({sides.train_showing} showing Lesion)" if sides.train_showing < sides.train else ""
    assert f"{sides.train} frames to learn from{showing}, {sides.val} to validate on" in dialog.setup.sides_text.text()
    assert "6 of 6 outlines were accepted unchanged: correct some first" in dialog.setup.warning.text()
    # The project's name decides which frames validate, and a temporary folder's is another each time.
    doubt = "for a hint" if sides.val_showing else "No validation frame shows it"
    assert doubt in dialog.setup.warning.text()
    assert dialog.start_button.isEnabled()
    dialog.setup.part_box.setCurrentIndex(2)
    dialog.setup.amount.setValue(2)
    assert dialog.setup.sides.train_showing == 2
    assert dialog.setup.sides.val == sides.val  # never thinned
    assert not dialog.isModal()


def test_too_few_frames_are_one_sentence_and_accepting_more_is_seen(
    ready: Callable[..., TrainDialog], qtbot: QtBot
) -> None:
    dialog = ready(accepted=2)
    assert not dialog.start_button.isEnabled()
    assert f"at least {LEAST_SHOWING} accepted frames" in dialog.setup.warning.text()
    assert "Accept 3 more" in dialog.setup.warning.text()
    dialog.hand.window.activateWindow()  # a click on the window, which stays usable
    dialog.hand.show(2)
    dialog.hand.wait_for_proposal()
    dialog.hand.key(Qt.Key.Key_Return)
    dialog.hand.show(3)  # leaving saves
    qtbot.waitUntil(lambda: "Accept 2 more" in dialog.setup.warning.text())


@pytest.mark.slow
@pytest.mark.timeout(900)  # four programs that import torch, one after the other
def test_N15_a_model_is_trained_compared_named_and_used(ready: Callable[..., TrainDialog], qtbot: QtBot) -> None:
    dialog = ready(epochs=2)
    sides = dialog.setup.sides
    dialog.start_button.click()
    _until(dialog, qtbot, lambda: bool(dialog.training.epochs))
    assert dialog.pages.currentWidget() is dialog.running
    assert "Training 1/2" in dialog.hand.window.status.training.text()
    dialog.hand.show(0)  # the window is usable meanwhile
    _until(dialog, qtbot, _stage(dialog, "done", "failed"))
    training = dialog.training
    assert (training.stage, training.problem) == ("done", "")
    assert [epoch.number for epoch in training.epochs] == [1, 2]
    assert len(dialog.outcome.dice.points) == 2
    assert (training.new.problem, training.used.problem) == ("", "")
    assert training.is_fair and training.new.showing == training.used.showing == sides.val
    assert 0 <= training.new.dice <= 1 and 0 <= training.used.dice <= 1
    count = "1 validation frame" if sides.val == 1 else f"{sides.val} validation frames"
    assert f"Measured on {count}" in dialog.outcome.honesty.text()
    assert training.progress is not None, "the child told how far it was"
    assert "may be chance" in dialog.outcome.warning.text()
    assert "usassist-us" in dialog.outcome.used_row.name.text()
    out = training.plan.out
    assert out.parent == user_home() / "runs"
    provenance = json.loads((out / "model.json").read_text())["provenance"]
    assert provenance["start_from"]["name"] == "usassist-us"

    dialog.outcome.name_field.setText("mine")
    with qtbot.waitSignal(dialog.model_added, timeout=120_000):
        dialog.use_button.click()
    document = dialog.hand.document
    assert (document.engine_name, document.model_name) == ("clip_mona", "mine")
    assert find_model("mine").title.startswith("stills-of-mine, ")
    question = dialog.hand.window.proposals.question
    qtbot.waitUntil(lambda: question.model_box.currentText() == "mine")
    assert not dialog.use_button.isEnabled()


@pytest.mark.slow
def test_stopping_keeps_what_was_best_so_far(ready: Callable[..., TrainDialog], qtbot: QtBot) -> None:
    dialog = ready(epochs=500)
    dialog.start_button.click()
    _until(dialog, qtbot, lambda: bool(dialog.training.epochs))
    dialog.stop_button.click()
    assert "Stopping" in dialog.running.state_text.text()
    _until(dialog, qtbot, _stage(dialog, "done", "failed"))
    assert dialog.training.stage == "done"
    assert dialog.training.problem.startswith("Stopped. What was kept so far, epoch ")
    assert (dialog.training.plan.out / "weights.safetensors").is_file()
    assert any("Stopped after epoch" in line for line in dialog.training.process.tail)  # by itself, nothing was killed
    assert dialog.use_button.isEnabled()
    dialog.again_button.click()
    assert dialog.pages.currentWidget() is dialog.setup


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
def test_a_training_that_is_killed_is_one_sentence(ready: Callable[..., TrainDialog], qtbot: QtBot) -> None:
    dialog = ready()
    with qtbot.waitSignal(dialog.training.process._child.started):
        dialog.start_button.click()
    os.kill(dialog.training.process.pid, signal.SIGKILL)
    _until(dialog, qtbot, _stage(dialog, "failed"))
    sentence = dialog.failure.sentence.text()
    assert sentence.startswith("The training ended unexpectedly")
    assert "no model" in sentence and "\n" not in sentence
    assert dialog.hand.window.isVisible()
    assert dialog.pages.currentWidget() is dialog.failure


@pytest.mark.slow
def test_what_the_training_refuses_is_shown_as_it_said_it(
    ready: Callable[..., TrainDialog], qtbot: QtBot, usassist_home: Path
) -> None:
    dialog = ready()
    (usassist_home / "recipes" / "quick.toml").write_text("nonsense = 1\nname = 'x'\ntitle = 'x'\n")
    dialog.start_button.click()
    _until(dialog, qtbot, _stage(dialog, "failed"))
    assert "nonsense" in dialog.failure.sentence.text()
    assert dialog.again_button.isVisible()


def test_closing_the_window_asks_whether_to_stop(
    ready: Callable[..., TrainDialog], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialog = ready()
    answers = [QMessageBox.StandardButton.Cancel, QMessageBox.StandardButton.Close]
    monkeypatch.setattr(QMessageBox, "question", lambda *_: answers.pop(0))
    with qtbot.waitSignal(dialog.training.process._child.started):
        dialog.start_button.click()
    dialog.close()  # hides it, and no more
    assert dialog.training.is_running
    assert not dialog.hand.window.close()
    assert dialog.training.is_running
    assert dialog.hand.window.close()
    assert not dialog.training.is_running
    assert not dialog.training.process.is_running
    assert answers == []
    dialog.hand.close()
