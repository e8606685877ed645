"""What a training says of itself: time left, why it ended, and how a report is read."""

import json
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from usassist.core.evaluation.curves import Epoch
from usassist.gui.jobs.process import Ended
from usassist.gui.jobs.progress import Progress
from usassist.gui.jobs.training import Plan, Training, Verdict, read_verdict


def _plan(out: Path, **changes: object) -> Plan:
    given = {"recipe": out / "r.toml", "epochs": 10, "project": out / "p", "out": out, "device": "cpu"}
    given |= {"overrides": ("few_shot.ratio=0.5",), "validates": 3, "engine": "clip_mona", "model": ""}
    return Plan(**{**given, **changes})


def _ended(status: int = 0, *, crashed: bool = False, output: str = "", tail: tuple[str, ...] = ()) -> Ended:
    return Ended(status, crashed, output, tail)


@pytest.fixture
def training(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Training:
    """Return a training whose children are never started."""
    made = Training()
    monkeypatch.setattr(made.process, "start", lambda module, arguments: made.started.append((module, *arguments)))
    made.started = []
    made.start(_plan(tmp_path))
    return made


def test_the_child_runs_what_a_scientist_types(training: Training, tmp_path: Path) -> None:
    module, *arguments = training.started[0]
    assert module == "usassist.core.cli.train"
    assert arguments[:3] == ["segment", str(tmp_path / "r.toml"), "--data"]
    assert arguments[-2:] == ["--set", "few_shot.ratio=0.5"]
    assert training.is_running
    training.start(_plan(tmp_path / "another"))
    assert len(training.started) == 1  # one at a time


def test_the_time_left_follows_the_latest_epochs(training: Training) -> None:
    assert training.seconds_left is None
    training.epochs = tuple(Epoch(n, 1.0, None, 100.0 if n == 1 else 2.0) for n in range(1, 7))
    assert training.seconds_left == pytest.approx(4 * 2.0)


@pytest.mark.parametrize(
    ("ended", "usable", "expected"),
    [
        (_ended(9, crashed=True), False, ("failed", "ended unexpectedly, as if it was killed")),
        (_ended(9, crashed=True), True, ("comparing", "epoch 2, stays")),
        (_ended(130), False, ("failed", "Stopped. No epoch was finished")),
        (_ended(1, tail=("noise", "usassist: The data is empty; add some.")), False, ("failed", "The data is empty")),
        (_ended(1, tail=("Traceback", "RuntimeError: no")), False, ("failed", "(RuntimeError: no)")),
        (_ended(0), True, ("comparing", "")),
        (_ended(3, tail=("usassist: left out: x",)), True, ("comparing", "")),
    ],
)
def test_every_end_is_one_sentence(
    training: Training, tmp_path: Path, ended: Ended, usable: bool, expected: tuple[str, str]
) -> None:
    lines = [{"epoch": n, "loss": 1.0, "seconds": 1.0, "val": {"score": s, "n": 3}} for n, s in ((1, 0.2), (2, 0.4))]
    if usable:
        (tmp_path / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)))
        (tmp_path / "weights.safetensors").write_bytes(b"")
    training._on_ended(ended)
    stage, words = expected
    assert training.stage == stage
    assert words in training.problem
    assert "\n" not in training.problem
    assert bool(training.problem) == bool(words)


def test_both_models_judge_the_same_frames(training: Training, tmp_path: Path) -> None:
    (tmp_path / "weights.safetensors").write_bytes(b"")
    report = {"dice_lesion": {"mean": 0.75, "n": 3}, "n_empty_truth": 1, "empty_correct": 1.0, "data_fingerprint": "f"}
    training._on_ended(_ended())
    training._on_ended(_ended(output=json.dumps(report)))
    assert training.stage == "comparing"
    assert "--engine" in training.started[-1] and "--model" not in training.started[-1]
    assert [row[row.index("--split") + 1] for row in training.started[1:]] == ["val", "val"]
    training._on_ended(_ended(output=json.dumps(report | {"data_fingerprint": "g"})))
    assert training.stage == "done"
    assert (training.new.dice, training.new.showing, training.new.empty) == (0.75, 3, 1)
    assert not training.is_fair  # the frames changed in between


@pytest.mark.parametrize("output", ["", "[]", "{}", '{"dice_lesion": 3}', "[" * 100_000])
def test_what_is_no_report_is_a_problem_and_not_a_number(output: str) -> None:
    verdict = read_verdict(_ended(1, output=output, tail=("usassist: The model draws no masks.",)))
    assert verdict == Verdict(problem="The model draws no masks.")
    assert "stopped" in read_verdict(_ended(130, output=output)).problem


def test_without_validation_frames_nothing_is_compared(training: Training, tmp_path: Path) -> None:
    training.plan = _plan(tmp_path, validates=0)
    (tmp_path / "weights.safetensors").write_bytes(b"")
    training._on_ended(_ended())
    assert (training.stage, training.new) == ("done", None)


def test_what_the_child_does_now_is_shown_and_forgotten(training: Training, tmp_path: Path, qtbot: QtBot) -> None:
    with qtbot.waitSignal(training.changed, timeout=1000):
        training.process.progressed.emit(Progress(3, 11, "reading images"))
    assert training.progress == Progress(3, 11, "reading images")
    training.stage = "done"
    training.start(_plan(tmp_path))
    assert training.progress is None


def test_the_model_that_is_being_added_keeps_its_name(
    training: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    adding: list[list[str]] = []
    monkeypatch.setattr(training._adding, "start", lambda _module, arguments: adding.append(arguments))
    training.stage = "done"
    training.add("mine")
    assert adding[0][:2] == ["models", "add"] and training.name == "", "it is not there yet"
    monkeypatch.setattr(Training, "is_adding", True)
    training.start(_plan(tmp_path / "another"))
    assert len(training.started) == 1 and training.stage == "done", "first what was asked for"
    training._forget()
    with qtbot.waitSignal(training.added) as added:
        training._adding.ended.emit(_ended())
    assert added.args == ["mine"] and training.name == "mine"
