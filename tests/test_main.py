"""`usassist`: a command goes to the command line, everything else to the window, and neither imports the other."""

import subprocess
import sys
from pathlib import Path

import pytest

from usassist import __main__ as entry

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        ([], "window"),
        (["scan.dcm", "folder"], "window"),
        (["./info"], "window"),
        (["info", "scan.dcm"], "command"),
        (["models", "list"], "command"),
        (["--help"], "command"),
        (["--version"], "command"),
        (["--reader", "Ada", "scan.dcm"], "window"),
    ],
)
def test_who_gets_the_arguments(arguments: list[str], where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    got: list[tuple[str, list[str]]] = []

    def taker(name: str) -> object:
        def take(given: list[str]) -> int:
            got.append((name, list(given)))
            return 7

        return take

    monkeypatch.setattr("usassist.core.cli.main.main", taker("command"))
    monkeypatch.setattr("usassist.gui.app.main", taker("window"))
    monkeypatch.setattr(sys, "argv", ["usassist", *arguments])
    assert entry.main() == 7
    assert got == [(where, arguments)]


def test_a_command_runs_without_the_window_and_says_its_status() -> None:
    script = (
        "import runpy, sys\nsys.argv = ['usassist', 'info', 'nowhere']\n"
        "try:\n    runpy.run_module('usassist', run_name='__main__')\n"
        "except SystemExit as stop:\n    print(stop.code, 'PySide6' in sys.modules, 'torch' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.split() == ["1", "False", "False"], done.stderr


def test_a_mistyped_command_is_wrong_usage_and_opens_no_window(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("usassist.gui.app.main", lambda _given: pytest.fail("a window was opened"))
    monkeypatch.setattr(sys, "argv", ["usassist", "propse", "scans"])
    assert entry.main() == 2
    assert "'propse'" in capsys.readouterr().err
