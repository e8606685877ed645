"""PNG, JPEG, TIFF and BMP: exact values, every layout, and header claims checked before decoding."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from usassist.core.domain.frame import Source
from usassist.core.errors import ReadError
from usassist.core.geometry.cv import cv2
from usassist.core.io.display import to_grey8
from usassist.core.io.open_study import find_sources, open_source

SourceOf = Callable[[Path], Source]
RNG = np.random.default_rng(3)


def noise(*shape: int, dtype: Any = np.uint8) -> np.ndarray:
    return RNG.integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


def encode(path: Path, pixels: np.ndarray) -> Path:
    """Write RGB(A) or grey pixels with OpenCV, also under names that OpenCV cannot open itself."""
    bgr = pixels if pixels.ndim == 2 else pixels[:, :, [2, 1, 0, 3][: pixels.shape[2]]]
    path.write_bytes(cv2.imencode(path.suffix, bgr)[1].tobytes())
    return path


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(rows: int, columns: int, *, bits: int, colour: int, lines: bytes, extra: bytes = b"") -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def tiff(
    pages: list[tuple[bytes, dict[int, list[int]]]],
    *,
    order: str = "<",
) -> bytes:
    """Return an uncompressed TIFF: for each page its strip and its tags (all written as LONG)."""
    data = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    for index, (strip, given) in enumerate(pages):
        tags = given | {273: [0], 279: [len(strip)]}
        start = len(data)
        extra_at = start + 2 + 12 * len(tags) + 4
        extra = b""
        entries = b""
        tags[273] = [extra_at + sum(4 * len(values) for values in tags.values() if len(values) > 1)]
        for tag, values in sorted(tags.items()):
            packed = struct.pack(f"{order}{len(values)}I", *values)
            if len(values) > 1:
                packed, extra = struct.pack(f"{order}I", extra_at + len(extra)), extra + packed
            entries += struct.pack(f"{order}HHI", tag, 4, len(values)) + packed
        following = extra_at + len(extra) + len(strip) if index + 1 < len(pages) else 0
        data += struct.pack(f"{order}H", len(tags)) + entries + struct.pack(f"{order}I", following) + extra + strip
    return data


def page(pixels: np.ndarray, **changes: int) -> tuple[bytes, dict[int, list[int]]]:
    samples = pixels.shape[2] if pixels.ndim == 3 else 1
    tags = {
        256: [pixels.shape[1]],
        257: [pixels.shape[0]],
        258: [8 * pixels.dtype.itemsize] * samples,
        259: [1],
        262: [2 if samples == 3 else 1],
        277: [samples],
        278: [pixels.shape[0]],
        339: [{"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]] * samples,
    }
    tags |= {int(tag[1:]): [value] for tag, value in changes.items()}
    return pixels.tobytes(), tags


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
@pytest.mark.parametrize("shape", [(7, 9), (7, 9, 3)])
def test_8_bit_values_are_exact(tmp_path: Path, source_of: SourceOf, suffix: str, shape: tuple[int, ...]) -> None:
    pixels = noise(*shape)
    reader = open_source(source_of(encode(tmp_path / f"a{suffix}", pixels)))
    frame = reader.frame(0)
    assert frame.pixels.dtype == np.uint8
    assert np.array_equal(frame.pixels, pixels)
    assert reader.study.facts.photometric == ("RGB" if len(shape) == 3 or suffix == ".bmp" else "MONOCHROME2")
    assert (reader.study.rows, reader.study.columns, len(reader.study.frames)) == (7, 9, 1)
    assert not reader.study.is_cine


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("shape", [(7, 9), (7, 9, 3)])
def test_16_bit_values_are_exact(tmp_path: Path, source_of: SourceOf, suffix: str, shape: tuple[int, ...]) -> None:
    pixels = noise(*shape, dtype=np.uint16)
    frame = open_source(source_of(encode(tmp_path / f"a{suffix}", pixels))).frame(0)
    assert frame.bits_stored == 16
    assert frame.pixels.dtype == np.uint16
    assert np.array_equal(frame.pixels, pixels)


def test_alpha_is_dropped_not_blended(tmp_path: Path, source_of: SourceOf) -> None:
    for dtype in (np.uint8, np.uint16):
        pixels = noise(5, 6, 4, dtype=dtype)
        frame = open_source(source_of(encode(tmp_path / "a.png", pixels))).frame(0)
        assert np.array_equal(frame.pixels, pixels[:, :, :3])


def test_grey_with_alpha_is_grey(tmp_path: Path, source_of: SourceOf) -> None:
    pixels = noise(3, 4, 2)
    lines = b"".join(b"\0" + row.tobytes() for row in pixels)
    (tmp_path / "a.png").write_bytes(png(3, 4, bits=8, colour=4, lines=lines))
    reader = open_source(source_of(tmp_path / "a.png"))
    assert np.array_equal(reader.frame(0).pixels, pixels[:, :, 0])
    assert reader.study.facts.photometric == "MONOCHROME2"


def test_palette_png_is_rgb(tmp_path: Path, source_of: SourceOf) -> None:
    table, indices = noise(256, 3), noise(3, 4)
    lines = b"".join(b"\0" + row.tobytes() for row in indices)
    data = png(3, 4, bits=8, colour=3, lines=lines, extra=chunk(b"PLTE", table.tobytes()))
    (tmp_path / "a.png").write_bytes(data)
    assert np.array_equal(open_source(source_of(tmp_path / "a.png")).frame(0).pixels, table[indices])


def test_1_bit_png_is_0_and_255(tmp_path: Path, source_of: SourceOf) -> None:
    (tmp_path / "a.png").write_bytes(png(2, 8, bits=1, colour=0, lines=b"\0\xf0\0\x81"))
    pixels = open_source(source_of(tmp_path / "a.png")).frame(0).pixels
    assert pixels.tolist() == [[255] * 4 + [0] * 4, [255, *[0] * 6, 255]]


def test_jpeg_grey_and_colour(tmp_path: Path, source_of: SourceOf) -> None:
    rows, columns = np.mgrid[0:64, 0:80]
    grey = (rows + columns).astype(np.uint8)
    frame = open_source(source_of(encode(tmp_path / "grey.jpg", grey))).frame(0)
    assert frame.pixels.ndim == 2
    assert np.abs(frame.pixels.astype(int) - grey).max() < 6
    colour = np.stack([grey, 255 - grey, np.full_like(grey, 40)], axis=2)
    frame = open_source(source_of(encode(tmp_path / "colour.jpg", colour))).frame(0)
    assert np.abs(frame.pixels.astype(int) - colour).mean() < 4


def test_exif_orientation_is_left_alone(tmp_path: Path, source_of: SourceOf) -> None:
    rows, columns = np.mgrid[0:40, 0:64]
    pixels = (rows * 2 + columns).astype(np.uint8)
    coded = cv2.imencode(".jpg", pixels)[1].tobytes()
    turned = b"Exif\0\0" + b"II*\0\x08\0\0\0" + struct.pack("<HHHIHHI", 1, 0x0112, 3, 1, 6, 0, 0)
    (tmp_path / "a.jpg").write_bytes(coded[:2] + b"\xff\xe1" + struct.pack(">H", len(turned) + 2) + turned + coded[2:])
    reader = open_source(source_of(tmp_path / "a.jpg"))
    assert (reader.study.rows, reader.study.columns) == (40, 64)
    assert np.abs(reader.frame(0).pixels.astype(int) - pixels).max() < 6


def test_unicode_names(tmp_path: Path, source_of: SourceOf) -> None:
    pixels = noise(5, 5)
    path = encode(tmp_path / "乳腺 échographie №1.png", pixels)
    assert np.array_equal(open_source(source_of(path)).frame(0).pixels, pixels)


def test_the_content_decides_not_the_name(tmp_path: Path, source_of: SourceOf) -> None:
    pixels = noise(5, 5)
    path = encode(tmp_path / "a.png", pixels)
    wrong = path.rename(tmp_path / "a.dcm")
    assert open_source(source_of(wrong)).study.facts.format == "PNG"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_tiff_pages_are_frames(
    tmp_path: Path, source_of: SourceOf, order: str, dtype: Any, channels: tuple[int, ...]
) -> None:
    pages = [noise(6, 7, *channels, dtype=dtype) for _ in range(4)]
    stored = [pixels.astype(pixels.dtype.newbyteorder(order)) for pixels in pages]
    (tmp_path / "a.tif").write_bytes(tiff([page(pixels) for pixels in stored], order=order))
    reader = open_source(source_of(tmp_path / "a.tif"))
    assert len(reader.study.frames) == 4
    assert reader.held_bytes == (tmp_path / "a.tif").stat().st_size
    for index in (3, 0, 2, 1):
        assert np.array_equal(reader.frame(index).pixels, pages[index])


def test_compressed_multi_page_tiff(tmp_path: Path, source_of: SourceOf) -> None:
    pages = [noise(20, 30) for _ in range(3)]
    (tmp_path / "a.tif").write_bytes(cv2.imencodemulti(".tif", pages, [cv2.IMWRITE_TIFF_COMPRESSION, 5])[1].tobytes())
    reader = open_source(source_of(tmp_path / "a.tif"))
    assert [np.array_equal(reader.frame(index).pixels, pages[index]) for index in range(3)] == [True] * 3


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_where_white_is_zero_keeps_its_values(tmp_path: Path, source_of: SourceOf, dtype: Any) -> None:
    pixels = noise(6, 7, dtype=dtype)
    (tmp_path / "a.tif").write_bytes(tiff([page(pixels, t262=0)]))
    frame = open_source(source_of(tmp_path / "a.tif")).frame(0)
    assert frame.inverted
    assert np.array_equal(frame.pixels, pixels)
    if dtype is np.uint8:
        assert np.array_equal(to_grey8(frame), 255 - pixels)


def test_tiff_thumbnails_are_no_frames(tmp_path: Path, source_of: SourceOf) -> None:
    first, second = noise(6, 7), noise(6, 7)
    (tmp_path / "a.tif").write_bytes(tiff([page(first), page(noise(3, 3), t254=1), page(second)]))
    reader = open_source(source_of(tmp_path / "a.tif"))
    assert len(reader.study.frames) == 2
    assert np.array_equal(reader.frame(1).pixels, second)
    (tmp_path / "b.tif").write_bytes(tiff([page(noise(3, 3), t254=1), page(second)]))
    assert np.array_equal(open_source(source_of(tmp_path / "b.tif")).frame(0).pixels, second)


@pytest.mark.parametrize(
    ("pages", "reason"),
    [
        ([page(noise(3, 3)), page(noise(3, 4))], "different sizes"),
        ([page(np.zeros((3, 3), np.float32))], "floating-point"),
        ([page(np.zeros((3, 3), np.int16))], "signed"),
        ([page(np.zeros((3, 3), np.uint32))], "32 bits"),
        ([page(noise(3, 3, 3, dtype=np.uint16), t284=2)], "separate planes"),
        ([page(noise(3, 3), t254=1)], "no page"),
        ([(b"", page(noise(3, 3))[1] | {256: [100_000], 257: [100_000]})], "100000 x 100000"),
    ],
)
def test_tiffs_that_are_refused(
    tmp_path: Path, source_of: SourceOf, pages: list[tuple[bytes, dict[int, list[int]]]], reason: str
) -> None:
    (tmp_path / "a.tif").write_bytes(tiff(pages))
    with pytest.raises(ReadError, match=reason):
        open_source(source_of(tmp_path / "a.tif"))


def test_tiff_directories_in_a_circle(tmp_path: Path, source_of: SourceOf) -> None:
    data = bytearray(tiff([page(noise(3, 3))]))
    (count,) = struct.unpack_from("<H", data, 8)
    struct.pack_into("<I", data, 10 + 12 * count, 8)
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(ReadError, match="circle"):
        open_source(source_of(tmp_path / "a.tif"))


def test_a_page_that_does_not_exist(tmp_path: Path, source_of: SourceOf) -> None:
    reader = open_source(source_of(encode(tmp_path / "a.png", noise(3, 3))))
    for index in (-1, 1):
        with pytest.raises(ReadError, match=f"asked for {index}"):
            reader.frame(index)


@pytest.mark.parametrize("suffix", [".png", ".bmp"])
def test_a_file_that_was_cut_short_says_that_its_end_is_missing(
    tmp_path: Path, source_of: SourceOf, suffix: str
) -> None:
    path = encode(tmp_path / f"a{suffix}", noise(30, 30))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ReadError, match=rf"the end of the file is missing .*{len(whole) // 2}") as told:
        open_source(source_of(path))
    assert "header" not in str(told.value)


def test_a_damaged_png_is_noticed(tmp_path: Path, source_of: SourceOf) -> None:
    path = encode(tmp_path / "a.png", noise(30, 30))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x40
    path.write_bytes(data)
    with pytest.raises(ReadError, match="check sum"):
        open_source(source_of(path)).frame(0)


def test_a_file_that_vanished_is_a_reason(tmp_path: Path, source_of: SourceOf) -> None:
    path = encode(tmp_path / "a.png", noise(3, 3))
    reader = open_source(source_of(path))
    path.unlink()
    with pytest.raises(ReadError, match="not there any more"):
        reader.frame(0)


@pytest.mark.data
def test_real_images_are_read_exactly(data_root: Path, source_of: SourceOf) -> None:
    path = sorted((data_root / "busi" / "images").glob("*.png"))[0]
    frame = open_source(source_of(path)).frame(0)
    theirs = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(frame.pixels, theirs if theirs.ndim == 2 else theirs[:, :, 2::-1])


@pytest.mark.data
def test_a_colour_profile_is_no_noise_on_stderr(data_root, capfd) -> None:
    for path in sorted((data_root / "breast" / "images").iterdir())[:40]:
        reader = open_source(find_sources(path)[0])
        reader.frame(0)
        reader.close()
    assert capfd.readouterr().err == ""
