"""What a mask file stores comes out as it was written, whatever wraps it."""

import numpy as np
import pytest
from PIL import Image

from usassist.core.errors import ExchangeError
from usassist.core.exchange.stored_mask import as_grey, load_mask

_VALUES = np.array([[0, 1, 2], [2, 1, 0]], dtype=np.uint8)


def _palette(path, colours):
    image = Image.fromarray(_VALUES, mode="P")
    image.putpalette(colours)
    image.save(path)
    return path


def test_a_palette_gives_its_indices_even_where_two_share_a_colour(tmp_path) -> None:
    stored = load_mask(_palette(tmp_path / "a.png", [0, 0, 0, 9, 9, 9, 9, 9, 9]), (2, 3))
    assert stored.is_index and not stored.is_lossy
    assert np.array_equal(stored.pixels, _VALUES)


def test_a_palette_gives_its_colours_where_they_are_asked_for(tmp_path) -> None:
    path = _palette(tmp_path / "a.png", [0, 0, 0, 255, 0, 0, 0, 255, 0])
    stored = load_mask(path, (2, 3), palette_colours=True)
    assert not stored.is_index
    assert stored.pixels[0].tolist() == [[0, 0, 0], [0, 0, 255], [0, 255, 0]]


def test_what_is_transparent_is_black(tmp_path) -> None:
    rgba = np.full((2, 3, 4), 200, dtype=np.uint8)
    rgba[0, :, 3] = 0
    Image.fromarray(rgba).save(tmp_path / "a.png")
    pixels = as_grey(load_mask(tmp_path / "a.png", None).pixels, is_lossy=False)
    assert pixels.tolist() == [[0, 0, 0], [200, 200, 200]]


def test_a_jpeg_is_lossy_and_its_nearly_grey_colours_are_grey(tmp_path) -> None:
    Image.new("RGB", (16, 16), (200, 205, 198)).save(tmp_path / "a.jpg")
    stored = load_mask(tmp_path / "a.jpg", None)
    assert stored.is_lossy
    assert as_grey(stored.pixels, is_lossy=True).shape == (16, 16)
    assert as_grey(stored.pixels, is_lossy=False).shape == (16, 16, 3)


@pytest.mark.parametrize(("data", "why"), [(b"nothing", "holds no image"), (b"\xff\xd8\xff\xe0 cut", "cut short")])
def test_what_is_no_whole_image_is_refused(tmp_path, data: bytes, why: str) -> None:
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(ExchangeError, match=why):
        load_mask(tmp_path / "a", None)


def test_another_size_is_refused(tmp_path) -> None:
    with pytest.raises(ExchangeError):
        load_mask(_palette(tmp_path / "a.png", [0, 0, 0, 9, 9, 9, 5, 5, 5]), (3, 2))
