"""Every picture comes to a model's size without aliasing, and most of them as OpenCV alone makes them."""

import numpy as np
import pytest

from usassist.core.geometry.cv import cv2
from usassist.core.geometry.resize import resized


def _random(shape: tuple[int, int], kind: type) -> np.ndarray:
    values = np.random.default_rng(0).integers(0, 256, shape)
    return values.astype(kind)


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
@pytest.mark.parametrize("shape", [(600, 800), (64, 1000), (64, 64), (64, 65), (97, 128)])
def test_what_grows_on_no_axis_is_averaged_as_before(shape: tuple[int, int], kind: type) -> None:
    picture = _random(shape, kind)
    how = cv2.INTER_AREA if max(shape) > 64 else cv2.INTER_LINEAR
    for each in (picture, picture.T.copy()):
        assert np.array_equal(resized(each, 64), cv2.resize(each, (64, 64), interpolation=how))


@pytest.mark.parametrize("shape", [(20, 30), (64, 30), (63, 63), (1, 1)])
def test_what_grows_is_interpolated_as_before_or_keeps_its_edges(shape: tuple[int, int]) -> None:
    picture = _random(shape, np.float32)
    for smooth, how in ((True, cv2.INTER_LINEAR), (False, cv2.INTER_AREA)):
        assert np.array_equal(resized(picture, 64, smooth=smooth), cv2.resize(picture, (64, 64), interpolation=how))


@pytest.mark.parametrize("smooth", [True, False])
@pytest.mark.parametrize("shape", [(20, 640), (63, 333)])
def test_an_axis_that_shrinks_is_averaged_also_beside_one_that_grows(shape: tuple[int, int], *, smooth: bool) -> None:
    """Stripes of one pixel become their mean; OpenCV alone makes other stripes of them."""
    stripes = np.zeros(shape, dtype=np.float32)
    stripes[:, ::2] = 1
    for each in (stripes, stripes.T.copy()):
        found = resized(each, 64, smooth=smooth)
        assert found.shape == (64, 64)
        assert np.abs(found - 0.5).max() < 0.11
        assert np.abs(cv2.resize(each, (64, 64), interpolation=cv2.INTER_AREA) - 0.5).max() > 0.3
