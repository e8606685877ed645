"""Colour is a patch of it inside the scan, not a tint, a line or a bar beside it."""

import numpy as np
import pytest

from usassist.core.data.dataset import load
from usassist.core.data.frames import read_frames
from usassist.core.domain import Box, Frame, FrameRef, ScanRegion
from usassist.core.io.colour import COLOUR_LIMIT, colour_share


def _grey(*, dtype: type = np.uint8) -> np.ndarray:
    pixels = np.random.default_rng(0).integers(20, 200, (300, 400, 1)).astype(dtype)
    return np.repeat(pixels, 3, axis=2)


def _share(pixels: np.ndarray, **options: object) -> float:
    return colour_share(Frame(FrameRef("s", 0), pixels, **options))  # type: ignore[arg-type]


def test_grey_tinted_and_marked_frames_show_no_colour() -> None:
    assert _share(_grey()[..., 0]) == 0.0
    assert _share(_grey()) == 0.0
    assert _share((_grey() * np.array([1.0, 0.9, 0.75])).astype(np.uint8)) == 0.0  # a sepia display
    marked = _grey()
    marked[100, :] = marked[:, 200:202] = (0, 255, 0)
    assert _share(marked) == 0.0


@pytest.mark.parametrize(("dtype", "bits", "full"), [(np.uint8, 8, 255), (np.uint16, 12, 4095)])
def test_a_patch_of_colour_counts_with_any_number_of_bits(dtype: type, bits: int, full: int) -> None:
    pixels = _grey(dtype=dtype)
    pixels[100:160, 100:180] = (full, full // 3, 0)
    share = _share(pixels, bits_stored=bits)
    assert share == pytest.approx(58 * 78 / (300 * 400), rel=0.05)
    assert share > COLOUR_LIMIT


def test_colour_beside_the_scan_does_not_count() -> None:
    pixels = _grey()
    pixels[:, :60] = (255, 0, 0)
    region = ScanRegion(Box(0, 80, 300, 400), "b_mode")
    assert _share(pixels) > COLOUR_LIMIT
    assert _share(pixels, regions=(region,)) == 0.0


@pytest.mark.data
def test_coloured_markers_of_real_images_stay_below_the_limit(data_root) -> None:
    examples = [example for example in load(data_root / "busi") if example.split == "val"][:40]
    assert max(colour_share(frame) for _, frame in read_frames(examples)) < COLOUR_LIMIT
