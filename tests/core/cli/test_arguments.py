"""What can be known to be wrong before anything is begun is wrong usage: status 2, and one line that says why."""

from pathlib import Path

import pytest

from usassist.core.cli import train
from usassist.core.cli.main import main

COMMANDS = (["propose", "x", "--out", "o"], ["evaluate", "--data", "d", "--out", "o"])


def usage_error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stop:
        (train.main if arguments[0] == "segment" else main)(arguments)
    assert stop.value.code == 2
    return capsys.readouterr().err.strip().splitlines()[-1]


@pytest.mark.parametrize("command", COMMANDS)
def test_an_engine_nobody_has_is_2_and_the_engines_are_named(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    said = usage_error([*command, "--engine", "nobody"], capsys)
    assert "'nobody'" in said
    assert "clip_mona" in said
    assert "classical" in said


@pytest.mark.parametrize("command", [*COMMANDS, ["segment", "r.toml"]])
@pytest.mark.parametrize("name", ["gpu", "cuda:", "CPU", ""])
def test_what_is_no_device_is_2(command: list[str], name: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = usage_error([*command, "--device", name], capsys)
    assert f"{name!r} is no device, expected auto, cpu or cuda" in said


@pytest.mark.parametrize(
    "command", [["propose", "x"], ["evaluate", "--data", "d"], ["evaluate", "--pred", "p"], ["segment", "r.toml"]]
)
def test_a_file_is_no_folder_to_write_into(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "notes.txt"
    out.write_text("mine")
    said = usage_error([*command, "--out", str(out)], capsys)
    assert f"{out} is a file, expected a folder" in said
    assert out.read_text() == "mine"
