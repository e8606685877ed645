"""`usassist-train` takes what CLI.md says and refuses what contradicts itself."""

from pathlib import Path
from typing import Any

import pytest

from usassist.core.cli import train
from usassist.core.training import run
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

    monkeypatch.setattr(run, "train_segment", start)
    monkeypatch.setattr(run, "resume_segment", resume)
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


def test_a_kind_nobody_built_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        train.main(["teleport", RECIPE])
    assert stop.value.code == 2
    assert "segment" in capsys.readouterr().err
