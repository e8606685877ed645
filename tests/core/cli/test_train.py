"""`usassist-train` takes what CLI.md says and refuses what contradicts itself."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from usassist.core.cli import output, train
from usassist.core.training import run
from usassist.core.training.loop import EpochReport
from usassist.core.training.run import RunResult

RECIPE = "resources/recipes/usassist-us.toml"


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Replace the training itself by a note of what it was asked."""
    asked: dict[str, Any] = {"result": RunResult(Path("runs/r"), 3, 0.5, False, ())}

    def start(recipe: Path, data: list[Path], out: Path, **options: Any) -> RunResult:
        asked.update(recipe=recipe, data=list(data), out=out, **options)
        result: RunResult = asked["result"]
        return result

    def resume(folder: Path, **options: Any) -> RunResult:
        asked.update(resumed=folder, **options)
        result: RunResult = asked["result"]
        return result

    monkeypatch.setattr(run, "train", start)
    monkeypatch.setattr(run, "resume", resume)
    return asked


def test_the_documented_command(called: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    command = [
        "segment",
        RECIPE,
        "--data",
        "DATA/busi",
        "--data",
        "DATA/breast",
        "--out",
        "runs/mine",
        "--set",
        "epochs=2",
    ]
    assert train.main(command) == 0
    assert called["recipe"] == Path(RECIPE)
    assert called["data"] == [Path("DATA/busi"), Path("DATA/breast")]
    assert (called["out"], called["overrides"], called["device"]) == (Path("runs/mine"), ["epochs=2"], "auto")
    assert str(Path("runs/r")) in capsys.readouterr().out


def test_several_datasets_may_follow_one_data(called: dict[str, Any]) -> None:
    assert train.main(["segment", RECIPE, "--data", "a", "b", "--out", "o"]) == 0
    assert called["data"] == [Path("a"), Path("b")]


def test_resume_needs_nothing_else(called: dict[str, Any]) -> None:
    assert train.main(["segment", "--resume", "runs/mine"]) == 0
    assert called["resumed"] == Path("runs/mine")


@pytest.mark.parametrize("arguments", [[], [RECIPE, "--resume", "runs/mine"], ["--resume", "runs/mine", "--data", "a"]])
def test_contradictions_are_wrong_usage(
    arguments: list[str], called: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert train.main(["segment", *arguments]) == 2
    assert capsys.readouterr().err.startswith("usassist")
    assert set(called) == {"result"}


@pytest.mark.parametrize(
    ("interrupted", "failed", "status"), [(True, (), 130), (False, ("a.png is cut short",), 3), (False, (), 0)]
)
def test_the_exit_status(called: dict[str, Any], *, interrupted: bool, failed: tuple[str, ...], status: int) -> None:
    called["result"] = RunResult(Path("runs/r"), 3, 0.5, interrupted, failed)
    assert train.main(["segment", RECIPE, "--data", "a", "--out", "o"]) == status


@pytest.mark.parametrize("kind", ["segment", "classify", "contrast"])
def test_every_kind_takes_the_same_words_and_names_its_task(kind: str, called: dict[str, Any]) -> None:
    assert train.main([kind, RECIPE, "--data", "a", "--out", "o", "--device", "cpu", "--json"]) == 0
    assert called["task"] == kind
    assert train.main([kind, "--resume", "runs/mine"]) == 0
    assert (called["resumed"], called["task"]) == (Path("runs/mine"), kind)


def test_compare_is_a_kind_with_its_own_words(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        train.main(["compare", "--help"])
    assert stop.value.code == 0
    assert "--seeds" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--help"], ["segment", "--help"], ["compare", "--help"]])
def test_help_imports_no_torch(words: list[str]) -> None:
    code = f"""
import sys
from usassist.core.cli import train
try:
    train.main({words!r})
except SystemExit as stop:
    assert stop.code == 0
heavy = [name for name in ("torch", "timm", "open_clip", "PySide6") if name in sys.modules]
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "usage: usassist-train" in done.stdout


def test_only_the_first_process_speaks(
    called: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "1")
    assert train.main(["segment", RECIPE, "--data", "a", "--out", "o"]) == 0
    assert capsys.readouterr().out == ""
    assert called["on_epoch"] is None


def test_an_epoch_is_a_line_with_what_its_validation_found(
    called: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    train.main(["segment", RECIPE, "--data", "a", "--out", "o"])
    called["on_epoch"](EpochReport(3, 12.0, 1e-3, 0.75, {}, {"dice_lesion": 0.5, "score": 0.625, "n": 4.0}, skipped=2))
    called["on_epoch"](EpochReport(4, 12.0, 1e-3, 0.7, {}, {}))
    first, second = capsys.readouterr().err.splitlines()
    assert first.split() == [
        "epoch",
        "3",
        "loss",
        "0.7500",
        "val",
        "score",
        "0.6250",
        "dice",
        "lesion",
        "0.5000",
        "2",
        "steps",
        "skipped",
        "12",
        "s",
    ]
    assert second.split() == ["epoch", "4", "loss", "0.7000", "12", "s"]


def test_bars_follow_each_other_where_stderr_is_a_terminal(
    called: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    bars: list[tuple[str, int, list[float]]] = []

    @contextmanager
    def bar(text: str, *, total: int, unit: str, quiet: bool) -> Iterator[Any]:
        steps: list[float] = []
        bars.append((text, total, steps))
        yield SimpleNamespace(update=steps.append)

    monkeypatch.setattr(output, "progress", bar)
    train.main(["segment", RECIPE, "--data", "a", "--out", "o"])
    for what in (("reading images", 1, 2), ("reading images", 2, 2), ("epoch 1", 1, 3), ("epoch 1", 3, 3)):
        called["on_progress"](*what)
    assert bars == [("reading images", 2, [1, 1]), ("epoch 1", 3, [1, 2])]


def test_a_kind_nobody_built_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        train.main(["teleport", RECIPE])
    assert stop.value.code == 2
    assert "segment" in capsys.readouterr().err


def test_a_loss_is_told_as_a_loss(called: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    called["result"] = RunResult(Path("runs/r"), 3, 2.25, False, (), "loss")
    train.main(["contrast", RECIPE, "--data", "a", "--out", "o"])
    assert capsys.readouterr().out == f"3 epochs, loss of what is kept 2.2500: {Path('runs/r')}\n"
    val = {"score": -2.25, "loss": 2.25, "r1": 0.5, "n": 4.0}
    called["on_epoch"](EpochReport(3, 1.0, 1e-3, 0.75, {}, val, selected_by="loss"))
    line = capsys.readouterr().err
    assert "val loss 2.2500  r1 0.5000" in line and "-2.25" not in line


def test_a_run_without_a_finished_epoch_says_how_to_begin_again(
    called: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    called["result"] = RunResult(Path("runs/r"), 0, -float("inf"), True, ())
    assert train.main(["segment", RECIPE, "--data", "a", "--out", "o"]) == 130
    told = capsys.readouterr()
    assert told.out == f"0 epochs: {Path('runs/r')}\n"
    assert f"usassist-train segment --resume {Path('runs/r')}" in told.err


def test_one_of_several_processes_does_not_look_like_a_crash_to_torchrun(
    called: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    called["result"] = RunResult(Path("runs/r"), 3, 0.5, False, ("a.png is cut short",))
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("TORCH_CPP_LOG_LEVEL", "")  # so that it is put back
    monkeypatch.delenv("TORCH_CPP_LOG_LEVEL")
    assert train.main(["segment", RECIPE, "--data", "a", "--out", "o"]) == 0
    assert "left out: a.png is cut short" in capsys.readouterr().err
    assert os.environ["TORCH_CPP_LOG_LEVEL"] == "ERROR"
