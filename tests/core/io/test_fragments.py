"""Finding frames among fragments."""

import io
import struct
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.encaps import encapsulate

from usassist.core.io.fragments import frame_fragments, read_fragments

BODIES = st.lists(
    st.binary(min_size=2, max_size=20).map(lambda body: body.replace(b"\xff", b"\xfe")), min_size=1, max_size=6
)


def read_all(data: bytes, frames: int, extended: tuple[int, ...] = ()) -> list[bytes]:
    file = io.BytesIO(b"header" + data)
    found = frame_fragments(file, 6, size=6 + len(data), frames=frames, extended=extended)
    return [read_fragments(file, fragments) for fragments in found]


@given(BODIES, st.integers(1, 3), st.booleans())
def test_encapsulated_frames_come_back(bodies: list[bytes], pieces: int, has_bot: bool) -> None:
    frames = [body + bytes(8) + b"\xff\xd9" for body in bodies]
    data = encapsulate(frames, fragments_per_frame=pieces, has_bot=has_bot) + b"\xfe\xff\xdd\xe0" + bytes(4)
    assert [found.rstrip(b"\0") for found in read_all(data, len(frames))] == frames


def test_extended_offsets() -> None:
    def item(body: bytes) -> bytes:
        return struct.pack("<HHI", 0xFFFE, 0xE000, len(body)) + body

    bodies = [b"aaaa", b"bb", b"cccccc", b"dd"]
    data = item(b"") + b"".join(item(body) for body in bodies)
    starts = [0, *accumulate(len(body) + 8 for body in bodies)]
    assert read_all(data, 2, (starts[0], starts[3])) == [b"aaaabbcccccc", b"dd"]
    assert read_all(data, 1) == [b"".join(bodies)]


def test_a_file_that_became_shorter_gives_no_part_of_a_frame() -> None:
    data = encapsulate([b"aaaa", b"bbbb"], has_bot=True)
    first, second = frame_fragments(io.BytesIO(data), 0, size=len(data), frames=2)
    shorter = io.BytesIO(data[:-2])
    assert read_fragments(shorter, first) == b"aaaa"
    with pytest.raises(EOFError, match="2 of 4 bytes are there"):
        read_fragments(shorter, second)


@pytest.mark.parametrize("offsets", [(0, 0), (24, 0), (0, 999), (0, 13), (8, 32)])
def test_a_table_that_is_wrong_puts_no_piece_into_another_frame(offsets: tuple[int, int]) -> None:
    """Two frames of two pieces each, 12 bytes apart; where the table is no table, the end marks decide."""
    end = b"\xff\xd9"
    frames = [b"a1a1a2" + end, b"b1b1b2" + end]
    data = encapsulate(frames, fragments_per_frame=2, has_bot=False)
    assert read_all(data, 2, (0, 24)) == frames
    assert read_all(data, 2, offsets) == frames
    with pytest.raises(ValueError, match="claims 2 frames; 1 were found in 4 pieces"):
        read_all(data.replace(end, b".."), 2, offsets)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "cut short"),
        (encapsulate([b"abcd"])[:-2], "cut short"),
        (b"garbage, not an item", "no item"),
        (struct.pack("<HHI", 0xFFFE, 0xE000, 0), "no compressed frame"),
        (encapsulate([b"aa", b"bb", b"cc"], has_bot=False), "2 frames; 1 were found"),
        (encapsulate([b"aa"], has_bot=False), "claims 2 frames and holds 1"),
    ],
)
def test_broken_items(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_all(data, 2)
