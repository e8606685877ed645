"""How the C library treats memory that a step of a training, or an answer at work, gives back."""

import ctypes
import logging
import platform

logger = logging.getLogger(__name__)

# malloc.h of glibc
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
# Older versions refuse more than 32 MB.
_LARGE = (2**30, 2**25)


def keep_freed_memory() -> bool:
    """Let glibc keep large blocks for the next step instead of returning them to the system; returns whether it does.

    By default it maps every tensor anew, and the system clears its pages each time they are first touched: half a
    million page faults a training step of the shipped recipe, a quarter of its processor time (measured on a CPU: 4.2 s
    a step without, 3.0 s with, for 0.6 GB more memory held), and half the time of an answer about a frame. Threads
    share one pool of blocks: one of their own would give large blocks back, and keep small ones that others could use.
    Does nothing on other systems. Holds for the process.
    """
    if platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    held = any(mallopt(_M_MMAP_THRESHOLD, size) for size in _LARGE) and bool(mallopt(_M_TRIM_THRESHOLD, 2**31 - 1))
    held = held and bool(mallopt(_M_ARENA_MAX, 1))
    logger.debug("Freed memory is kept for the next step: %s.", held)
    return held
