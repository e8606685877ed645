"""How long until the next picture is on screen?

    python benchmarks/next_frame.py [--count 60] [--no-window]

Good: a median of 20 ms for a 1024 x 768 PNG. Measured are reading and decoding through the library plus the display
table (no window), then the real window: from asking for the next file until its canvas has painted it, at once and
after a pause in which the next picture is fetched ahead. The same for the frames of the sample's cine. No engine is
asked.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from common import (
    SAMPLE,
    count_paints,
    private_home,
    quiet_environment,
    real_window,
    table,
    verdict,
    wait_for,
    write_pictures,
)

_LIMIT_MS = 20.0


def _library_ms(path: Path) -> np.ndarray:
    from usassist.core.io.display import to_display
    from usassist.core.io.library import Library
    from usassist.core.io.open_study import find_sources

    taken = []
    with Library(find_sources(path)) as library:
        for source in library.sources:
            start = time.perf_counter()
            refs = library.study(source.key).frames
            to_display(library.frame(refs[0]), window=None)
            taken.append((time.perf_counter() - start) * 1e3)
            for ref in refs[1:]:
                start = time.perf_counter()
                to_display(library.frame(ref), window=None)
                taken.append((time.perf_counter() - start) * 1e3)
    return np.array(taken[1:])  # the first one imports the decoder


def _window_ms(path: Path, *, steps: int, pause_s: float, cine: bool) -> np.ndarray:
    taken = []
    with real_window(auto_propose=False) as (window, _answers):
        document = window.document
        window.open_paths([path])
        wait_for(lambda: document.frame is not None)
        step: Callable[[int], None] = document.step_frame if cine else document.step_file
        paints = count_paints(window.canvas.viewport())
        for _ in range(steps):
            end = time.perf_counter() + pause_s
            wait_for(lambda end=end: time.perf_counter() >= end)  # type: ignore[misc]
            shown: list[int] = []  # how often the canvas had been painted when the frame came
            connection = document.frame_shown.connect(lambda _frame, shown=shown: shown.append(paints.count))
            start = time.perf_counter()
            step(1)
            wait_for(lambda shown=shown: bool(shown) and paints.count > shown[0])  # type: ignore[misc]
            taken.append((time.perf_counter() - start) * 1e3)
            document.frame_shown.disconnect(connection)
    return np.array(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=60, help="pictures")
    parser.add_argument("--no-window", action="store_true", help="only the library")
    options = parser.parse_args()
    quiet_environment()
    measured: dict[str, np.ndarray] = {}
    with private_home() as folder:
        pictures = folder / "pictures"
        write_pictures(pictures, options.count, rows=768, cols=1024)
        measured["PNG, library"] = _library_ms(pictures)
        measured["cine, library"] = _library_ms(SAMPLE)
        if not options.no_window:
            for pause_s in (0.0, 0.3):
                asked = "at once" if pause_s == 0 else f"after {pause_s} s"
                steps = options.count - 1 if pause_s == 0 else min(20, options.count - 1)
                measured[f"PNG, window, {asked}"] = _window_ms(pictures, steps=steps, pause_s=pause_s, cine=False)
            measured["cine, window, at once"] = _window_ms(SAMPLE, steps=50, pause_s=0.0, cine=True)
    rows = []
    for name, times in measured.items():
        median = float(np.median(times))
        rows.append((name, len(times), median, float(np.percentile(times, 95)), _LIMIT_MS, verdict(median, _LIMIT_MS)))
    table("The next picture", ("what", "n", "median ms", "p95 ms", "target", ""), rows)


if __name__ == "__main__":
    main()
