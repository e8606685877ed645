"""How many threads torch may use, and how they wait; to be said before torch is imported."""

import os
import sys


def limit_threads(*, spare: int = 0) -> None:
    """Leave `spare` cores to others, and let idle threads sleep instead of spinning.

    OpenMP's threads spin while they wait; beside another busy process that costs more than the work itself (measured:
    0.9 s of processor time a frame instead of 0.07 s). What the user set in the environment wins. Without effect once
    torch is imported, except on the number of threads.
    """
    count = max(1, _cores() - spare)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    os.environ.setdefault("OMP_NUM_THREADS", str(count))
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() > count:
        torch.set_num_threads(count)


def _cores() -> int:
    """Return how many cores this process may run on: a container or taskset often allows fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
