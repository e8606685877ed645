"""Masks are read as people mean them: never dithered, never empty by mistake, never of another size."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from usassist.core.domain import Mask
from usassist.core.errors import ExchangeError
from usassist.core.exchange import png_mask
from usassist.core.exchange.png_mask import MaskValues, mask_values, read_index, read_mask
from usassist.core.geometry.cv import cv2
from usassist.core.project.png import join_chunks

BLOB = np.zeros((20, 30), dtype=np.bool_)
BLOB[4:14, 6:25] = True
BLOB[8:10, 12:15] = False


def save(path: Path, pixels: np.ndarray, *options: int) -> Path:
    done, data = cv2.imencode(path.suffix, pixels, list(options))
    assert done
    path.write_bytes(data.tobytes())
    return path


def save_indexed(path: Path, indices: np.ndarray, palette: bytes, *, bits: int = 8, extra: bytes = b"") -> Path:
    """Write a palette PNG, `bits` an index."""
    rows, columns = indices.shape
    planes = ((indices[..., None] >> np.arange(bits - 1, -1, -1)) & 1).astype(np.uint8).reshape(rows, columns * bits)
    packed = np.packbits(planes, axis=1)
    lines = b"".join(b"\x00" + row.tobytes() for row in packed)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", columns, rows, bits, 3, 0, 0, 0)), (b"PLTE", palette)]
    chunks += [(b"tRNS", extra)] if extra else []
    path.write_bytes(join_chunks([*chunks, (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]))
    return path


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 255), (1, 2), (0, 100), (3, 4), (128, 255), (254, 255)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_of_two_values_the_larger_is_the_object(tmp_path: Path, low: int, high: int, dtype: type) -> None:
    """0/1 masks are not empty and a grey level is not dithered, as they were where masks were read as 1-bit images."""
    path = save(tmp_path / "ä.png", np.where(BLOB, high, low).astype(dtype))
    assert np.array_equal(read_mask(path), BLOB)


@pytest.mark.parametrize(("value", "full"), [(0, False), (1, True), (100, True), (255, True)])
def test_one_value_is_all_or_nothing(tmp_path: Path, value: int, full: bool) -> None:
    path = save(tmp_path / "a.png", np.full((5, 7), value, np.uint8))
    assert read_mask(path).tolist() == [[full] * 7] * 5


def test_p_n8_a_mask_of_0_and_1_is_not_empty_and_a_grey_one_is_not_dithered(tmp_path: Path) -> None:
    for value in (1, 100):
        path = save(tmp_path / f"{value}.png", BLOB.astype(np.uint8) * value)
        assert np.array_equal(read_mask(path), BLOB)


def test_a_one_bit_png(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", BLOB.astype(np.uint8) * 255, cv2.IMWRITE_PNG_BILEVEL, 1)
    assert path.read_bytes()[24:26] == b"\x01\x00"
    assert np.array_equal(read_mask(path), BLOB)


def test_smoothed_edges_are_cut_at_half(tmp_path: Path) -> None:
    grey = cv2.GaussianBlur(BLOB.astype(np.uint8) * 255, (5, 5), 1)
    assert np.unique(grey).size > 2
    assert np.array_equal(read_mask(save(tmp_path / "a.png", grey)), grey >= 128)
    wide = grey.astype(np.uint16) * 257
    assert np.array_equal(read_mask(save(tmp_path / "b.png", wide)), wide >= 32768)


def test_a_ramp_is_cut_at_half(tmp_path: Path) -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8), (4, 1))
    assert np.array_equal(read_mask(save(tmp_path / "a.png", ramp)), ramp >= 128)


def test_four_greys_on_edges_are_cut_at_half(tmp_path: Path) -> None:
    grey = np.array([[0, 0, 127, 128, 255, 255]] * 6, np.uint8)
    assert np.array_equal(read_mask(save(tmp_path / "a.png", grey)), grey >= 128)


@pytest.mark.parametrize("quality", [50, 95])
def test_a_jpeg_is_cut_at_half(tmp_path: Path, quality: int) -> None:
    big = np.kron(BLOB, np.ones((8, 8), np.bool_))
    for pixels in (big.astype(np.uint8) * 255, np.dstack([big.astype(np.uint8) * 255] * 3)):
        path = save(tmp_path / "a.jpg", pixels, cv2.IMWRITE_JPEG_QUALITY, quality)
        found = read_mask(path, shape=big.shape)
        assert np.count_nonzero(found != big) <= 0.01 * big.size
        stored = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        assert np.count_nonzero(found != (stored >= 128)) <= 0.001 * big.size


def test_a_jpeg_saved_again_as_png_is_cut_at_half(tmp_path: Path) -> None:
    big = np.kron(BLOB, np.ones((8, 8), np.uint8)) * np.uint8(255)
    noisy = cv2.imdecode(cv2.imencode(".jpg", big, [cv2.IMWRITE_JPEG_QUALITY, 90])[1], cv2.IMREAD_UNCHANGED)
    assert np.array_equal(read_mask(save(tmp_path / "a.png", noisy)), noisy >= 128)


@pytest.mark.parametrize("values", [(0, 1, 2), (0, 1, 2, 3), (0, 85, 170, 255), (0, 100, 200), (0, 3, 7, 90)])
def test_an_index_map_loses_no_label(tmp_path: Path, values: tuple[int, ...]) -> None:
    indices = np.zeros((20, 40), np.uint8)
    for n, value in enumerate(values):
        indices[4:16, 8 * n : 8 * n + 8] = value
    assert np.array_equal(read_mask(save(tmp_path / "a.png", indices)), indices > 0)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("palette", ["black", "grey", "colours", "inverse"])
def test_a_palette_is_an_index_map(tmp_path: Path, bits: int, palette: str) -> None:
    count = 2**bits
    indices = (np.arange(20 * 30).reshape(20, 30) % min(count, 7)).astype(np.uint8)
    indices[:5] = 0
    colours = {
        "black": bytes(3 * count),
        "grey": bytes(value for n in range(count) for value in (n, n, n)),
        "colours": bytes((37 * n) % 256 for n in range(3 * count)),
        "inverse": b"\xff\xff\xff" + bytes(3 * (count - 1)),
    }[palette]
    path = save_indexed(tmp_path / "a.png", indices, colours, bits=bits, extra=b"\x00")
    assert np.array_equal(read_mask(path), indices > 0)


def test_two_indices_without_a_background_index(tmp_path: Path) -> None:
    path = save_indexed(tmp_path / "a.png", np.where(BLOB, 2, 1).astype(np.uint8), bytes(9))
    assert np.array_equal(read_mask(path), BLOB)


def test_a_colour_map_loses_no_label(tmp_path: Path) -> None:
    colours = np.zeros((20, 30, 3), np.uint8)
    colours[2:8, 2:8] = (0, 0, 128)
    colours[10:15, 10:15] = (0, 1, 0)
    colours[10:15, 20:25] = (200, 10, 30)
    assert np.array_equal(read_mask(save(tmp_path / "a.png", colours)), colours.any(axis=2))


@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 255), (0, 1, 0), (1, 1, 1), (0, 255, 255)])
def test_one_colour_on_black(tmp_path: Path, colour: tuple[int, int, int]) -> None:
    pixels = BLOB[..., None] * np.array(colour, np.uint8)
    assert np.array_equal(read_mask(save(tmp_path / "a.png", pixels)), BLOB)


def test_a_smoothed_colour_is_cut_at_half(tmp_path: Path) -> None:
    grey = cv2.GaussianBlur(BLOB.astype(np.uint8) * 255, (5, 5), 1)
    pixels = np.dstack([np.zeros_like(grey), np.zeros_like(grey), grey])
    assert np.array_equal(read_mask(save(tmp_path / "a.png", pixels)), grey >= 128)


def test_transparent_is_background(tmp_path: Path) -> None:
    white = np.full((20, 30, 4), 255, np.uint8)
    white[..., 3] = BLOB * np.uint8(255)
    assert np.array_equal(read_mask(save(tmp_path / "a.png", white)), BLOB)
    opaque = np.dstack([BLOB.astype(np.uint8) * 255] * 3 + [np.full(BLOB.shape, 255, np.uint8)])
    assert np.array_equal(read_mask(save(tmp_path / "b.png", opaque)), BLOB)


@pytest.mark.parametrize("suffix", [".bmp", ".tif"])
def test_other_lossless_files(tmp_path: Path, suffix: str) -> None:
    path = save(tmp_path / f"a{suffix}", BLOB.astype(np.uint8))
    assert np.array_equal(read_mask(path, shape=(20, 30)), BLOB)


def test_a_photograph_is_no_mask(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    with pytest.raises(ExchangeError, match="a picture, not a mask"):
        read_mask(save(tmp_path / "a.png", rng.integers(0, 256, (40, 40, 3), np.uint8)))
    two = np.where(BLOB[..., None], np.uint8([1, 2, 3]), np.uint8([255, 0, 0]))
    with pytest.raises(ExchangeError, match="its background is unknown"):
        read_mask(save(tmp_path / "b.png", two))


def _three(values: tuple[int, ...]) -> np.ndarray:
    indices = np.zeros((20, 40), np.uint8)
    for n, value in enumerate(values):
        indices[4:16, 8 * n : 8 * n + 8] = value
    return indices


@pytest.mark.parametrize("values", [(0, 1, 2), (0, 3, 7, 90), (0, 85, 170, 255)])
def test_p_n8_an_index_map_keeps_its_indices(tmp_path: Path, values: tuple[int, ...]) -> None:
    indices = _three(values)
    assert np.array_equal(read_index(save(tmp_path / "a.png", indices)), indices)
    assert mask_values(tmp_path / "a.png") == MaskValues(values[1:], several=True)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_p_n8_a_palette_keeps_its_indices_whatever_its_colours(tmp_path: Path, bits: int) -> None:
    indices = _three((0, 1, 3))
    path = save_indexed(tmp_path / "a.png", indices, bytes(3 * 2**bits), bits=bits)
    assert np.array_equal(read_index(path), indices)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 255), (1, 2), (0, 100)])
def test_p_n8_two_values_are_one_object_whatever_they_are(tmp_path: Path, low: int, high: int) -> None:
    path = save(tmp_path / "a.png", np.where(BLOB, high, low).astype(np.uint8))
    assert np.array_equal(read_index(path), BLOB.astype(np.uint8))
    assert not mask_values(path).several


def test_p_n8_grey_edges_and_lossy_files_are_one_object(tmp_path: Path) -> None:
    grey = cv2.GaussianBlur(BLOB.astype(np.uint8) * 255, (5, 5), 1)
    for name in ("a.png", "a.jpg"):
        path = save(tmp_path / name, grey)
        assert np.array_equal(read_index(path), read_mask(path).astype(np.uint8))
        assert mask_values(path) == MaskValues((), several=False)


def test_p_n8_colours_count_in_the_order_of_red_green_blue(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", _in_colours())
    index = read_index(path)
    assert [int(index[r, 10]) for r in (3, 8, 13, 18)] == [3, 1, 2, 0]
    assert mask_values(path) == MaskValues(((0, 0, 200), (0, 128, 0), (128, 0, 0)), several=True)


def _in_colours() -> np.ndarray:
    """Return a mask of three bands, stored as blue, green, red: red 128, blue 200, green 128."""
    colours = np.zeros((20, 30, 3), np.uint8)
    colours[2:6], colours[7:11], colours[12:16] = (0, 0, 128), (200, 0, 0), (0, 128, 0)
    return colours


def test_one_table_of_values_reads_every_file_alike(tmp_path: Path) -> None:
    """A file that shows only the third object has two values; it is the third object all the same."""
    path = save(tmp_path / "a.png", np.where(BLOB, 7, 0).astype(np.uint8))
    assert np.array_equal(read_index(path, values={2: 1, 5: 2, 7: 3}), BLOB * np.uint8(3))
    with pytest.raises(ExchangeError, match=r"holds the value 7, which names no object; expected 2, 5"):
        read_index(path, values={2: 1, 5: 2})
    colour = save(tmp_path / "b.png", np.where(BLOB[..., None], np.uint8([0, 0, 128]), np.uint8(0)))
    assert np.array_equal(read_index(colour, values={(128, 0, 0): 4, (0, 9, 0): 1}), BLOB * np.uint8(4))
    assert read_index(save(tmp_path / "c.png", BLOB * np.uint8(0)), values={(128, 0, 0): 4}).max() == 0
    with pytest.raises(ExchangeError, match="has colours, but the objects of its dataset are grey values"):
        read_index(save(tmp_path / "d.png", _in_colours()), values={1: 1, 2: 2})


def test_a_palette_is_read_by_its_colours_where_they_are_named(tmp_path: Path) -> None:
    path = save_indexed(tmp_path / "a.png", np.where(BLOB, 2, 0).astype(np.uint8), bytes([0, 0, 0, 1, 1, 1, 128, 0, 0]))
    assert np.array_equal(read_index(path, values={(128, 0, 0): 2}), BLOB * np.uint8(2))
    assert np.array_equal(read_index(path, values={2: 5}), BLOB * np.uint8(5))


def test_what_cannot_be_told_apart_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExchangeError, match="compressed with loss"):
        read_index(save(tmp_path / "a.jpg", BLOB.astype(np.uint8) * 255), values={1: 1, 2: 2})
    wide = _three((0, 1, 2)).astype(np.uint16) * 300
    with pytest.raises(ExchangeError, match="index 600; at most 255"):
        read_index(save(tmp_path / "b.png", wide))
    assert set(np.unique(read_index(tmp_path / "b.png", values={300: 1, 600: 2}))) == {0, 1, 2}


def test_the_sample_tells_six_lesions_apart(sample_dir: Path) -> None:
    index = read_index(sample_dir / "class_masks" / "linear_lesions.png")
    assert set(np.unique(index)) == set(range(7))
    assert np.array_equal(index > 0, read_mask(sample_dir / "masks" / "linear_lesions.png", shape=index.shape))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp"])
def test_another_size_is_an_error_that_names_both(tmp_path: Path, suffix: str) -> None:
    path = save(tmp_path / f"a{suffix}", BLOB.astype(np.uint8) * 255)
    with pytest.raises(ExchangeError, match=r"has 20 x 30 pixels .* has 30 x 20"):
        read_mask(path, shape=(30, 20))


def test_what_is_no_whole_image_is_an_error(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", BLOB.astype(np.uint8) * 255)
    whole = path.read_bytes()
    for cut in (0, 4, 20, 40, len(whole) - 13, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(ExchangeError):
            read_mask(path)
    path.write_bytes(whole[:50] + bytes([whole[50] ^ 255]) + whole[51:])
    with pytest.raises(ExchangeError, match="is damaged"):
        read_mask(path)
    path.write_bytes(b"not an image at all")
    with pytest.raises(ExchangeError, match="holds no image"):
        read_mask(path)
    with pytest.raises(ExchangeError, match="cannot be read"):
        read_mask(tmp_path / "missing.png")
    bomb = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
    path.write_bytes(join_chunks([(b"IHDR", bomb), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]))
    with pytest.raises(ExchangeError, match="100000 x 100000"):
        read_mask(path)


@pytest.mark.parametrize("suffix", [".jpg", ".bmp", ".tif"])
def test_a_cut_file_is_not_a_mask_with_a_part_missing(tmp_path: Path, suffix: str) -> None:
    path = save(tmp_path / f"a{suffix}", np.kron(BLOB, np.ones((8, 8), np.bool_)).astype(np.uint8) * 255)
    whole = path.read_bytes()
    for part in (0.3, 0.6, 0.9):
        path.write_bytes(whole[: int(part * len(whole))])
        with pytest.raises(ExchangeError):
            read_mask(path)


@given(
    array=hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=30)), name=st.sampled_from(["a", "李"])
)
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_is_8_bit_0_and_255_and_reads_back(tmp_path: Path, array: np.ndarray, name: str) -> None:
    path = tmp_path / "new folder" / f"{name}.png"
    png_mask.write(path, Mask.from_array(array))
    data = path.read_bytes()
    assert data[24:26] == b"\x08\x00"
    stored = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(stored, array * np.uint8(255))
    assert np.array_equal(png_mask.read(path, array.shape).to_array(), array)


@pytest.mark.data
@pytest.mark.parametrize("folder", ["busi", "breast", "hc18", "carotid_mini", "buscot_mini"])
def test_real_masks_are_read_as_they_are(data_root: Path, folder: str) -> None:
    paths = sorted((data_root / folder / "masks").glob("*.png"))[::7]
    assert paths
    for path in paths:
        image = cv2.imread(str(data_root / folder / "images" / path.name), cv2.IMREAD_UNCHANGED)
        truth = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) > 0
        assert np.array_equal(read_mask(path, shape=image.shape[:2]), truth), path.name
