"""How long until a folder of many files is listed?

    python benchmarks/open_folder.py [--counts 1000 10000] [--no-window]

Good: 0.1 s for 1000 files and 0.25 s for 10,000, both for the search alone and until the window's list is filled
(project made or found, files panel reset). Small PNGs are generated in a temporary folder; no file is decoded by the
search, so their size does not matter. The first opening of a folder also makes its project; the second finds it. A
folder of three files is opened before, because the first opening of all imports the readers; it has its own row.
"""

import argparse
import gc
import time
from pathlib import Path

from common import milliseconds, private_home, quiet_environment, real_window, table, verdict, wait_for, write_pictures

_LIMIT_S = {1000: 0.10, 10_000: 0.25}


def _search_s(folder: Path, *, repeat: int) -> tuple[float, int]:
    from usassist.core.io.open_study import find_sources

    times = milliseconds(lambda: find_sources(folder), repeat=repeat)
    return float(times.min()) / 1e3, len(find_sources(folder))


def _window_s(folders: list[Path]) -> list[float]:
    """Return, for each folder in turn, the seconds from asking for it until the files panel has painted its rows."""
    taken = []
    with real_window(auto_propose=False) as (window, _answers):
        for folder in folders:
            expected = sum(1 for _ in folder.iterdir())
            gc.collect()
            start = time.perf_counter()
            window.open_paths([folder])
            wait_for(lambda expected=expected: window.files.model.rowCount() == expected)  # type: ignore[misc]
            window.files.view.viewport().repaint()
            taken.append(time.perf_counter() - start)
            wait_for(lambda: window.document.frame is not None)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--repeat", type=int, default=5, help="searches to take the best of")
    parser.add_argument("--no-window", action="store_true", help="only the search")
    options = parser.parse_args()
    quiet_environment()
    rows: list[tuple[object, ...]] = []
    for count in options.counts:
        limit = _LIMIT_S.get(count, 0.25)
        with private_home() as folder:
            write_pictures(folder / "pictures", count, rows=48, cols=64)
            seconds, found = _search_s(folder / "pictures", repeat=options.repeat)
            rows.append((found, "search", seconds, limit, verdict(seconds, limit)))
            if not options.no_window:
                write_pictures(folder / "three", 3, rows=48, cols=64)
                few, many = folder / "three", folder / "pictures"
                first, new, _, known = _window_s([few, many, few, many])
                rows.append((3, "window, first folder of all", first, "", ""))
                rows.append((count, "window, new folder", new, limit, verdict(new, limit)))
                rows.append((count, "window, known folder", known, limit, verdict(known, limit)))
    table("Opening a folder", ("files", "what", "seconds", "target", ""), rows)


if __name__ == "__main__":
    main()
