"""A mask file as it is stored: pixels or indices, decoded once, before anybody says which of them are the object."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from usassist.core.errors import ExchangeError
from usassist.core.exchange.format import check_size, read_bytes
from usassist.core.geometry.cv import cv2
from usassist.core.io import headers
from usassist.core.project.png import PngError, check_complete, join_chunks, png_chunks, png_header

_MAX_BYTES = 256 * 2**20
_MAX_PIXELS = 2**27
_NEARLY_GREY = 24
_PALETTE, _GREY = 3, 0

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class StoredMask:
    """The pixels of a file, HxW or HxWx3 (blue, green, red), transparent ones black."""

    pixels: Pixels
    is_index: bool
    is_lossy: bool


def load_mask(path: Path, shape: tuple[int, int] | None, *, palette_colours: bool = False) -> StoredMask:
    """Return what a file of `shape` (rows, columns; None takes any) stores.

    With `palette_colours` the colours of a palette PNG, else its indices. Raises ExchangeError for a file
    that is no whole image of 8 or 16 bits, or has another size.
    """
    data = read_bytes(path, most=_MAX_BYTES)
    pixels, is_index = _decode(path, data, shape, palette_colours=palette_colours)
    check_size(path, pixels.shape[:2], shape)
    is_lossy = data.startswith(headers.JPEG_MAGIC) or (data[:4] == b"RIFF" and data[12:16] in (b"VP8 ", b"VP8X"))
    return StoredMask(_over_black(pixels) if pixels.ndim == 3 else pixels, is_index, is_lossy)


def _decode(path: Path, data: bytes, shape: tuple[int, int] | None, *, palette_colours: bool) -> tuple[Pixels, bool]:
    """Return the stored values, HxW or HxWxC, and whether they are indices into a palette."""
    palette_bits = 0
    try:
        header = png_header(data)
        if header is not None:
            check_size(path, (header.rows, header.columns), shape)
            chunks = png_chunks(data)
            check_complete(header, chunks, most_pixels=_MAX_PIXELS)
            if header.colour_type == _PALETTE and not palette_colours:
                palette_bits = header.bit_depth
                data = _without_palette(chunks)
    except PngError as fault:
        raise ExchangeError(f"{path} is no whole PNG: {fault}. Write or copy it again.") from fault
    if data.startswith(headers.JPEG_MAGIC) and not headers.jpeg_is_complete(data):
        raise ExchangeError(f"{path} is a JPEG that is cut short: its end mark is missing. Copy it again.")
    try:
        pixels = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as fault:
        raise ExchangeError(f"{path} cannot be decoded as an image: {fault.err}.") from fault
    if pixels is None or pixels.dtype not in (np.uint8, np.uint16):
        found = "nothing" if pixels is None else str(pixels.dtype)
        raise ExchangeError(f"{path} holds no image of 8 or 16 bits (found {found}). A PNG mask is expected.")
    if 0 < palette_bits < 8:
        pixels = pixels // np.uint8(255 // (2**palette_bits - 1))
    return pixels, palette_bits > 0


def _without_palette(chunks: list[tuple[bytes, bytes]]) -> bytes:
    # Decoders turn indices into colours, and two indices may share one: as a grey file the indices themselves come out.
    kept = [(kind, data) for kind, data in chunks if kind in (b"IHDR", b"IDAT", b"IEND")]
    header = kept[0][1]
    return join_chunks([(b"IHDR", header[:9] + bytes([_GREY]) + header[10:]), *kept[1:]])


def _over_black(pixels: Pixels) -> Pixels:
    """Return HxW or HxWx3 with what is transparent turned black."""
    if pixels.shape[2] not in (2, 4):
        return pixels
    opaque = pixels[..., -1:] > 0
    over: Pixels = np.where(opaque, pixels[..., :-1], np.zeros((), pixels.dtype))
    return over[..., 0] if over.shape[2] == 1 else over


def as_grey(pixels: Pixels, *, is_lossy: bool) -> Pixels:
    """Return HxW where the channels that are used at all say the same, else the pixels as they are."""
    if pixels.ndim == 2:
        return pixels
    used = [pixels[..., channel] for channel in range(pixels.shape[2]) if pixels[..., channel].any()]
    if not used:
        return pixels[..., 0]
    if all(np.array_equal(used[0], other) for other in used[1:]):
        return used[0]
    if is_lossy and int((pixels.max(axis=2) - pixels.min(axis=2)).max()) <= _NEARLY_GREY:
        return pixels[..., 1]
    return pixels
