"""Ctrl+C and a polite end, held back while something is written that belongs together."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

_HELD = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def held_signals() -> Iterator[None]:
    """Hold SIGINT and SIGTERM back until the block is done; the first that came is then answered as ever.

    Also where the block failed: its error is then the context of the KeyboardInterrupt that a handler may raise. Where
    Python delivers no signals, outside the main thread, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before: dict[signal.Signals, Any] = {}
    try:
        for number in _HELD:
            handler = signal.getsignal(number)
            if handler is not None:  # None: not Python's, and it could not be put back
                before[number] = handler
                signal.signal(number, lambda number, _: came.append(number))
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(signal.Signals(came[0]))
