"""What commands write: exit statuses, JSON on stdout, complaints and progress on stderr."""

import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from enum import IntEnum
from typing import Any, Protocol

from usassist.core.log import PROGRESS_VARIABLE, progress_line

_LINES_EVERY_S = 0.2


class Exit(IntEnum):
    """Exit statuses, as CLI.md fixes them; INTERRUPTED is the shell's 128 + SIGINT."""

    DONE = 0
    NOTHING = 1
    USAGE = 2
    PARTLY = 3
    INTERRUPTED = 130


class Bar(Protocol):
    """A progress bar."""

    def update(self, n: float = 1) -> object:
        """Count `n` more."""

    def reset(self, total: float | None = None) -> object:
        """Start again with another total."""


class _NoBar:
    def update(self, n: float = 1) -> None:
        """Show nothing."""

    def reset(self, total: float | None = None) -> None:
        """Show nothing."""


class _Lines:
    """Tells a program how far something is: the first step, the last one, and at most five a second between."""

    def __init__(self, text: str, total: int) -> None:
        self._text, self._total, self._done, self._next = text, total, 0.0, 0.0

    def update(self, n: float = 1) -> None:
        """Count `n` more."""
        self._done += n
        now = time.monotonic()
        if now >= self._next or self._done >= self._total:
            self._next = now + _LINES_EVERY_S
            print(progress_line(self._text, int(self._done), self._total), file=sys.stderr, flush=True)

    def reset(self, total: float | None = None) -> None:
        """Start again with another total."""
        self._done, self._total = 0.0, self._total if total is None else int(total)


@contextmanager
def progress(text: str, *, total: int, unit: str, quiet: bool = False) -> Iterator[Bar]:
    """Show a progress bar on stderr where stderr is a terminal, lines where a program asks for them, else nothing."""
    if not quiet and os.environ.get(PROGRESS_VARIABLE) == "lines":
        yield _Lines(text, total)
        return
    if quiet or not sys.stderr.isatty():
        yield _NoBar()
        return
    from tqdm import tqdm

    with tqdm(total=total, desc=text, unit=unit, file=sys.stderr, leave=False, dynamic_ncols=True) as bar:
        yield bar


@contextmanager
def progress_of_each(*, quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """Yield what is told a thing, how much of it is done and of how much: it shows one `progress` after the other."""
    with ExitStack() as stack:
        shown: tuple[str, Bar] | None = None
        before = 0

        def show(what: str, done: int, total: int) -> None:
            nonlocal shown, before
            if shown is None or shown[0] != what:
                stack.close()
                bar = stack.enter_context(progress(what, total=total, unit="", quiet=quiet))
                shown, before = (what, bar), 0
            shown[1].update(done - before)
            before = done

        yield show


def complain(text: str) -> None:
    """Write one line for a person to stderr."""
    print(f"usassist: {text}", file=sys.stderr)


def report_failures(failed: Sequence[tuple[str, str]]) -> None:
    """List each input that failed with its reason, on stderr."""
    for name, reason in failed:
        complain(reason if reason.startswith(name) else f"{name}: {reason}")


def count(number: int, noun: str) -> str:
    """Return "1 file" or "2 files"; for nouns whose plural is an s."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def status(*, done: int, failed: int) -> Exit:
    """Return the exit status for so many inputs done and so many failed."""
    if failed:
        return Exit.PARTLY if done else Exit.NOTHING
    return Exit.DONE


def print_json(document: Mapping[str, Any]) -> None:
    """Print one JSON document on stdout."""
    print(to_json(document))


def to_json(document: Mapping[str, Any]) -> str:
    """Return JSON that every parser reads: numbers that are not finite become null."""
    return json.dumps(_finite(document), indent=2, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def print_table(rows: Sequence[Sequence[str]], *, header: Sequence[str]) -> None:
    """Print aligned columns on stdout."""
    widths = [max(len(row[index]) for row in (header, *rows)) for index in range(len(header))]
    for row in (header, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
