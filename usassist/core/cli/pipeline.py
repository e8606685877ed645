"""Reading ahead, computing side by side and writing behind: threads with short queues between them."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_END = object()


def ahead(items: Generator[_Item, None, None], *, most: int) -> Generator[_Item, None, None]:
    """Yield the items of a generator that runs on a thread of its own, at most `most` items ahead.

    What it raises is raised here, in its place. Whoever stops early closes what this returns.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="usassist-ahead") as pool:
        waiting: deque[Future[_Item | object]] = deque(pool.submit(next, items, _END) for _ in range(most))
        try:
            while (item := waiting.popleft().result()) is not _END:
                waiting.append(pool.submit(next, items, _END))
                yield item  # type: ignore[misc]  # it is no _END
        finally:
            for future in waiting:
                future.cancel()
            pool.submit(items.close)


def side_by_side(
    work: Callable[[_Item], _Result], items: Iterable[_Item], *, threads: int
) -> Generator[_Result, None, None]:
    """Yield what `work` makes of each item, in order: so many threads work, and one item more waits for the next free.

    What `work` raises is raised here, in its place; what is behind it is given up. What stops the items is raised
    behind the results of all that was being worked on. Whoever stops early closes what this returns, which waits for
    that work too.
    """
    with ThreadPoolExecutor(threads, thread_name_prefix="usassist-beside") as pool:
        waiting: deque[Future[_Result]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                while waiting and (len(waiting) > threads or waiting[0].done()):
                    yield _first(waiting)
            while waiting:
                yield _first(waiting)
        except GeneratorExit:
            raise
        except BaseException:
            _cancel(waiting)
            while waiting and not waiting[0].cancelled() and waiting[0].exception() is None:
                yield _first(waiting)
            raise
        finally:
            _cancel(waiting)


def _first(waiting: deque[Future[_Result]]) -> _Result:
    """Wait for the first result and take it out; it stays in where it raises, or where waiting is interrupted."""
    result = waiting[0].result()
    waiting.popleft()
    return result


def _cancel(waiting: Iterable[Future[_Result]]) -> None:
    for future in waiting:
        future.cancel()


class Behind:
    """Calls that are made on a thread of their own, in order, at most `most` of them waiting.

    Leaving the block waits for all of them, also when it is left by an exception: what was handed over is done. What a
    call raises is raised by a later `call`, or at the end.
    """

    def __init__(self, *, most: int) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="usassist-behind")
        self._waiting: deque[Future[None]] = deque()
        self._most = most

    def call(self, function: Callable[[], None]) -> None:
        """Hand a call over; waits where too many are waiting."""
        while len(self._waiting) >= self._most:
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(function))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True)
        if error is None:
            for future in self._waiting:
                future.result()
