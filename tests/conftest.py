"""What every test shares: an offscreen Qt, a private user folder, the sample, the real data, and a leak check."""

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from pytestqt.qtbot import QtBot

# Before PySide6 or a maths library is imported anywhere; a caller who sets these (Xvfb, more threads) wins.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parent.parent

settings.register_profile(
    "usassist", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("usassist")


def pytest_configure() -> None:
    """Let Ctrl+C arrive where the tests were started in the background, which ignores it for all they start."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


_OFF_BY_DEFAULT = ("gpu", "weights", "network")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what needs a device, foreign weights or a network, unless `-m` asks for markers."""
    if config.option.markexpr:
        return
    for item in items:
        needs = next((name for name in _OFF_BY_DEFAULT if item.get_closest_marker(name)), None)
        if needs is not None:
            item.add_marker(pytest.mark.skip(reason=f"off by default; run with -m {needs}"))


@pytest.fixture(autouse=True)
def usassist_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give every test its own user folder (settings, added models, projects), so none sees a person's."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("USASSIST_HOME", str(home))
    return home


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """Undo what a command that ran in this process did to the log: the next test may listen to it."""
    logger = logging.getLogger("usassist")
    before = logger.handlers[:], logger.level, logger.propagate
    yield
    logger.handlers[:], logger.propagate = before[0], before[2]
    logger.setLevel(before[1])


PATIENCE_MS = 60_000


class PatientQtBot(QtBot):
    """A QtBot that waits a minute where it usually gives up after five seconds: a busy machine is no failure."""

    def waitUntil(self, callback: Callable[[], bool | None], *, timeout: int = PATIENCE_MS) -> None:
        super().waitUntil(callback, timeout=timeout)

    def waitSignal(self, signal: object, *, timeout: int = PATIENCE_MS, **options: Any) -> Any:
        return super().waitSignal(signal, timeout=timeout, **options)

    def waitSignals(self, signals: list[Any], *, timeout: int = PATIENCE_MS, **options: Any) -> Any:
        return super().waitSignals(signals, timeout=timeout, **options)

    def waitExposed(self, widget: Any, *, timeout: int = PATIENCE_MS) -> Any:
        return super().waitExposed(widget, timeout=timeout)


@pytest.fixture
def qtbot(qapp: object, request: pytest.FixtureRequest) -> QtBot:
    """Return pytest-qt's robot, with more patience."""
    return PatientQtBot(request)


@pytest.fixture(autouse=True)
def _one_torch_thread() -> None:
    """Keep torch to one thread where something has already imported it."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _no_window_leaks() -> Iterator[None]:
    """Fail a test that leaves a top-level widget behind; Qt is looked at only where a test imported it."""
    before = set(_top_level_widgets())
    yield
    left = [widget for widget in _top_level_widgets() if widget not in before]
    names = ", ".join(f"{type(widget).__name__} {widget.objectName()!r}" for widget in left)
    for widget in left:
        widget.close()
        widget.deleteLater()
    if left:
        pytest.fail(f"The test left top-level widgets open: {names}. Close them, or register them with qtbot.")


def _top_level_widgets() -> list:  # type: ignore[type-arg]
    """Return Qt's living top-level widgets; none where Qt was never imported or has no application."""
    widgets = sys.modules.get("PySide6.QtWidgets")
    if widgets is None or widgets.QApplication.instance() is None:
        return []
    core = sys.modules["PySide6.QtCore"]
    widgets.QApplication.sendPostedEvents(None, core.QEvent.Type.DeferredDelete.value)
    # Qt's own leftovers (tooltips, combo boxes' popup frames) have a parent or are deleted by Qt itself.
    return [
        widget
        for widget in widgets.QApplication.topLevelWidgets()
        if widget.parent() is None and widget.metaObject().className() not in {"QTipLabel", "QDesktopWidget"}
    ]


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Return the folder of real ultrasound: `USASSIST_DATA`, else `../shared/data` beside the checkout.

    Skips where the default is missing; fails where `USASSIST_DATA` is set and missing, so that a machine that
    promises the data never skips in silence.
    """
    named = os.environ.get("USASSIST_DATA")
    root = Path(named) if named else ROOT.parent / "shared" / "data"
    if root.is_dir():
        return root.resolve()
    if named:
        pytest.fail(
            f"USASSIST_DATA is {named!r}, which is not a folder; set it to the folder of real data or unset it."
        )
    pytest.skip("Real ultrasound is not here; set USASSIST_DATA to its folder to run this test.")


@pytest.fixture(scope="session")
def sample_dir() -> Path:
    """Return the shipped sample: the simulated breast cine as DICOM, with its truth."""
    folder = ROOT / "resources" / "sample"
    if not any(folder.iterdir() if folder.is_dir() else ()):
        pytest.fail(f"The sample is missing from {folder.relative_to(ROOT)}; it is part of the project.")
    return folder
