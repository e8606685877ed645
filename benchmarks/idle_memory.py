"""How much memory does the window hold before a model loads?

    python benchmarks/idle_memory.py [--seconds 2]

Good: 180 MiB resident. A child process opens the real window with nothing in it, then with the sample's cine on screen
and proposing switched off, and reports its own resident memory (Linux; VmHWM is the peak so far).
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from common import SAMPLE, private_home, quiet_environment, real_window, table, verdict, wait_for

_LIMIT_MIB = 180.0


def _memory_mib() -> dict[str, float]:
    lines = Path("/proc/self/status").read_text().splitlines()
    values = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith(("VmRSS", "VmHWM"))}
    return {name: int(kib) / 1024 for name, kib in values.items()}


def _measure(seconds: float) -> None:
    """Run in the child: print what the window holds, as JSON lines."""
    with real_window(auto_propose=False) as (window, _answers):

        def report(what: str) -> None:
            end = time.perf_counter() + seconds
            wait_for(lambda: time.perf_counter() >= end)
            print(json.dumps({"what": what, "torch": "torch" in sys.modules, **_memory_mib()}), flush=True)

        report("empty window")
        window.open_paths([SAMPLE])
        wait_for(lambda: window.document.frame is not None)
        report("sample on screen")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.0, help="how long to be idle before looking")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    quiet_environment()
    if options.child:
        _measure(options.seconds)
        return
    if not Path("/proc/self/status").exists():
        raise SystemExit("This benchmark reads /proc, which only Linux has.")
    with private_home():
        command = [sys.executable, __file__, "--child", "--seconds", str(options.seconds)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    rows = []
    for line in done.stdout.splitlines():
        found = json.loads(line)
        rss = float(found["VmRSS"])
        torch = "imported!" if found["torch"] else "no"
        rows.append((found["what"], rss, float(found["VmHWM"]), torch, _LIMIT_MIB, verdict(rss, _LIMIT_MIB)))
    table("Memory before a model loads", ("what", "resident MiB", "peak MiB", "torch", "target", ""), rows)


if __name__ == "__main__":
    main()
