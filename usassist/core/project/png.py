"""Lossless PNG crops, checked chunk by chunk before any pixel is decoded."""

import struct
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from usassist.core.geometry.cv import cv2

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# A mask is a few runs in each row: looking for nothing else makes a smaller file in a sixth of the time.
_RUNS = [cv2.IMWRITE_PNG_COMPRESSION, 6, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
if hasattr(cv2, "IMWRITE_PNG_FILTER"):  # since OpenCV 4.12
    _RUNS += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE]


class PngError(ValueError):
    """The bytes are no complete PNG file; the message says why, as the end of a sentence."""


@dataclass(frozen=True, slots=True)
class PngHeader:
    """What IHDR says: size in pixels, bits a sample, colour type (0 grey, 2 RGB, 3 palette, 4 and 6 with alpha)."""

    rows: int
    columns: int
    bit_depth: int
    colour_type: int
    interlaced: bool


def png_header(data: bytes) -> PngHeader | None:
    """Return what the first chunk of a PNG file says, None where the bytes are no PNG; raises PngError if it is bad."""
    if not data.startswith(_SIGNATURE):
        return None
    if len(data) < 33 or data[8:16] != b"\x00\x00\x00\rIHDR":
        raise PngError("its header is cut off")
    columns, rows, bit_depth, colour_type, _, _, interlace = struct.unpack(">IIBBBBB", data[16:29])
    if not rows or not columns or colour_type not in _CHANNELS or bit_depth not in (1, 2, 4, 8, 16):
        raise PngError(f"its header claims {rows} x {columns} pixels, colour type {colour_type}, {bit_depth} bits")
    return PngHeader(rows, columns, bit_depth, colour_type, bool(interlace))


def png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Return the (type, payload) chunks from IHDR to IEND, each with its checksum verified; raises PngError."""
    chunks: list[tuple[bytes, bytes]] = []
    at = len(_SIGNATURE)
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, payload = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        checksum = data[at + 8 + length : at + 12 + length]
        if len(checksum) < 4:
            break
        if zlib.crc32(kind + payload) != struct.unpack(">I", checksum)[0]:
            raise PngError(f"its {kind.decode('latin-1')} chunk is damaged")
        chunks.append((kind, payload))
        if kind == b"IEND":
            return chunks
        at += 12 + length
    raise PngError("it is cut off before its end")


def join_chunks(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """Return the PNG file made of these chunks, with new checksums."""
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    return _SIGNATURE + b"".join(parts)


def check_complete(header: PngHeader, chunks: list[tuple[bytes, bytes]], *, most_pixels: int = 2**27) -> None:
    """Raise PngError unless the pixel data inflates to what the header claims, at most `most_pixels`.

    libpng fills the rows that a cut-off stream lacks with zeros and carries on, which would be a mask with a part
    missing. Interlaced files are left to their decoder.
    """
    if header.rows * header.columns > most_pixels:
        raise PngError(f"it claims {header.rows} x {header.columns} pixels, more than any ultrasound frame has")
    if header.interlaced:
        return
    row_bits = header.columns * header.bit_depth * _CHANNELS[header.colour_type]
    expected = header.rows * (1 + (row_bits + 7) // 8)
    stream = zlib.decompressobj()
    try:
        found = len(stream.decompress(b"".join(data for kind, data in chunks if kind == b"IDAT"), expected + 1))
    except zlib.error as fault:
        raise PngError(f"its pixel data is damaged ({fault})") from fault
    if found != expected:
        raise PngError(f"its pixel data has {found} bytes where {expected} are needed")


def encode_png(array: npt.NDArray[np.bool_]) -> bytes:
    """Return an 8-bit grey PNG of a non-empty HxW bool array: 0 outside, 255 inside."""
    pixels = array.astype(np.uint8) * np.uint8(255)
    done, data = cv2.imencode(".png", pixels, _RUNS)
    if not done:
        raise PngError(f"an array of shape {array.shape} cannot be encoded")
    return bytes(data.tobytes())


def decode_png(data: bytes, *, most_rows: int, most_columns: int, most_pixels: int = 2**27) -> npt.NDArray[np.bool_]:
    """Return the HxW bool array that `encode_png` wrote.

    Raises PngError unless the file is complete, 8-bit grey, holds nothing but 0 and 255, and is at most
    `most_rows` x `most_columns` and `most_pixels`; the size is checked before anything is decoded.
    """
    header = png_header(data)
    if header is None:
        raise PngError("it is no PNG")
    if header.rows > most_rows or header.columns > most_columns:
        raise PngError(
            f"it claims {header.rows} x {header.columns} pixels where at most {most_rows} x {most_columns} fit"
        )
    if (header.bit_depth, header.colour_type) != (8, 0):
        raise PngError(f"it has {header.bit_depth} bits and colour type {header.colour_type}, not 8-bit grey")
    check_complete(header, png_chunks(data), most_pixels=most_pixels)
    pixels = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.shape != (header.rows, header.columns) or pixels.dtype != np.uint8:
        raise PngError("it cannot be decoded")
    inside: npt.NDArray[np.bool_] = pixels == 255
    if not np.array_equal(inside, pixels != 0):
        raise PngError("it holds other values than 0 and 255")
    return inside
