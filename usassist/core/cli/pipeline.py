"""Reading ahead and writing behind: two threads beside the one that computes, each with a short queue."""

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

_Item = TypeVar("_Item")
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
