"""What every reader offers, the bounds a file has to respect, and the border where library errors become sentences."""

import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from usassist.core.domain.frame import Frame, Source, Study
from usassist.core.errors import ReadError

HEAD_BYTES = 4096
"""How much of a file's beginning is shown to `ReaderSpec.sniff`."""

MAX_FRAME_BYTES = 512 * 1024**2
"""A frame that claims more than this, decoded, is refused before anything is decoded."""

MAX_FRAMES = 100_000
"""More frames than this (an hour and a half of cine) is taken for a damaged header."""

LIBRARY_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What a decoding library may raise on damaged input.

pydicom and its plug-ins document no closed set: a damaged element surfaces as AttributeError, KeyError, TypeError,
struct.error or RuntimeError depending on where parsing happens to stop. The tuple names what was seen and what the
code paths can raise; it leaves out KeyboardInterrupt, SystemExit and our own `UsassistError`, which pass through.
"""


class StudyReader(Protocol):
    """An open file: knows its study, decodes one frame at a time, holds no file handle between calls.

    `frame` may be called from several threads. `held_bytes` is what the reader itself keeps in memory.
    """

    @property
    def study(self) -> Study: ...

    @property
    def held_bytes(self) -> int: ...

    def frame(self, index: int) -> Frame:
        """Decode the frame at `index`, counted from 0; raises ReadError."""
        ...

    def close(self) -> None:
        """Let go of what is held in memory; the reader may not be used afterwards."""
        ...


@dataclass(frozen=True, slots=True)
class ReaderSpec:
    """One kind of file: `suffixes` are lower case with the dot, `sniff` answers from the first `HEAD_BYTES` bytes."""

    name: str
    suffixes: tuple[str, ...]
    sniff: Callable[[bytes], bool]
    open: Callable[[Source], StudyReader]


def first_line(error: BaseException) -> str:
    """Return the first non-empty line of an error's message, or its class name."""
    if isinstance(error, struct.error):  # "unpack requires a buffer of 10 bytes" says nothing to a person
        return "it ends too early"
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


@contextmanager
def reading(source: Source, what: str, *, also: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Turn every library error of the block into a ReadError about `source`.

    `what` names what was being read, for instance "the DICOM header"; `also` are exception types of the library in
    use that are not among `LIBRARY_ERRORS`.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise ReadError(f"{source.relative} is not there any more; expected a file at {source.path}.") from error
    except PermissionError as error:
        raise ReadError(f"{source.relative} may not be read: {first_line(error)}. Check its permissions.") from error
    except MemoryError as error:
        raise ReadError(
            f"{source.relative} needs more memory for {what} than is free. Close other studies and try again."
        ) from error
    except LIBRARY_ERRORS + also as error:
        raise ReadError(
            f"{source.relative}: {what} cannot be read ({first_line(error)}). The file is probably damaged or cut "
            "short; export or copy it again."
        ) from error


def check_bounds(source: Source, *, rows: int, columns: int, samples: int, bytes_per_sample: int) -> None:
    """Raise ReadError where a header claims no pixels, or a decoded frame above `MAX_FRAME_BYTES`."""
    if rows < 1 or columns < 1:
        raise ReadError(
            f"{source.relative} claims {columns} x {rows} pixels; expected at least 1 x 1. The file is damaged."
        )
    size = rows * columns * max(1, samples) * max(1, bytes_per_sample)
    if size > MAX_FRAME_BYTES:
        raise ReadError(
            f"{source.relative} claims {columns} x {rows} pixels, {size / 1024**2:,.0f} MiB a frame; at most "
            f"{MAX_FRAME_BYTES // 1024**2} MiB are read. Crop or scale the image, or check the file."
        )


def check_frame_count(source: Source, frames: int) -> None:
    """Raise ReadError where a header claims no frame or more than `MAX_FRAMES`."""
    if not 1 <= frames <= MAX_FRAMES:
        raise ReadError(
            f"{source.relative} claims {frames} frames; expected 1 to {MAX_FRAMES:,}. The file is probably damaged."
        )


def check_index(study: Study, index: int) -> None:
    """Raise ReadError where the study has no frame `index`."""
    if not 0 <= index < len(study.frames):
        raise ReadError(f"{study.source.relative} has frames 0 to {len(study.frames) - 1}; asked for {index}.")
