"""How long from the start of the process to the first paint of the window?

    python benchmarks/startup.py [--repeat 7] [--labelme]

Good: no slower than labelme 6.3.1 measured in the same run, and at most 0.8 s warm; torch is not imported before the
first paint. Each run is a process of its own, timed from just before it is started to the moment after its first paint;
the first run of each program is reported as "first" and does not count. `--labelme` makes a virtual environment in the
user's cache folder (once; needs a network), installs labelme there and starts it the same way. Both run offscreen where
there is no display.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import platformdirs
from common import private_home, quiet_environment, table, verdict

_LIMIT_S = 0.8
_LABELME = "6.3.1"

# Runs `usassist` itself, then says whether torch came in; the hook writes the time of the first paint.
_OURS = """
import sys
sys.argv = ["usassist"]
from usassist.__main__ import main
status = main()
print("torch" if "torch" in sys.modules else "no torch")
sys.exit(status)
"""

# Starts labelme by its own entry point and stops at the first paint of its main window or anything in it.
_THEIRS = """
import sys, time
sys.argv = ["labelme"]
from PyQt5 import QtCore, QtWidgets

class Filter(QtCore.QObject):
    seen = False
    def eventFilter(self, watched, event):
        if not self.seen and event.type() == QtCore.QEvent.Paint and isinstance(watched, QtWidgets.QWidget):
            if isinstance(watched.window(), QtWidgets.QMainWindow):
                self.seen = True
                QtCore.QTimer.singleShot(0, report)
        return False

def report():
    print(f"{time.monotonic():.6f}", flush=True)
    QtWidgets.QApplication.instance().quit()

watcher = Filter()
run = QtWidgets.QApplication.exec_
def watched_run(*args):
    QtWidgets.QApplication.instance().installEventFilter(watcher)
    return run()
QtWidgets.QApplication.exec_ = QtWidgets.QApplication.exec = watched_run
from labelme.__main__ import main
main()
"""


def _start_s(python: Path, code: str) -> tuple[float, str]:
    """Return the seconds to the first paint of one process, and the rest of what it printed."""
    environment = os.environ | {"USASSIST_BENCH_FIRST_PAINT": "1"}
    start = time.monotonic()
    command = [str(python), "-c", code]
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=120)
    lines = done.stdout.split("\n")
    stamps = [line for line in lines if line.replace(".", "", 1).isdigit()]
    if not stamps:
        raise SystemExit(f"The program ended without a first paint:\n{done.stdout}\n{done.stderr}")
    return float(stamps[-1]) - start, done.stdout


def _labelme_python() -> Path:
    """Return the interpreter of labelme's own environment, made on the first call."""
    folder = Path(platformdirs.user_cache_dir("usassist-benchmarks")) / f"labelme-{_LABELME}"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", f"labelme=={_LABELME}"], check=True)
        (folder / "ready").touch()
    return python


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--labelme", action="store_true", help=f"compare with labelme {_LABELME}")
    options = parser.parse_args()
    quiet_environment()
    programs = {"usassist": (Path(sys.executable), _OURS)}
    if options.labelme:
        programs[f"labelme {_LABELME}"] = (_labelme_python(), _THEIRS)
    taken: dict[str, list[float]] = {name: [] for name in programs}
    torch = set()
    with private_home():
        for _ in range(options.repeat + 1):
            for name, (python, code) in programs.items():  # in turn, so that a busy machine is fair to both
                seconds, printed = _start_s(python, code)
                taken[name].append(seconds)
                if name == "usassist":
                    torch.add("no torch" not in printed)
    rows = []
    for name, times in taken.items():
        median = float(np.median(times[1:]))
        judged = verdict(median, _LIMIT_S) if name == "usassist" else ""
        rows.append((name, times[0], median, float(min(times[1:])), float(max(times[1:])), judged))
    table("Process start to first paint, seconds", ("program", "first", "median", "best", "worst", ""), rows)
    print("torch was imported before the first paint: MISSED" if True in torch else "torch was not imported: ok")
    if options.labelme:
        ours, theirs = (float(np.median(times[1:])) for times in taken.values())
        print(f"usassist takes {ours / theirs:.2f} of labelme's time: {verdict(ours, theirs)}")


if __name__ == "__main__":
    main()
