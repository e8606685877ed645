"""gdcm at arm's length: on damaged JPEG data it aborts the process it runs in, so it runs in one of its own.

The child starts with the first frame that needs it (about a third of a second), then answers within the time of
decoding; where it dies, that frame is an error and the next one gets a new child.
"""

import atexit
import subprocess
import sys
import threading
from typing import Any

import numpy.typing as npt

from usassist.core.io.gdcm_child import GdcmRequest, receive, send

_TIMEOUT_SECONDS = 60.0

_lock = threading.Lock()
_children: list[subprocess.Popen[bytes]] = []


def decode_apart(request: GdcmRequest) -> npt.NDArray[Any]:
    """Decode one frame with gdcm in the child process; raises ValueError where it is damaged or the child dies."""
    with _lock:
        child = _running() or _start()
        watch = threading.Timer(_TIMEOUT_SECONDS, child.kill)
        watch.daemon = True
        watch.start()
        try:
            kind, value = _ask(child, request)
        except (EOFError, OSError) as error:
            _stop(child)
            raise ValueError("its decoder gave up on the compressed data") from error
        finally:
            watch.cancel()
    if kind != "ok":
        raise ValueError(str(value))
    array: npt.NDArray[Any] = value
    return array


def close() -> None:
    """End the child process, if there is one; the next frame that needs it starts another."""
    with _lock:
        while _children:
            _stop(_children[0])


def _ask(child: "subprocess.Popen[bytes]", request: GdcmRequest) -> tuple[str, Any]:
    if child.stdin is None or child.stdout is None:
        raise OSError("the decoder has no pipes")
    send(child.stdin, request)
    kind, value = receive(child.stdout)
    return kind, value


def _running() -> "subprocess.Popen[bytes] | None":
    if not _children:
        return None
    if _children[0].poll() is None:
        return _children[0]
    _stop(_children[0])
    return None


def _start() -> "subprocess.Popen[bytes]":
    child = subprocess.Popen(
        [sys.executable, "-m", "usassist.core.io.gdcm_child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # libjpeg prints there about every file it finds fault with
    )
    _children.append(child)
    return child


def _stop(child: "subprocess.Popen[bytes]") -> None:
    _children.remove(child)
    child.kill()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except OSError:  # what was not sent yet cannot be sent any more
                continue
    child.wait()


atexit.register(close)
