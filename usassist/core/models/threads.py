"""How many threads torch may use and how they wait, said before its import, and how answers side by side share them."""

import contextlib
import os
import sys
from collections.abc import Iterator

_MOST_SIDE_BY_SIDE = 4
_SMALL_TOWER = 20_000_000


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


def fit_threads(weights: int) -> None:
    """Give torch the threads that pay for the answers of an image tower of so many weights.

    A small one's steps are over before a sleeping thread is awake (measured on 2 cores: 32 ms a frame with one thread,
    39 ms with two; a tower of 20 million or more is taken for large), so it has one thread, and what other cores there
    are answer about other frames side by side.
    """
    sys.modules["torch"].set_num_threads(1 if weights < _SMALL_TOWER else _allowed())


def answers_side_by_side(device: str) -> int:
    """Return how many answers are worth computing side by side on "cpu" or "cuda".

    On a CPU one for each thread that the user or `limit_threads` allows, but at most 4: each holds the maps of its own
    images.
    """
    return min(_MOST_SIDE_BY_SIDE, _allowed()) if device == "cpu" else 1


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


def _allowed() -> int:
    """Return how many threads the environment allows: OMP_NUM_THREADS, else one for each core."""
    said = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()  # further numbers are for nested loops
    return int(said) if said.isdecimal() and int(said) > 0 else _cores()


def _cores() -> int:
    """Return how many cores this process may run on: a container or taskset often allows fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
