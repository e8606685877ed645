"""Logging set-up: everything goes to stderr, so stdout stays free for `--json`."""

import logging
import re
import sys

PROGRESS_VARIABLE = "USASSIST_PROGRESS"
"""Set to "lines", commands tell on stderr how far they are, a line a step, for the program that started them."""
READING_IMAGES, EPOCH = "reading images", "epoch"
"""What a training calls its steps where it tells how far it is ("epoch 3"); the window knows them by these words."""
_PROGRESS = re.compile(r"usassist-progress (\d+)/(\d+) (.*)")


def configure(*, verbosity: int = 0) -> None:
    """Send log records of usassist to stderr.

    `verbosity` is the number of `-v` minus the number of `-q`: 0 shows warnings, 1 information, 2 everything,
    below 0 errors only.
    """
    level = {-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO}.get(max(-1, verbosity), logging.DEBUG)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("usassist")
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    logger.propagate = False


def progress_line(what: str, done: int, total: int) -> str:
    """Return the line that tells a program how far something is.

    >>> read_progress(progress_line("reading images", 3, 11))
    ('reading images', 3, 11)
    """
    return f"usassist-progress {done}/{total} {what}"


def read_progress(line: str) -> tuple[str, int, int] | None:
    """Return what `progress_line` was given, None for any other line."""
    found = _PROGRESS.fullmatch(line)
    return (found[3], int(found[1]), int(found[2])) if found is not None else None
