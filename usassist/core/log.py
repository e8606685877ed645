"""Logging set-up: everything goes to stderr, so stdout stays free for `--json`."""

import logging
import sys


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
