import numpy as np
import pytest

from usassist.core.data import tone

RAMP = np.tile(np.arange(40, 200, dtype=np.uint8), (50, 1))


def test_autocontrast_spans_all_values_and_leaves_a_flat_image() -> None:
    out = tone.autocontrast(RAMP)
    assert (int(out.min()), int(out.max())) == (0, 255)
    assert (np.diff(out[0].astype(int)) >= 0).all()
    flat = np.full((20, 20), 90, np.uint8)
    assert np.array_equal(tone.autocontrast(flat), flat)


def test_equalise_makes_values_equally_frequent() -> None:
    squeezed = (RAMP.astype(np.float32) ** 2 / 200).astype(np.uint8)
    shares = np.histogram(tone.equalise(squeezed), bins=4, range=(0, 256))[0] / squeezed.size
    assert np.abs(shares - 0.25).max() < 0.05


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_posterise_keeps_so_many_bits(bits: int) -> None:
    out = tone.posterise(np.arange(256, dtype=np.uint8), bits=bits)
    assert np.unique(out).size == 2**bits
    assert (np.arange(256) - out.astype(int)).max() < 2 ** (8 - bits)


def test_solarise_inverts_what_is_bright() -> None:
    out = tone.solarise(np.array([[0, 127, 128, 255]], dtype=np.uint8), threshold=128)
    assert out.tolist() == [[0, 127, 127, 0]]


def test_sharpen_by_one_is_identity_and_by_zero_is_smooth() -> None:
    x = np.random.default_rng(0).random((30, 30), dtype=np.float32)
    assert np.allclose(tone.sharpen(x, factor=1), x, atol=1e-6)
    assert tone.sharpen(x, factor=0).std() < x.std() < tone.sharpen(x, factor=1.5).std()


def test_a_grey_map_keeps_the_order_of_values_and_both_ends() -> None:
    values, rng = np.arange(256, dtype=np.uint8)[None], np.random.default_rng(0)
    maps = [tone.grey_map(values, rng=rng)[0].astype(int) for _ in range(50)]
    assert all((np.diff(found) >= 0).all() and found[0] == 0 and found[-1] == 255 for found in maps)
    middle = [found[128] for found in maps]
    assert min(middle) < 110 and max(middle) > 150
