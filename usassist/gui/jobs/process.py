"""A command of usassist as a child process, which can fail, be killed or be stopped without harm to the window."""

import contextlib
import os
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, QProcess, QProcessEnvironment, QThread, QTimer, Signal

import usassist
from usassist.core.log import PROGRESS_VARIABLE, read_progress
from usassist.gui.jobs.progress import Progress

GRACE_MS = 30_000
"""How long an interrupted command may take to put away what it has before it is killed."""
_NICENESS = 10
_TAIL_LINES = 200
_LONGEST_LINE = 2000
_MOST_OUTPUT = 16 * 2**20
_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended: its exit status, or that it was killed or crashed; what it printed, and its last messages."""

    status: int
    crashed: bool
    output: str
    tail: tuple[str, ...]

    @property
    def interrupted(self) -> bool:
        """Return whether it stopped because it was asked to."""
        return not self.crashed and self.status == _INTERRUPTED

    @property
    def complaint(self) -> str:
        """Return the last sentence it wrote for a person, "" where it wrote none."""
        said = [line.removeprefix("usassist: ") for line in self.tail if line.startswith("usassist: ")]
        return said[-1] if said else ""


class Process(QObject):
    """One child at a time; `printed` for each line it writes to stderr, `ended` once when it is gone.

    What it says of how far it is comes as `progressed`, a `Progress`, and is no line for a person.
    """

    printed = Signal(str)
    progressed = Signal(object)
    ended = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._output = bytearray()
        self._rest = b""
        self._asked_to_stop = False
        self._child = QProcess(self)
        self._child.readyReadStandardError.connect(self._read_messages)
        self._child.readyReadStandardOutput.connect(self._read_output)
        self._child.started.connect(self._make_room)
        self._child.finished.connect(self._on_finished)
        self._child.errorOccurred.connect(self._on_error)
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(GRACE_MS)
        self._patience.timeout.connect(self._child.kill)

    @property
    def is_running(self) -> bool:
        return self._child.state() != QProcess.ProcessState.NotRunning

    @property
    def pid(self) -> int:
        """Return the child's process id, 0 where none runs."""
        return int(self._child.processId())

    @property
    def tail(self) -> tuple[str, ...]:
        """Return the last lines it wrote to stderr."""
        return tuple(self._tail)

    def start(self, module: str, arguments: Sequence[str]) -> None:
        """Run a module of usassist with the interpreter of this program; `ended` follows, whatever happens."""
        self._tail.clear()
        self._output.clear()
        self._rest = b""
        self._asked_to_stop = False
        self._child.setProcessEnvironment(_environment())
        # -P: nothing in the folder the program was started from is taken for a module.
        self._child.start(sys.executable, ["-P", "-m", module, *arguments])
        self._child.closeWriteChannel()

    def interrupt(self) -> None:
        """Ask the child to stop as Ctrl+C does, so that it keeps what it has; killed where it does not.

        Windows has no such signal for a child without a console: there it is killed at once.
        """
        if not self.is_running:
            return
        self._asked_to_stop = True
        if os.name == "nt":
            self._child.kill()
        else:
            self._child.terminate()
            self._patience.start()

    def wait(self, timeout_ms: int) -> None:
        """Block until the child is gone, killing it after the time; for when the window is already hidden."""
        if self.is_running and not self._child.waitForFinished(timeout_ms):
            self._child.kill()
            self._child.waitForFinished(timeout_ms)

    def _make_room(self) -> None:
        """Let the window and its engine go before the child."""
        if hasattr(os, "setpriority"):
            with contextlib.suppress(OSError):  # it may be gone already
                os.setpriority(os.PRIO_PROCESS, self.pid, _NICENESS)

    def _read_messages(self) -> None:
        self._rest += self._child.readAllStandardError().data()
        *lines, self._rest = self._rest.split(b"\n")
        self._rest = self._rest[-_LONGEST_LINE:]
        for line in lines:
            self._say(line)

    def _say(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").rstrip()[:_LONGEST_LINE]
        told = read_progress(text)
        if told is not None:
            what, done, total = told
            self.progressed.emit(Progress(done, total, what))
        elif text:
            self._tail.append(text)
            self.printed.emit(text)

    def _read_output(self) -> None:
        self._output += self._child.readAllStandardOutput().data()
        del self._output[_MOST_OUTPUT:]

    def _on_finished(self, status: int, how: QProcess.ExitStatus) -> None:
        self._patience.stop()
        self._read_messages()
        self._say(self._rest)
        self._rest = b""
        self._read_output()
        crashed = how == QProcess.ExitStatus.CrashExit
        if crashed and self._asked_to_stop:
            crashed, status = False, _INTERRUPTED  # it had no time to put anything away, and that is all
        self.ended.emit(Ended(status, crashed, self._output.decode("utf-8", "replace"), self.tail))

    def _on_error(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:  # every other error is followed by `finished`
            reason = f"usassist: {sys.executable} could not be started ({self._child.errorString()})."
            self._tail.append(reason)
            self.ended.emit(Ended(1, False, "", self.tail))


def _environment() -> QProcessEnvironment:
    """Return this program's environment, with the same usassist to import, UTF-8, and a core left for the window."""
    made = QProcessEnvironment.systemEnvironment()
    package = str(Path(usassist.__file__).resolve().parent.parent)
    before = made.value("PYTHONPATH")
    made.insert("PYTHONPATH", package + (os.pathsep + before if before else ""))
    made.insert("PYTHONUTF8", "1")
    made.insert("PYTHONUNBUFFERED", "1")
    made.insert(PROGRESS_VARIABLE, "lines")
    for name, value in (
        ("OMP_NUM_THREADS", str(max(1, QThread.idealThreadCount() - 1))),
        ("OMP_WAIT_POLICY", "PASSIVE"),
        ("GOMP_SPINCOUNT", "0"),
    ):
        if not made.contains(name):
            made.insert(name, value)
    return made
