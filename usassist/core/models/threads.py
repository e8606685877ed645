"""How many threads torch may use and how they wait, said before its import, and how answers side by side share them."""

import contextlib
import os
import sys
from collections.abc import Iterator

_MOST_SIDE_BY_SIDE = 4


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


def answers_side_by_side(device: str) -> int:
    """Return how many answers are worth computing side by side on "cpu" or "cuda"; torch is imported already.

    On a CPU one for each of torch's threads, but at most 4: each holds the maps of its own images.
    """
    return min(_MOST_SIDE_BY_SIDE, sys.modules["torch"].get_num_threads()) if device == "cpu" else 1


@contextlib.contextmanager
def shared_threads(among: int) -> Iterator[None]:
    """Divide torch's threads by `among`, for as many threads that begin in the block and ask for answers side by side.

    Several answers on a thread each are done sooner than one after the other on all of them: nobody waits for anybody.
    Does nothing for less than two, and where torch is not imported yet.
    """
    torch = sys.modules.get("torch")
    if among <= 1 or torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, before // among))
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute on one thread in the block, where a second one would sleep longer than it would work.

    Costs a microsecond. Other threads of the process keep what they have.
    """
    torch = sys.modules["torch"]
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _cores() -> int:
    """Return how many cores this process may run on: a container or taskset often allows fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
