import threading
from collections.abc import Generator
from contextlib import closing

import pytest

from usassist.core.cli.pipeline import Behind, ahead


class Source:
    """A generator that says which items were made, on which thread, and whether it was closed."""

    def __init__(self, count: int, *, fails_at: int = -1) -> None:
        self.made = threading.Semaphore(0)
        self.threads: set[int] = set()
        self.closed = threading.Event()
        self.count, self.fails_at, self.last = count, fails_at, -1

    def items(self) -> Generator[int, None, None]:
        try:
            for number in range(self.count):
                if number == self.fails_at:
                    raise ValueError("broken")
                self.threads.add(threading.get_ident())
                self.last = number
                self.made.release()
                yield number
        finally:
            self.closed.set()


def test_items_come_in_order_and_are_made_elsewhere_only_so_far_ahead() -> None:
    source = Source(50)
    with closing(ahead(source.items(), most=3)) as items:
        assert next(items) == 0
        for _ in range(4):  # the one that was taken and three ahead; more never come
            assert source.made.acquire(timeout=10)
        assert not source.made.acquire(timeout=0.05) and source.last == 3
        assert list(items) == list(range(1, 50))
    assert source.threads and threading.get_ident() not in source.threads
    assert source.closed.is_set()


def test_who_stops_early_closes_the_source() -> None:
    source = Source(50)
    with closing(ahead(source.items(), most=2)) as items:
        next(items)
    assert source.closed.wait(10) and source.last <= 3


def test_an_error_comes_in_its_place() -> None:
    found = []
    with pytest.raises(ValueError, match="broken"), closing(ahead(Source(9, fails_at=4).items(), most=8)) as items:
        found += [next(items) for _ in range(4)]
        next(items)
    assert found == [0, 1, 2, 3]


def test_calls_are_made_in_order_and_all_of_them_also_after_an_interrupt() -> None:
    done: list[int] = []
    with pytest.raises(KeyboardInterrupt), Behind(most=2) as behind:
        for number in range(20):
            behind.call(lambda number=number: done.append(number))
        raise KeyboardInterrupt
    assert done == list(range(20))


def test_only_so_many_calls_wait() -> None:
    started, go = threading.Semaphore(0), threading.Event()

    def work() -> None:
        started.release()
        go.wait(10)

    with Behind(most=2) as behind:
        behind.call(work)
        behind.call(work)
        blocked = threading.Thread(target=behind.call, args=(work,))
        blocked.start()
        assert started.acquire(timeout=10)
        blocked.join(0.05)
        assert blocked.is_alive(), "the third has to wait for the first"
        go.set()
        blocked.join(10)
        assert not blocked.is_alive()


def test_what_a_call_raises_is_raised_in_the_end() -> None:
    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"), Behind(most=4) as behind:
        behind.call(fail)
