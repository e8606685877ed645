"""Starting the window: settings first, the window painted, and only then whatever was asked to be opened."""

import argparse
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType

from PySide6.QtCore import QEvent, QObject, QSocketNotifier, QTimer
from PySide6.QtWidgets import QApplication

from usassist import __version__
from usassist.core import log
from usassist.core.errors import UsassistError
from usassist.gui import settings as settings_store
from usassist.gui import theme
from usassist.gui.document import Document
from usassist.gui.document.opening import reader_of
from usassist.gui.main_window import MainWindow
from usassist.gui.settings import Settings

BENCH = "USASSIST_BENCH_FIRST_PAINT"
"""Where this is set the monotonic time of the first paint is written to stdout, and the window closes."""


def main(argv: Sequence[str]) -> int:
    """Open the window on `argv` (files, folders or one project) and return the exit status once it is closed."""
    wanted = _parse(argv)
    log.configure(verbosity=wanted.verbose)
    if lacks_display(os.environ):
        # Qt would abort the process.
        sys.stderr.write(
            "usassist: there is no display (neither DISPLAY nor WAYLAND_DISPLAY is set). Start it on a desktop, or use "
            "its commands, which need none: usassist --help.\n"
        )
        return 1
    app = make_app()
    settings, trouble = load_settings()
    theme.apply(app, settings.theme)
    document = Document(
        reader=reader_of(wanted.reader or settings.reader_name),
        engine=settings.engine,
        model=settings.model or None,
        device=settings.device,
        precision=settings.precision,
        auto_propose=settings.auto_propose,
    )
    window = MainWindow(document, settings=settings)
    report = _Unexpected(window)
    sys.excepthook = report
    interrupts = _Interrupts(window)
    if os.environ.get(BENCH):
        window.canvas.viewport().installEventFilter(_FirstPaint(window))
    window.show()
    if trouble:
        window.status.say(trouble)
    # The first paint goes before: a folder may take a while.
    QTimer.singleShot(0, window, lambda: window.open_paths(wanted.paths))
    status = app.exec()
    interrupts.close()
    sys.excepthook = sys.__excepthook__
    document.close()
    return status


def lacks_display(environment: Mapping[str, str]) -> bool:
    """Return whether a window has nowhere to go: Linux without X11, Wayland or another Qt platform."""
    named = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    return sys.platform.startswith("linux") and not any(environment.get(name) for name in named)


def make_app() -> QApplication:
    """Return the one application, with the names the desktop knows it by."""
    app = QApplication.instance() or QApplication(sys.argv[:1])
    if not isinstance(app, QApplication):
        raise UsassistError("usassist was started inside a program without a display; start it on its own.")
    app.setApplicationName("usassist")
    app.setApplicationDisplayName("usassist")
    app.setApplicationVersion(__version__)
    app.setDesktopFileName("usassist")
    return app


def load_settings() -> tuple[Settings, str]:
    """Return the preferences, and what is wrong with them: a typo in the file must not keep the window shut."""
    try:
        return settings_store.load(), ""
    except UsassistError as error:
        return Settings(), str(error)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="usassist", description="Annotate ultrasound images and cines.")
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="files, folders or one project to open")
    parser.add_argument("--reader", default="", metavar="NAME", help="the name your work is kept under")
    parser.add_argument("-v", "--verbose", action="count", default=0, help="say more in the terminal")
    return parser.parse_args(list(argv))


class _Unexpected:
    """What to do with an exception nobody expected: one line in the status bar, the traceback in its details."""

    def __init__(self, window: MainWindow) -> None:
        self._window = window
        self._last = ""

    def __call__(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        sys.__excepthook__(kind, error, trace)
        details = "".join(traceback.format_exception(kind, error, trace))
        if details != self._last:
            self._last = details
            self._window.status.say(f"Something went wrong ({kind.__name__}); what you drew is kept.", details)


class _Interrupts:
    """Ctrl+C and SIGTERM close the window as its cross does, so that everything is saved.

    Python runs a signal's handler only between two of its own instructions, which a waiting event loop never reaches:
    the wake-up socket makes the loop call into Python.
    """

    def __init__(self, window: MainWindow) -> None:
        self._read, self._write = socket.socketpair()
        self._write.setblocking(False)
        self._read.setblocking(False)
        self._notifier = QSocketNotifier(self._read.fileno(), QSocketNotifier.Type.Read, window)
        self._notifier.activated.connect(lambda: self._read.recv(64))
        self._window = window
        self._before = signal.set_wakeup_fd(self._write.fileno())
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._close_window)

    def _close_window(self, _number: int, _frame: FrameType | None) -> None:
        self._window.close()

    def close(self) -> None:
        """Give the signals back."""
        signal.set_wakeup_fd(self._before)
        self._notifier.setEnabled(False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        self._read.close()
        self._write.close()


class _FirstPaint(QObject):
    """Writes the time of the canvas's first paint and closes the window; benchmarks only."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Paint:
            watched.removeEventFilter(self)
            QTimer.singleShot(0, self._window, self._report)
        return False

    def _report(self) -> None:
        sys.stdout.write(f"{time.monotonic():.6f}\n")
        sys.stdout.flush()
        self._window.close()
