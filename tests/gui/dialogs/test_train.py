"""The pages of the training dialog, without a training."""

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from usassist.core.evaluation.curves import Epoch
from usassist.gui import theme
from usassist.gui.dialogs.train_curve import Curve
from usassist.gui.dialogs.train_result import ResultPage, RunPage, duration
from usassist.gui.dialogs.train_setup import SetupPage
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
    curve = Curve("Dice", top=1.0, mark_best=True)
    qtbot.addWidget(curve)
    curve.resize(240, 150)
    empty = curve.grab().toImage()
    assert curve.accessibleDescription() == ""
    curve.show_points([(1, 0.2), (2, 0.9), (3, 0.5)], total=3)
    assert curve.accessibleDescription() == "0.500"
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
    page.show_training(training)
    assert "Preparing" in page.state_text.text()
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
        assert "n = 12 frames that show it" in page.honesty.text()
        assert page.warning.text() == ""
    page.grab()


def test_few_frames_are_warned_of(qtbot: QtBot, training: Training) -> None:
    page = ResultPage()
    qtbot.addWidget(page)
    training.stage, training.new, training.used = "done", Verdict(0.9, 9, frames="f"), Verdict(0.7, 9, frames="f")
    page.show_training(training)
    assert "Fewer than 10 frames" in page.warning.text()


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


def test_times_are_as_coarse_as_they_are_known() -> None:
    assert [duration(s) for s in (41, 200, 5000)] == ["under a minute", "3 min", "1 h 23 min"]
