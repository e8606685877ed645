"""Every way a command can end has its exit status, and help costs nothing."""

import argparse
import signal

import pytest

from usassist.core.cli import main as cli
from usassist.core.cli.output import Exit
from usassist.core.errors import ReadError

QUIET = argparse.Namespace(verbose=0, quiet=0)


def test_no_command_prints_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in cli.COMMANDS)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_that_is_named_exists_and_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main([name, "--help"])
    assert stop.value.code == 0
    assert f"usassist {name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["info"], ["propose", "x"], ["models"], ["models", "fly"], ["info", "--x"]]
)
def test_wrong_usage_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == Exit.USAGE
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["models", "list"],
        ["models", "verify"],
        ["models", "familiarise", "NAME", "--data", "D"],
        ["data", "check", "D"],
        ["captions", "check", "F"],
        ["captions", "describe", "F", "--out", "o.jsonl"],
    ],
)
def test_verbosity_is_taken_before_and_behind_an_action(arguments: list[str]) -> None:
    def counted(*given: str) -> tuple[int, int]:
        parsed = cli.build_parser(given).parse_args(given)
        return parsed.verbose, parsed.quiet

    command, *rest = arguments
    assert counted(*arguments) == (0, 0)
    assert counted(command, "-vv", *rest) == (2, 0)
    assert counted(*arguments, "-vv") == (2, 0)
    assert counted(command, "-v", *rest, "-q") == (1, 1)


def test_an_error_for_the_user_is_one_line_and_1(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(_arguments: argparse.Namespace) -> int:
        raise ReadError("cut.dcm is cut short.")

    assert cli.guarded(fail, QUIET) == Exit.NOTHING
    assert capsys.readouterr() == ("", "usassist: cut.dcm is cut short.\n")


def test_ctrl_c_is_130_and_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(_arguments: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    assert cli.guarded(interrupted, QUIET) == Exit.INTERRUPTED
    assert "stopped" in capsys.readouterr().err


@pytest.mark.parametrize("raised", [True, False])
def test_ctrl_c_again_and_again_is_answered_once(
    raised: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also while the first is answered, and while the process ends."""

    def interrupted(_arguments: argparse.Namespace) -> int:
        if raised:
            raise KeyboardInterrupt
        return Exit.INTERRUPTED

    said = cli.complain

    def impatient(text: str) -> None:
        signal.raise_signal(signal.SIGINT)
        said(text)

    monkeypatch.setattr(cli, "complain", impatient)
    assert cli.guarded(interrupted, QUIET) == Exit.INTERRUPTED
    signal.raise_signal(signal.SIGINT)
    assert ("stopped" in capsys.readouterr().err) == raised


def test_an_error_nobody_foresaw_keeps_its_traceback() -> None:
    def broken(_arguments: argparse.Namespace) -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cli.guarded(broken, QUIET)
