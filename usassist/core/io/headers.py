"""What image files and codestreams claim about themselves, read without decoding a pixel.

Decoders allocate what a header claims, so the claim is checked first; and some (libjpeg) fill what is missing with
grey, so a cut file has to be noticed before them. Every function raises ValueError, or struct.error, where the
structure is broken.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
JPEG_MAGIC = b"\xff\xd8\xff"
BMP_MAGIC = b"BM"
TIFF_MAGICS = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


class CutShortError(ValueError):
    """The header is fine and says how the file goes on, but the file ends before."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The size a header claims: pixels, samples a pixel, and the bits of a sample; `has_alpha` counts in `samples`."""

    rows: int
    columns: int
    samples: int
    bits: int
    has_alpha: bool = False


_PNG_SAMPLES = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}


def png_claim(data: bytes) -> Claim:
    """Return what a PNG claims; walks its chunks to the end and raises CutShortError where they stop before it."""
    columns, rows, bits, colour = struct.unpack(">IIBB", data[16:26])
    if data[12:16] != b"IHDR" or colour not in _PNG_SAMPLES:
        raise ValueError("a PNG begins with an IHDR chunk of a known colour type")
    at = len(PNG_MAGIC)
    while True:
        if at + 12 > len(data):
            raise CutShortError(f"the PNG stops at byte {len(data)}, before its end chunk")
        length = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == b"IEND":
            break
        at += 12 + length
    return Claim(rows, columns, _PNG_SAMPLES[colour], 16 if bits == 16 else 8, has_alpha=colour in (4, 6))


_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
_START_OF_SCAN = 0xDA
_NO_LENGTH = frozenset(range(0xD0, 0xD8)) | {0x01}


def jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (marker, start, end) of a JPEG or JPEG-LS stream's segments, up to the first scan.

    `start` is the position of the marker's 0xFF byte, the segment's body begins four bytes later.
    """
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            raise ValueError(f"no JPEG marker at byte {at}")
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
        elif marker in _NO_LENGTH:
            at += 2
        else:
            end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
            yield marker, at, end
            if marker == _START_OF_SCAN:
                return
            at = end


def jpeg_claim(data: bytes) -> Claim:
    """Return what a JPEG or JPEG-LS stream claims in its frame header."""
    for marker, start, _ in jpeg_segments(data):
        if marker in _START_OF_FRAME:
            bits, rows, columns, samples = struct.unpack(">BHHB", data[start + 4 : start + 10])
            return Claim(rows, columns, samples, bits)
    raise ValueError("the JPEG has no frame header")


def jpeg_is_complete(data: bytes) -> bool:
    """Return whether the stream has its end mark; scanners and cameras may append other bytes after it."""
    return data.rfind(b"\xff\xd9") > 0


def bmp_claim(data: bytes) -> Claim:
    """Return what a BMP claims; raises CutShortError where uncompressed pixels are missing at the end."""
    offset, header = struct.unpack("<II", data[10:18])
    compression = 0
    if header == 12:
        columns, rows, _, bits = struct.unpack("<HHHH", data[18:26])
    else:
        columns, rows, _, bits, compression = struct.unpack("<iiHHI", data[18:34])
    rows = abs(rows)  # negative rows are stored from the top
    needed = offset + (columns * bits + 31) // 32 * 4 * rows
    if compression in (0, 3) and needed > len(data):
        raise CutShortError(f"the BMP has {len(data)} bytes where {needed} are needed")
    return Claim(rows, columns, 4 if bits == 32 else 3, 8, has_alpha=bits == 32)


def codestream_claim(data: bytes) -> Claim | None:
    """Return what one compressed DICOM frame claims: JPEG, JPEG-LS or JPEG 2000; None where it is none of them."""
    if data[:3] == JPEG_MAGIC:
        return jpeg_claim(data)
    # A JPEG 2000 codestream begins with SOC and SIZ; some vendors wrap it in a JP2 file.
    at = data[:4096].find(b"\xff\x4f\xff\x51")
    if at < 0:
        return None
    right, bottom, left, top = struct.unpack(">IIII", data[at + 8 : at + 24])
    samples, bits = struct.unpack(">HB", data[at + 40 : at + 43])
    return Claim(bottom - top, right - left, samples, (bits & 0x7F) + 1)
