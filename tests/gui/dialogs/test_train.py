"""The training dialog and its pages, without a training."""

import dataclasses
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from usassist.core.data.accepted import AcceptedFrames
from usassist.core.data.example import Example
from usassist.core.data.objects import RegionTruth
from usassist.core.domain import Label, Mask, Region, Source
from usassist.core.evaluation.curves import Epoch
from usassist.core.geometry.cv import cv2
from usassist.gui import theme
from usassist.gui.dialogs import train
from usassist.gui.dialogs.train import TrainDialog
from usassist.gui.dialogs.train_curve import Curve
from usassist.gui.dialogs.train_result import ResultPage, RunPage
from usassist.gui.dialogs.train_setup import SetupPage
from usassist.gui.jobs.progress import Progress
from usassist.gui.jobs.training import Plan, Training, Verdict


@pytest.fixture
def training(qtbot: QtBot, tmp_path: Path) -> Training:
    made = Training()
    made.plan = Plan(tmp_path, 4, tmp_path, tmp_path / "run", "cpu", (), 12, "clip_mona", "")
    made.epochs = tuple(Epoch(n, 1 / n, 0.2 * n, 90.0, dice=0.2 * n) for n in (1, 2, 3))
    return made


@pytest.mark.parametrize("name", ["dark", "light"])
def test_a_curve_is_painted_in_the_accent_of_the_theme(qtbot: QtBot, name: str) -> None:
    theme.apply(QApplication.instance(), name)
    curve = Curve("Dice", top=1.0)
    qtbot.addWidget(curve)
    curve.resize(240, 150)
    empty = curve.grab().toImage()
    assert curve.accessibleDescription() == ""
    curve.show_points([(1, 0.2), (2, 0.9), (3, 0.5)], total=3, kept=2)
    assert curve.accessibleDescription() == "epoch 3: 0.500"
    image = curve.grab().toImage()
    accent = theme.tokens().accent
    colours = {image.pixelColor(x, y).name() for x in range(image.width()) for y in range(image.height())}
    assert accent in colours
    assert accent not in {
        empty.pixelColor(x, y).name() for x in range(empty.width()) for y in range(0, empty.height(), 2)
    }
    theme.apply(QApplication.instance(), "dark")


@pytest.mark.parametrize("points", [[], [(1, 0.0)], [(1, -0.4), (9, 0.3)], [(1, 1e9)]])
def test_odd_curves_are_painted_too(qtbot: QtBot, points: list[tuple[int, float]]) -> None:
    curve = Curve("Loss")
    qtbot.addWidget(curve)
    curve.show_points(points, total=1)
    curve.grab()
    assert all(np.isfinite(curve._range()))


def test_the_run_page_says_where_it_is(qtbot: QtBot, training: Training) -> None:
    page = RunPage()
    qtbot.addWidget(page)
    training.stage = "training"
    page.show_training(training)
    assert (page.state_text.text(), page.time_text.text()) == ("Epoch 4 of 4", "about 2 min left")
    assert (page.bar.value(), page.bar.maximum()) == (3, 4)
    training.epochs = ()
    for told, words, done, total in (
        (None, "Starting the training program…", 0, 0),
        (Progress(3, 11, "looking for near-duplicates"), "Looking for near-duplicates: 3 of 11", 3, 11),
        (Progress(11, 11, "looking for near-duplicates"), "Preparing the model…", 0, 0),
        (Progress(3, 11, "reading images"), "Reading images: 3 of 11", 3, 11),
        (Progress(11, 11, "reading images"), "Beginning the first epoch, which takes longest…", 0, 0),
        (Progress(1, 2, "epoch 1"), "Epoch 1 of 4", 0, 4),
    ):
        training.progress = told
        page.show_training(training)
        assert (page.state_text.text(), page.time_text.text()) == (words, "")
        assert page.bar.maximum() == total and (not total or page.bar.value() == done)
    training.epochs = tuple(Epoch(n, 1.0, None, 90.0) for n in range(1, 5))
    page.show_training(training)
    assert "Choosing thresholds" in page.state_text.text() and page.time_text.text() == ""
    training.stage = "comparing"
    page.show_training(training)
    assert "new model" in page.state_text.text()
    training.new = Verdict(0.5, 3)
    page.show_training(training)
    assert "usassist-us" in page.state_text.text()


@pytest.mark.parametrize(
    ("new", "used", "words"),
    [
        (Verdict(0.8, 12, frames="f"), Verdict(0.7, 12, frames="f"), "better than the one in use"),
        (Verdict(0.6, 12, frames="f"), Verdict(0.7, 12, frames="f"), "worse than the one in use"),
        (Verdict(0.7, 12, frames="f"), Verdict(0.7, 12, frames="f"), "equally well"),
        (Verdict(0.9, 12, frames="f"), Verdict(0.7, 11, frames="g"), "cannot be compared"),
        (Verdict(0.9, 12, frames="f"), Verdict(problem="It draws no masks."), "model in use has no number: It draws"),
        (Verdict(None, 0, 3, frames="f"), Verdict(None, 0, 3, frames="f"), "no Dice"),
        (None, None, ""),
    ],
)
def test_the_comparison_is_honest(
    qtbot: QtBot, training: Training, new: Verdict | None, used: Verdict | None, words: str
) -> None:
    page = ResultPage()
    qtbot.addWidget(page)
    training.stage, training.new, training.used, training.left_out = "done", new, used, 2
    page.show_training(training)
    assert words in page.verdict.text()
    assert "2 frames could not be read" in page.honesty.text()
    if new is not None and new.dice is not None:
        assert "Measured on 12 validation frames." in page.honesty.text()
        assert page.warning.text() == ""
    page.grab()


def test_few_frames_are_warned_of(qtbot: QtBot, training: Training) -> None:
    page = ResultPage()
    qtbot.addWidget(page)
    training.stage, training.new, training.used = "done", Verdict(0.9, 9, frames="f"), Verdict(0.7, 9, frames="f")
    page.show_training(training)
    assert "Only 9 frames decide here" in page.warning.text()


def test_the_end_names_the_epoch_that_is_the_new_model(qtbot: QtBot, training: Training) -> None:
    scores = ((1, 0.95, 0.93), (2, 0.9, 0.98), (3, 0.8, 0.931))  # the best Dice is not of the best score
    training.epochs = tuple(Epoch(n, 1 / n, score, 9.0, dice=dice) for n, score, dice in scores)
    training.stage, training.new, training.used = (
        "done",
        Verdict(0.98, 1, 2, frames="f"),
        Verdict(0.97, 1, 2, frames="f"),
    )
    page = ResultPage()
    qtbot.addWidget(page)
    page.show_training(training)
    assert page.dice.accessibleDescription() == "epoch 1, kept: 0.930"
    assert page.loss.accessibleDescription() == "epoch 1, kept: 1.000"
    said = page.honesty.text()
    assert "Measured on 3 validation frames: the 1 that shows it decides the Dice, 2 show nothing" in said
    assert "(12 were counted before frames that look the same were kept on one side)" in said
    assert "The new model is that of epoch 1, chosen by the same frames" in said
    assert "The curve's 0.930 counts every pixel above 50 %" in said
    training.plan = dataclasses.replace(training.plan, chooses=False)
    page.show_training(training)
    assert "The new model is that of epoch 1." in page.honesty.text(), "a later one had no score"
    training.epochs = training.epochs[:1]
    page.show_training(training)
    assert "The new model is that of epoch 1, the last." in page.honesty.text()
    assert "Only 1 frame decides here" in page.warning.text()


def test_while_it_runs_the_latest_epoch_is_told_and_the_best_one_ringed(qtbot: QtBot, training: Training) -> None:
    training.stage = "training"
    page = RunPage()
    qtbot.addWidget(page)
    page.show_training(training)
    assert page.dice.accessibleDescription() == "epoch 3: 0.600"
    assert page.dice.kept == 3


def _accepted(*, outlines: int, unchanged: int, showing: tuple[bool, ...]) -> AcceptedFrames:
    """Return accepted frames, one of each file, the last two of which validate."""

    def example(number: int, shows: bool) -> Example:
        regions = (Region("r", "lesion", Mask.from_array(np.ones((2, 2), dtype=np.bool_))),) if shows else ()
        return Example(
            key=f"ann/{number}",
            dataset="p",
            source=Source(f"{number}", Path(f"{number}.png"), f"{number}.png", 1, ""),
            frame=0,
            truth=lambda shape: np.zeros(shape, dtype=np.bool_),
            class_name="lesion" if shows else "normal",
            split="val" if number >= len(showing) - 2 else "train",
            object_truth=RegionTruth(regions, ("lesion",)),
        )

    label = Label("lesion", "Lesion", "#e69f00")
    examples = tuple(example(number, shows) for number, shows in enumerate(showing))
    return AcceptedFrames(
        ((label, sum(showing)),),
        label,
        "breast_lesion",
        nothing=len(showing) - sum(showing),
        others=0,
        outlines=outlines,
        unchanged=unchanged,
        examples=examples,
    )


@pytest.mark.parametrize(
    ("unchanged", "warns", "notes"), [(8, True, False), (5, True, False), (4, False, True), (0, False, False)]
)
def test_outlines_that_were_accepted_unchanged_teach_nothing(
    qtbot: QtBot, unchanged: int, warns: bool, notes: bool
) -> None:
    page = SetupPage()
    qtbot.addWidget(page)
    page.show_accepted(_accepted(outlines=8, unchanged=unchanged, showing=(True,) * 8))
    said = f"{unchanged} of 8 outlines were accepted unchanged"
    assert (f"{said}: correct some first" in page.warning.text()) is warns
    assert (f"{said}." in page.notes.text()) is notes


def test_both_sides_say_how_many_frames_show_what_is_learned(qtbot: QtBot) -> None:
    page = SetupPage()
    qtbot.addWidget(page)
    page.show_accepted(_accepted(outlines=7, unchanged=0, showing=(True, True, True, True, True, False, True, False)))
    assert page.sides_text.text() == "6 frames to learn from (5 showing Lesion), 2 to validate on (1 showing Lesion)."
    assert "Only 1 validation frame shows it" in page.warning.text()
    page.show_accepted(_accepted(outlines=8, unchanged=0, showing=(True,) * 8))
    assert page.sides_text.text() == "6 frames to learn from, 2 to validate on."
    assert "Only 2 validation frames show it: each decides 50 % of the Dice" in page.warning.text()


def test_nothing_can_be_started_before_it_is_counted(qtbot: QtBot) -> None:
    page = SetupPage()
    qtbot.addWidget(page)
    assert not page.is_ready
    page.show_problem("Nothing is open.")
    assert page.warning.text() == "Nothing is open."
    assert not page.is_ready
    page.part_box.setCurrentIndex(1)
    assert page.part.ratio == 0.5
    assert page.part.overrides() == ("few_shot.ratio=0.5", "few_shot.per_class=0")


def test_a_long_path_does_not_widen_the_window(qtbot: QtBot, training: Training) -> None:
    page = ResultPage()
    qtbot.addWidget(page)
    training.stage, training.problem = "done", f"See {'/folder of somebody' * 3}{'/abcdefghijklmnop' * 20}."
    page.show_training(training)
    assert page.minimumSizeHint().width() < 600


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Return what holds back the counting of accepted frames; each project has eight of them, and one recipe."""
    gate = threading.Event()
    gate.set()

    def count(_root: Path) -> AcceptedFrames:
        gate.wait(30)
        return _accepted(outlines=8, unchanged=0, showing=(True,) * 8)

    monkeypatch.setattr(train, "accepted_frames", count)
    config = SimpleNamespace(epochs=3, keep="best", title="Quick", few_shot=SimpleNamespace(seed=0))
    monkeypatch.setattr(
        train, "segmentation_recipes", lambda: [SimpleNamespace(path=Path("q"), start="", config=config)]
    )
    return gate


@pytest.fixture
def dialog(document: Any, counting: threading.Event, qtbot: QtBot, usassist_home: Path) -> TrainDialog:
    """Return the dialog of an open project whose frames are counted; `plans` holds what would be trained."""
    made = TrainDialog(document)
    qtbot.addWidget(made)
    made.plans = []
    made.training.start = made.plans.append
    made.show()
    qtbot.waitUntil(made.start_button.isEnabled)
    return made


def _start(dialog: TrainDialog) -> None:
    dialog.start()
    dialog._document.lane_save.drain()


def test_another_project_is_counted_before_it_is_trained_on(
    dialog: TrainDialog, counting: threading.Event, tmp_path: Path, qtbot: QtBot
) -> None:
    document = dialog._document
    dialog.hide()
    counting.clear()
    (tmp_path / "others").mkdir()
    cv2.imwrite(str(tmp_path / "others" / "1.png"), np.full((48, 64), 90, dtype=np.uint8))
    with qtbot.waitSignal(document.frame_shown):
        document.open_paths([tmp_path / "others"])
    _start(dialog)
    assert dialog.plans == [], "what is known was counted in the project before"
    assert "not counted yet" in dialog.setup.warning.text()
    dialog.show()
    assert not dialog.start_button.isEnabled()
    assert dialog.setup.sides_text.text() == "Counting…"
    counting.set()
    qtbot.waitUntil(dialog.start_button.isEnabled)
    _start(dialog)
    assert [plan.project for plan in dialog.plans] == [document.project_root]


def test_what_was_counted_in_a_project_that_was_left_is_dropped(dialog: TrainDialog) -> None:
    counted = (dialog.setup.accepted, [dialog.setup.offer])
    dialog.setup.show_accepted(None)
    dialog._on_counted(Path("another project"), counted)
    assert dialog.setup.accepted is None
    dialog._on_counted(dialog._document.project_root, counted)
    assert dialog.start_button.isEnabled()


def test_nothing_is_started_while_a_model_is_being_added(dialog: TrainDialog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Training, "is_adding", True)
    dialog.training.changed.emit()
    assert not dialog.start_button.isEnabled() and not dialog.again_button.isEnabled()
    _start(dialog)
    assert dialog.plans == []
    monkeypatch.setattr(Training, "is_adding", False)
    dialog.training.changed.emit()
    assert dialog.start_button.isEnabled() and dialog.again_button.isEnabled()


@pytest.mark.parametrize(("name", "model"), [("clip_mona", "mine"), ("classical", "")])
def test_an_engine_without_weights_is_compared_without_a_model(dialog: TrainDialog, name: str, model: str) -> None:
    dialog._document.set_engine(name, "mine")
    _start(dialog)
    assert [(plan.engine, plan.model) for plan in dialog.plans] == [(name, model)]
