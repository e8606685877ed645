"""Starting: what is imported, what is said, and how the window ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import QTimer
from pytestqt.qtbot import QtBot

from usassist.core.paths import settings_file
from usassist.gui import app as gui_app
from usassist.gui import theme
from usassist.gui.main_window import MainWindow
from usassist.gui.settings import Settings

IMPORTS = """
import sys
from usassist.gui import app
heavy = {"torch", "torchvision", "open_clip", "timm", "pydicom", "SimpleITK", "scipy", "usassist.core.cli.main"}
print(sorted(heavy & set(sys.modules)))
"""


def test_nothing_heavy_is_imported_before_the_first_paint() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_first_paint_can_be_measured(tmp_path: Path) -> None:
    environment = {**os.environ, "USASSIST_HOME": str(tmp_path), gui_app.BENCH: "1", "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(
        [sys.executable, "-m", "usassist"], capture_output=True, text=True, env=environment, timeout=120, check=True
    )
    assert float(done.stdout) > 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals of this kind.")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_closes_the_window_as_its_cross_does(qtbot: QtBot, number: signal.Signals) -> None:
    QTimer.singleShot(0, lambda: os.kill(os.getpid(), number))
    before = signal.getsignal(signal.SIGINT)
    try:
        assert gui_app.main([]) == 0
    finally:
        signal.signal(signal.SIGINT, before)
    _delete_windows()


def test_a_typo_in_the_settings_does_not_keep_the_window_shut(qtbot: QtBot) -> None:
    settings_file().parent.mkdir(parents=True, exist_ok=True)
    settings_file().write_text("tehme = 1", "utf-8")
    settings, trouble = gui_app.load_settings()
    assert settings == Settings()
    assert "tehme" in trouble


def test_paths_are_opened_once_the_window_is_there(qtbot: QtBot, images: Path) -> None:
    seen: list[str] = []

    def look() -> None:
        (window,) = _windows()
        window.document.auto_propose = False
        window.document.frame_shown.connect(lambda frame: (seen.append(frame.ref.source_key), window.close()))

    QTimer.singleShot(0, look)
    assert gui_app.main([str(images), "--reader", "Ann"]) == 0
    assert len(seen) == 1
    _delete_windows()


def _windows() -> list[MainWindow]:
    return [widget for widget in gui_app.make_app().topLevelWidgets() if isinstance(widget, MainWindow)]


def _delete_windows() -> None:
    for window in _windows():
        window.deleteLater()
    theme.apply(gui_app.make_app(), "dark")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere there is always a display")
def test_without_a_display_it_says_so_and_does_not_abort() -> None:
    hidden = {"DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run(
        [sys.executable, "-m", "usassist"], capture_output=True, text=True, env=environment, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "no display" in done.stderr
