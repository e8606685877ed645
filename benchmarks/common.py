"""What the benchmarks share: tables, timing, test pictures, and a window in a throw-away user folder."""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from usassist.core.proposers import Proposer
    from usassist.gui.main_window import MainWindow

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "resources" / "sample" / "images" / "breast_cine.dcm"


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table with a title; floats get two digits."""
    texts = [[f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in row] for row in [header, *rows]]
    widths = [max(len(row[column]) for row in texts) for column in range(len(header))]
    print(f"\n{title}")
    for number, row in enumerate(texts):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))


def results_document(
    benchmark: str, *, title: str, header: Sequence[str], rows: Sequence[Sequence[object]], **facts: Any
) -> dict[str, Any]:
    """Return a benchmark's JSON document: its table, which `usassist models card` prints, and its facts."""
    return {"benchmark": benchmark, "title": title, "header": list(header), "rows": [list(r) for r in rows], **facts}


def write_results(path: Path, document: dict[str, Any]) -> None:
    """Write a benchmark's JSON document."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def verdict(value: float, limit: float) -> str:
    """Return whether a value is within its target."""
    return "ok" if value <= limit else "MISSED"


def milliseconds(work: Callable[[], object], *, repeat: int) -> np.ndarray:
    """Return how long each of `repeat` calls took, in ms."""
    taken = []
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        taken.append((time.perf_counter() - start) * 1e3)
    return np.array(taken)


def write_pictures(folder: Path, count: int, *, rows: int, cols: int) -> None:
    """Write `count` grey PNGs that look like ultrasound; eight pictures in turn, so that they cost little to make."""
    from usassist.core.data.simulate import random_scene, simulate_still
    from usassist.core.geometry.cv import cv2

    folder.mkdir(parents=True, exist_ok=True)
    scan = simulate_still(random_scene(1, kind="fibroadenoma")).pixels
    scan = cv2.resize(scan, (cols, rows), interpolation=cv2.INTER_CUBIC)
    variants = []
    for turn in range(8):
        _, encoded = cv2.imencode(".png", np.roll(scan, turn * cols // 8, axis=1))
        variants.append(encoded.tobytes())
    for number in range(count):
        (folder / f"frame_{number:05d}.png").write_bytes(variants[number % len(variants)])


def quiet_environment() -> None:
    """Run offscreen where there is no display, with one thread for each maths library."""
    if sys.platform == "linux" and not os.environ.get("DISPLAY") and not os.environ.get("WAYLAND_DISPLAY"):
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@contextmanager
def private_home() -> Iterator[Path]:
    """Give the run a user folder of its own, removed afterwards: no person's settings count, none are changed."""
    with tempfile.TemporaryDirectory(prefix="usassist-bench-") as folder:
        before = os.environ.get("USASSIST_HOME")
        os.environ["USASSIST_HOME"] = str(Path(folder) / "home")
        try:
            yield Path(folder)
        finally:
            if before is None:
                del os.environ["USASSIST_HOME"]
            else:
                os.environ["USASSIST_HOME"] = before


class CountingProposer:
    """An engine that writes down when each answer was ready; everything else is the engine it wraps."""

    def __init__(self, inner: "Proposer", answers: list[float]) -> None:
        self._inner = inner
        self._answers = answers

    def propose(self, frame: Any, prompt: Any) -> Any:
        found = self._inner.propose(frame, prompt)
        self._answers.append(time.perf_counter())
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@contextmanager
def real_window(*, auto_propose: bool, engine: str = "clip_mona") -> Iterator[tuple["MainWindow", list[float]]]:
    """Open the program's own window; yields it and the list of times at which the engine answered."""
    from usassist.core.proposers import remote
    from usassist.gui import theme
    from usassist.gui.app import make_app
    from usassist.gui.document import Document
    from usassist.gui.main_window import MainWindow
    from usassist.gui.settings import Settings

    answers: list[float] = []
    app = make_app()
    theme.apply(app, "dark")
    document = Document(
        engine=engine,
        auto_propose=auto_propose,
        start_engine=lambda name, options: CountingProposer(remote.start(name, options), answers),
    )
    window = MainWindow(document, settings=Settings(auto_propose=auto_propose, engine=engine))
    window.resize(1400, 900)
    window.show()
    wait_for(window.isVisible)
    try:
        yield window, answers
    finally:
        window.close()
        document.close()


def count_paints(widget: "QWidget") -> Any:
    """Return an object whose `count` is how often the widget has been asked to paint since."""
    from PySide6.QtCore import QEvent, QObject

    class Paints(QObject):
        count = 0

        def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
            self.count += event.type() == QEvent.Type.Paint
            return False

    paints = Paints(widget)
    widget.installEventFilter(paints)
    return paints


def wait_for(done: Callable[[], bool], *, timeout_s: float = 120.0) -> None:
    """Run the event loop until something is true, looking each millisecond; exits where it never becomes so."""
    from PySide6.QtCore import QEventLoop, Qt, QTimer

    if done():
        return
    loop = QEventLoop()
    end = time.perf_counter() + timeout_s
    look = QTimer()
    look.setTimerType(Qt.TimerType.PreciseTimer)
    look.timeout.connect(lambda: loop.quit() if done() or time.perf_counter() > end else None)
    look.start(1)
    loop.exec()
    look.stop()
    if not done():
        raise SystemExit(f"Nothing happened for {timeout_s:.0f} s; start the program by hand to see why.")
