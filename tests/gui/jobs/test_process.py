"""A command as a child: its words, its end, being stopped, being killed, being missing."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QProcess
from pytestqt.qtbot import QtBot

import usassist
from usassist.gui.jobs.process import Ended, Process
from usassist.gui.jobs.progress import Progress

_TALKS = (
    "import sys; print('out: é'); print('one\\ntwo', file=sys.stderr); print('usassist: it is so.', file=sys.stderr)"
)
_WAITS = """
import signal, sys, threading
signal.signal(signal.SIGTERM, signal.default_int_handler)
try:
    print('ready', file=sys.stderr)
    threading.Event().wait(60)
except KeyboardInterrupt:
    print('put away', file=sys.stderr)
    sys.exit(130)
"""


@pytest.fixture
def process(qtbot: QtBot) -> Iterator[Process]:
    made = Process()
    yield made
    made.interrupt()
    made.wait(60_000)


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Return a function that makes a module of some code, for children to find."""

    def write(code: str) -> str:
        (tmp_path / "a_child.py").write_text(code, encoding="utf-8")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        return "a_child"

    return write


def _run(process: Process, module: str, qtbot: QtBot) -> Ended:
    with qtbot.waitSignal(process.ended, timeout=30_000) as blocker:
        process.start(module, [])
    return blocker.args[0]


def test_what_a_child_writes_arrives(process: Process, script: Callable[[str], str], qtbot: QtBot) -> None:
    lines: list[str] = []
    process.printed.connect(lines.append)
    ended = _run(process, script(_TALKS), qtbot)
    assert (ended.status, ended.crashed, ended.interrupted) == (0, False, False)
    assert ended.output.strip() == "out: é"
    assert lines == list(ended.tail) == ["one", "two", "usassist: it is so."]
    assert ended.complaint == "it is so."
    assert not process.is_running


def test_a_command_of_usassist_refuses_in_one_sentence(process: Process, qtbot: QtBot) -> None:
    with qtbot.waitSignal(process.ended, timeout=60_000) as blocker:
        process.start("usassist.core.cli.main", ["models", "show", "no-such-model"])
    assert blocker.args[0].status == 1
    assert blocker.args[0].complaint.startswith("There is no model 'no-such-model'")


def test_a_folder_of_strangers_is_no_place_to_import_from(
    process: Process, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "argparse.py").write_text("raise SystemExit('hijacked')")
    monkeypatch.chdir(tmp_path)
    with qtbot.waitSignal(process.ended, timeout=60_000) as blocker:
        process.start("usassist.core.cli.main", ["--version"])
    assert blocker.args[0].status == 0


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
def test_an_interrupt_lets_the_child_put_away_what_it_has(
    process: Process, script: Callable[[str], str], qtbot: QtBot
) -> None:
    with qtbot.waitSignal(process.printed, timeout=30_000):
        process.start(script(_WAITS), [])
    with qtbot.waitSignal(process.ended, timeout=30_000) as blocker:
        process.interrupt()
    ended = blocker.args[0]
    assert ended.interrupted and not ended.crashed
    assert ended.tail[-1] == "put away"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
def test_a_child_that_is_killed_has_crashed_unless_it_was_asked_to_stop(
    process: Process, script: Callable[[str], str], qtbot: QtBot
) -> None:
    with qtbot.waitSignal(process.printed, timeout=30_000):
        process.start(script(_WAITS), [])
    with qtbot.waitSignal(process.ended, timeout=30_000) as blocker:
        os.kill(process.pid, signal.SIGKILL)
    assert blocker.args[0].crashed
    with qtbot.waitSignal(process.printed, timeout=30_000):
        process.start(script("import sys, threading; print('deaf', file=sys.stderr); threading.Event().wait(60)"), [])
    with qtbot.waitSignal(process.ended, timeout=30_000) as blocker:
        process.interrupt()  # it does not answer SIGTERM by putting anything away: it just ends
    assert blocker.args[0].interrupted


def test_a_child_that_ignores_the_interrupt_is_killed(
    process: Process, script: Callable[[str], str], qtbot: QtBot
) -> None:
    code = "import signal, sys, threading; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    code += "print('deaf', file=sys.stderr); threading.Event().wait(60)"
    process._patience.setInterval(50)
    with qtbot.waitSignal(process.printed, timeout=30_000):
        process.start(script(code), [])
    with qtbot.waitSignal(process.ended, timeout=30_000) as blocker:
        process.interrupt()
    assert blocker.args[0].interrupted


def test_a_program_that_cannot_be_started_is_said_so(
    process: Process, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("usassist.gui.jobs.process.sys.executable", "/no/such/python")
    ended = _run(process, "a_child", qtbot)
    assert ended.status == 1
    assert "could not be started" in ended.complaint
    assert process._child.state() == QProcess.ProcessState.NotRunning


def test_a_child_is_given_what_it_needs(process: Process, script: Callable[[str], str], qtbot: QtBot) -> None:
    code = "import os, usassist; print(os.environ['OMP_WAIT_POLICY'], os.environ['PYTHONUTF8'], usassist.__version__)"
    ended = _run(process, script(code), qtbot)
    assert ended.output.split() == ["PASSIVE", "1", usassist.__version__]


def test_how_far_a_child_is_is_no_line_for_a_person(
    process: Process, script: Callable[[str], str], qtbot: QtBot
) -> None:
    code = """
import sys
from usassist.core.cli.output import progress
with progress("reading images", total=2, unit="") as bar:
    bar.update()
    bar.update()
print("usassist: it is so.", file=sys.stderr)
"""
    told: list[Progress] = []
    process.progressed.connect(told.append)
    ended = _run(process, script(code), qtbot)
    assert told == [Progress(1, 2, "reading images"), Progress(2, 2, "reading images")]
    assert ended.tail == ("usassist: it is so.",)
