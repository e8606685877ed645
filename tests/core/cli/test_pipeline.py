import threading
from collections.abc import Generator
from contextlib import closing

import pytest

from usassist.core.cli.pipeline import Behind, ahead, side_by_side


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


def test_results_come_in_order_though_a_later_item_is_done_first() -> None:
    second_is_done = threading.Event()

    def work(number: int) -> tuple[int, int]:
        if number == 0:
            assert second_is_done.wait(10), "the second was not begun while the first was worked on"
        elif number == 1:
            second_is_done.set()
        return number, threading.get_ident()

    results = list(side_by_side(work, range(9), threads=2))
    assert [number for number, _ in results] == list(range(9))
    assert threading.get_ident() not in {thread for _, thread in results}


def test_no_more_items_are_taken_than_threads_work_on_and_one() -> None:
    taken: list[int] = []

    def items() -> Generator[int, None, None]:
        for number in range(20):
            taken.append(number)
            yield number

    with closing(side_by_side(lambda number: number, items(), threads=3)) as results:
        for number in results:
            assert len(taken) <= number + 1 + 3


def test_what_is_raised_comes_in_its_place_and_nothing_behind_it_is_begun() -> None:
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 2:
            raise ValueError("broken")
        return number

    found = []
    with (
        pytest.raises(ValueError, match="broken"),
        closing(side_by_side(work, range(50), threads=2)) as results,
    ):
        found += results
    assert found == [0, 1]
    assert max(begun) <= 4


def test_who_stops_early_waits_for_what_is_worked_on() -> None:
    started, go, done = threading.Event(), threading.Event(), []

    def work(number: int) -> int:
        if number == 0:
            assert started.wait(10)
        elif number == 1:
            started.set()
            go.wait(10)
        done.append(number)
        return number

    results = side_by_side(work, range(50), threads=2)
    assert next(results) == 0
    go.set()
    results.close()
    assert 1 in done and max(done) <= 3


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_stops_the_items_comes_behind_the_results_of_all_that_was_begun(error: type[BaseException]) -> None:
    def items() -> Generator[int, None, None]:
        yield from range(3)
        raise error

    found = []
    with pytest.raises(error), closing(side_by_side(lambda number: number, items(), threads=4)) as results:
        found += results
    assert found == [0, 1, 2]


def test_a_result_is_given_as_soon_as_it_is_there_and_others_are_still_worked_on() -> None:
    first_is_done, go = threading.Event(), threading.Event()

    def work(number: int) -> int:
        if number == 0:
            first_is_done.set()
        elif number == 1:
            assert go.wait(10)
        return number

    def items() -> Generator[int, None, None]:
        yield 0
        assert first_is_done.wait(10)
        yield from (1, 2)

    with closing(side_by_side(work, items(), threads=8)) as results:
        assert next(results) == 0
        go.set()
        assert list(results) == [1, 2]
