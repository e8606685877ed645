"""Where each frame of compressed DICOM pixel data lies, found by walking item headers (DICOM PS3.5, A.4).

The walk reads eight bytes an item, so opening a long clip costs no decoding and no reading of its pixels; afterwards
any frame is one seek away. Offset tables are used only where they are needed: many writers leave them empty or wrong.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO

_ITEM, _SEQUENCE_END = 0xE000, 0xE0DD
_ITEM_HEADER = 8
_MAX_FRAGMENTS = 1_000_000
_END_OF_IMAGE = b"\xff\xd9"
_TAIL_BYTES = 16


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of compressed data: the position and length of its bytes in the file."""

    offset: int
    length: int


FrameFragments = tuple[Fragment, ...]


def frame_fragments(
    file: BinaryIO, start: int, *, size: int, frames: int, extended: Sequence[int] = ()
) -> tuple[FrameFragments, ...]:
    """Return the fragments of each frame, in order.

    `start` is where the pixel data's value begins, `size` the length of the file, `extended` the extended offset
    table's values where the file has one. Raises ValueError where items are broken, lie beyond the end of the file or
    do not give `frames` frames.
    """
    items = _items(file, start, size=size)
    table, fragments = items[0], items[1:]
    if not fragments:
        raise ValueError("it holds no compressed frame")
    if frames == 1:
        return (tuple(fragments),)
    if len(fragments) == frames:
        return tuple((fragment,) for fragment in fragments)
    if len(fragments) < frames:
        raise ValueError(f"it claims {frames} frames and holds {len(fragments)} pieces: it is cut short")
    for offsets in (extended, _basic_offsets(file, table)):
        by_table = _by_offsets(fragments, offsets) if len(offsets) == frames else None
        if by_table is not None:
            return by_table
    grouped = _by_end_marks(file, fragments)
    if len(grouped) != frames:
        raise ValueError(f"it claims {frames} frames; {len(grouped)} were found in {len(fragments)} pieces")
    return grouped


def read_fragments(file: BinaryIO, fragments: FrameFragments) -> bytes:
    """Return a frame's compressed bytes; raises EOFError where the file has become shorter."""
    pieces = []
    for fragment in fragments:
        file.seek(fragment.offset)
        piece = file.read(fragment.length)
        if len(piece) != fragment.length:
            raise EOFError(f"{len(piece)} of {fragment.length} bytes are there")
        pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _items(file: BinaryIO, start: int, *, size: int) -> list[Fragment]:
    items: list[Fragment] = []
    at = start
    while at + _ITEM_HEADER <= size:
        file.seek(at)
        group, element, length = struct.unpack("<HHI", file.read(_ITEM_HEADER))
        if (group, element) == (0xFFFE, _SEQUENCE_END):
            break
        if (group, element) != (0xFFFE, _ITEM):
            raise ValueError(f"no item begins at byte {at}")
        at += _ITEM_HEADER
        if at + length > size:
            raise ValueError(f"it is cut short: {size} bytes are there, at least {at + length} are needed")
        items.append(Fragment(at, length))
        if len(items) > _MAX_FRAGMENTS:
            raise ValueError(f"it holds more than {_MAX_FRAGMENTS:,} pieces")
        at += length
    if not items:
        raise ValueError("it is cut short: no compressed data is there")
    return items


def _basic_offsets(file: BinaryIO, table: Fragment) -> tuple[int, ...]:
    file.seek(table.offset)
    data = file.read(table.length - table.length % 4)
    return struct.unpack(f"<{len(data) // 4}I", data)


def _by_offsets(fragments: Sequence[Fragment], offsets: Sequence[int]) -> tuple[FrameFragments, ...] | None:
    """Group by a table of where the frames begin; None where it is wrong: not every offset begins a further piece."""
    places = {fragment.offset - fragments[0].offset: place for place, fragment in enumerate(fragments)}
    begins = [places.get(offset, -1) for offset in offsets]
    if begins[0] != 0 or any(later <= earlier for earlier, later in pairwise(begins)):
        return None
    return tuple(tuple(fragments[begin:end]) for begin, end in pairwise([*begins, len(fragments)]))


def _by_end_marks(file: BinaryIO, fragments: Sequence[Fragment]) -> tuple[FrameFragments, ...]:
    """Group by the end mark that JPEG, JPEG-LS and JPEG 2000 share; padding may follow it."""
    frames: list[FrameFragments] = []
    open_frame: list[Fragment] = []
    for fragment in fragments:
        open_frame.append(fragment)
        tail = min(_TAIL_BYTES, fragment.length)
        file.seek(fragment.offset + fragment.length - tail)
        if _END_OF_IMAGE in file.read(tail):
            frames.append(tuple(open_frame))
            open_frame = []
    if open_frame:
        frames.append(tuple(open_frame))
    return tuple(frames)
