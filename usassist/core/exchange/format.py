"""What a mask format is; one file in this package describes one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from usassist.core.domain import Frame, Mask
from usassist.core.errors import ExchangeError


class WriteMask(Protocol):
    """Writes a mask to a file in one step; `frame` gives the spacing where it is known. Raises ExchangeError."""

    def __call__(self, path: Path, mask: Mask, *, frame: Frame | None = None) -> None: ...


class ReadMask(Protocol):
    """Reads the mask of a frame of `shape` (rows, columns) from a file. Raises ExchangeError."""

    def __call__(self, path: Path, shape: tuple[int, int]) -> Mask: ...


@dataclass(frozen=True, slots=True)
class FormatSpec:
    """A format: `name` is what `--format` takes, `suffix` ends its files (".png"), write and read are inverse."""

    name: str
    suffix: str
    write: WriteMask
    read: ReadMask


def read_bytes(path: Path, *, most: int) -> bytes:
    """Return the bytes of a file that is at most `most` bytes long; raises ExchangeError."""
    try:
        with path.open("rb") as stream:
            data = stream.read(most + 1)
    except OSError as fault:
        raise ExchangeError(
            f"{path} cannot be read: {fault.strerror or fault}. Check the path and the rights."
        ) from fault
    if not data:
        raise ExchangeError(f"{path} is empty; a mask was expected. Write or copy it again.")
    if len(data) > most:
        raise ExchangeError(f"{path} is larger than {most:,} bytes, which no mask is. Check that it is the right file.")
    return data


def check_size(path: Path, found: tuple[int, ...], shape: tuple[int, int] | None) -> None:
    """Raise ExchangeError that names both sizes unless `found` (rows, columns) is the `shape`, or that is None."""
    if shape is not None and tuple(found) != tuple(shape):
        raise ExchangeError(
            f"The mask {path} has {' x '.join(map(str, found))} pixels (rows x columns), its image has "
            f"{shape[0]} x {shape[1]}. Use the mask that belongs to the image; masks are never rescaled."
        )
