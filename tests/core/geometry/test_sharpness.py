import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from usassist.core.geometry.cv import cv2
from usassist.core.geometry.sharpness import blur_to, blurred, sharpness


def _speckle(seed: int = 0, *, grain: float = 0.0) -> np.ndarray:
    """Return speckle around a dark disc, HxW uint8; `grain` is how large its grains are."""
    rng = np.random.default_rng(seed)
    picture = rng.gamma(4.0, 25.0, (128, 128))
    rows, cols = np.mgrid[:128, :128]
    picture[(rows - 70) ** 2 + (cols - 60) ** 2 < 30**2] *= 0.2
    picture = cv2.GaussianBlur(picture, (0, 0), grain) if grain else picture
    return picture.clip(0, 255).astype(np.uint8)


@given(st.integers(0, 1000), st.sampled_from([0.0, 0.6, 1.0, 2.0]), st.floats(0.05, 0.6))
def test_what_was_blurred_is_no_sharper_than_asked_and_never_more_blurred_than_needed(seed, grain, sharpest) -> None:
    picture = _speckle(seed, grain=grain)
    sigma = blur_to(picture, sharpest)
    calm = blurred(picture, sigma)
    assert sharpness(calm) <= sharpest or sigma == 2.0
    if sharpness(picture) <= sharpest:
        assert sigma == 0.0 and calm is picture
    else:
        assert 0.4 <= sigma <= 2.0
        assert sigma == 0.4 or sharpness(blurred(picture, sigma * 0.8)) > sharpest


def test_finer_speckle_is_sharper_and_brightness_changes_nothing() -> None:
    sharp, soft = _speckle(), _speckle(grain=1.5)
    assert sharpness(sharp) > 2 * sharpness(soft)
    assert sharpness(soft // 2 + 40) == pytest.approx(sharpness(soft), rel=0.1)


def test_background_does_not_make_a_picture_look_soft() -> None:
    picture = _speckle()
    framed = np.zeros((256, 256), dtype=np.uint8)
    framed[64:192, 64:192] = picture
    assert sharpness(framed) == pytest.approx(sharpness(picture), rel=0.2)


@pytest.mark.parametrize("value", [0, 255])
def test_a_picture_of_one_value_is_not_sharp(value) -> None:
    empty = np.full((32, 32), value, dtype=np.uint8)
    assert sharpness(empty) == 0.0
    assert blur_to(empty, 0.1) == 0.0


def test_nothing_is_blurred_where_no_limit_is_set() -> None:
    assert blur_to(_speckle(), 0.0) == 0.0
