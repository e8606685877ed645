"""For how long is the window ever deaf?

    python benchmarks/event_loop.py [--engine clip_mona] [--frames 30] [--where]

Good: no block of the event loop above 100 ms while the window starts to live, a folder of 1000 files and the sample's
cine open, the engine starts (torch is imported and the model loaded, in its child process), proposals arrive for one
frame after another, and the window is used (brush strokes, undo). A timer of 5 ms runs in the GUI thread; the longest
gap between two of its ticks is the longest block. Building the window comes before its event loop runs: it is reported
as its own row and belongs to the start (benchmarks/startup.py). `--where` also says what the GUI thread was doing in
the longest block, as a second thread saw it.
"""

import argparse
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING

import numpy as np
from common import SAMPLE, private_home, quiet_environment, real_window, table, verdict, wait_for, write_pictures

if TYPE_CHECKING:
    from usassist.gui.main_window import MainWindow

_LIMIT_MS = 100.0


class Pulse:
    """Ticks every 5 ms in the GUI thread and keeps the gaps of the phase that runs."""

    def __init__(self) -> None:
        from PySide6.QtCore import Qt, QTimer

        self.phases: dict[str, list[float]] = {}
        self._phase = ""
        self.last = time.perf_counter()
        self.stopped = False
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._timer.start(5)

    def enter(self, phase: str) -> None:
        """Count the gaps under this name from now on."""
        self._tick()
        self._phase = phase

    def stop(self) -> None:
        """Count no more."""
        self._tick()
        self.stopped = True
        self._timer.stop()

    def _tick(self) -> None:
        now = time.perf_counter()
        if self._phase:
            self.phases.setdefault(self._phase, []).append((now - self.last) * 1e3)
        self.last = now


class Witness(threading.Thread):
    """Looks at the GUI thread's stack while a pulse is late, and keeps the one of the longest silence."""

    def __init__(self, pulse: Pulse) -> None:
        super().__init__(daemon=True)
        self._pulse = pulse
        self._main = threading.get_ident()
        self.longest_s = 0.04
        self.stack = "nothing was late"

    def run(self) -> None:
        while not self._pulse.stopped:
            time.sleep(0.01)
            silence = time.perf_counter() - self._pulse.last
            if silence > self.longest_s and not self._pulse.stopped:
                self.longest_s = silence
                self.stack = "".join(traceback.format_stack(sys._current_frames()[self._main], limit=12))


def _idle(seconds: float) -> None:
    end = time.perf_counter() + seconds
    wait_for(lambda: time.perf_counter() >= end)


def _use(window: "MainWindow") -> None:
    """Paint ten strokes, undo and redo them, as commands: what the brush does when the button goes up."""
    from usassist.core.domain import Mask
    from usassist.gui.commands import paint

    document = window.document
    frame = document.frame
    if frame is None:
        return
    rows, cols = frame.shape
    for number in range(10):
        bits = np.zeros((rows, cols), dtype=np.bool_)
        bits[rows // 3 : rows // 2, cols // 3 + number * 4 : cols // 3 + number * 4 + 20] = True
        paint.paint(document, Mask.from_array(bits), erase=False)
        _idle(0.05)
    for change in [document.undo_group.undo] * 10 + [document.undo_group.redo] * 10:
        change()
        _idle(0.02)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="clip_mona")
    parser.add_argument("--frames", type=int, default=30, help="frames to have proposals for")
    parser.add_argument("--where", action="store_true", help="say what the longest block was")
    options = parser.parse_args()
    quiet_environment()
    with private_home() as folder:
        write_pictures(folder / "pictures", 1000, rows=192, cols=256)
        start = time.perf_counter()
        with real_window(auto_propose=True, engine=options.engine) as (window, answers):
            built_ms = (time.perf_counter() - start) * 1e3
            document = window.document
            pulse = Pulse()
            witness = Witness(pulse)
            if options.where:
                witness.start()
            pulse.enter("start: the first second")
            _idle(1.0)
            pulse.enter("cine opens, engine starts, first proposal")
            window.open_paths([SAMPLE])
            wait_for(lambda: len(answers) > 0 or document.engine_state == "failed")
            _idle(0.2)
            pulse.enter(f"proposals for {options.frames} frames")
            for _ in range(options.frames if document.engine_state == "ready" else 0):
                seen = len(answers)
                document.step_frame(1)
                wait_for(lambda seen=seen: len(answers) > seen, timeout_s=20)  # type: ignore[misc]
            pulse.enter("painting, undo, redo")
            _use(window)
            pulse.enter("a folder of 1000 files opens")
            window.open_paths([folder / "pictures"])
            wait_for(lambda: window.files.model.rowCount() == 1000)
            _idle(1.0)
            pulse.stop()
            state = document.engine_state
    rows: list[tuple[object, ...]] = [("imports and the window built (before the loop)", 1, "", built_ms, "", "")]
    for phase, gaps in pulse.phases.items():
        worst = max(gaps)
        rows.append((phase, len(gaps), float(np.percentile(gaps, 99)), worst, _LIMIT_MS, verdict(worst, _LIMIT_MS)))
    table(f"The event loop, engine {options.engine}", ("phase", "ticks", "p99 ms", "worst ms", "target", ""), rows)
    print(f"the engine is {state}; {len(answers)} answers")
    if options.where:
        print(f"\nseen in the longest block, after {witness.longest_s * 1e3:.0f} ms:\n{witness.stack}")


if __name__ == "__main__":
    main()
