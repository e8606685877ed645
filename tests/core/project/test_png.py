"""Crops survive the round trip bit for bit, and no damaged file becomes a mask with a part missing."""

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from usassist.core.geometry.cv import cv2
from usassist.core.project.png import PngError, decode_png, encode_png, join_chunks, png_chunks, png_header

crops = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40))


@given(crops)
def test_decode_after_encode_is_identity(crop: np.ndarray) -> None:
    data = encode_png(crop)
    assert np.array_equal(decode_png(data, most_rows=40, most_columns=40), crop)
    stored = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(stored, crop * np.uint8(255))


@given(crops, st.data())
def test_a_changed_byte_is_an_error_or_changes_nothing(crop: np.ndarray, data: st.DataObject) -> None:
    good = encode_png(crop)
    at = data.draw(st.integers(0, len(good) - 1))
    bad = good[:at] + bytes([good[at] ^ data.draw(st.integers(1, 255))]) + good[at + 1 :]
    with pytest.raises(PngError):
        decode_png(bad, most_rows=40, most_columns=40)


@given(crops, st.data())
def test_a_cut_file_is_an_error(crop: np.ndarray, data: st.DataObject) -> None:
    good = encode_png(crop)
    with pytest.raises(PngError):
        decode_png(good[: data.draw(st.integers(0, len(good) - 1))], most_rows=40, most_columns=40)


def test_a_stream_with_rows_missing_is_an_error() -> None:
    rows = b"".join(b"\x00" + b"\xff" * 8 for _ in range(4))
    header = (b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0))
    short = join_chunks([header, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")])
    with pytest.raises(PngError, match="36 bytes where 72 are needed"):
        decode_png(short, most_rows=8, most_columns=8)


def test_a_claimed_size_is_refused_before_anything_is_decoded() -> None:
    header = (b"IHDR", struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 0, 0, 0, 0))
    bomb = join_chunks([header, (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")])
    with pytest.raises(PngError, match="where at most 10 x 10 fit"):
        decode_png(bomb, most_rows=10, most_columns=10)
    with pytest.raises(PngError, match="more than any"):
        decode_png(encode_png(np.ones((9, 9), np.bool_)), most_rows=9, most_columns=9, most_pixels=80)


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (np.full((4, 4), 254, np.uint8), "other values than 0 and 255"),
        (np.zeros((4, 4, 3), np.uint8), "not 8-bit grey"),
        (np.zeros((4, 4), np.uint16), "not 8-bit grey"),
    ],
)
def test_other_pictures_are_no_crops(pixels: np.ndarray, reason: str) -> None:
    data = cv2.imencode(".png", pixels)[1].tobytes()
    with pytest.raises(PngError, match=reason):
        decode_png(data, most_rows=4, most_columns=4)


def test_headers() -> None:
    assert png_header(b"GIF89a") is None
    header = png_header(encode_png(np.ones((3, 5), np.bool_)))
    assert header is not None
    assert (header.rows, header.columns, header.bit_depth, header.colour_type) == (3, 5, 8, 0)
    with pytest.raises(PngError, match="cut off"):
        png_header(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(PngError, match="cut off"):
        png_chunks(b"\x89PNG\r\n\x1a\n")


def test_a_mask_is_a_smaller_file_than_a_photograph_s_encoding_makes_of_it() -> None:
    rows, columns = np.mgrid[:600, :800]
    disc = (rows - 300) ** 2 / 2 + (columns - 400) ** 2 < 150**2
    _, plain = cv2.imencode(".png", disc * np.uint8(255), [cv2.IMWRITE_PNG_COMPRESSION, 6])
    assert len(encode_png(disc)) < 0.95 * plain.size
