"""A mask is its pixels: however it is cropped it reads back the same, and it cannot be changed in place."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from usassist.core.domain import Contour, Mask
from usassist.core.errors import UsassistError

arrays = hnp.arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9)))


def padded(mask: Mask) -> Mask:
    """Return the same pixels with the whole frame as the crop."""
    return Mask(mask.shape, (0, 0), mask.to_array())


@given(arrays)
def test_an_array_comes_back_as_it_was(array: npt.NDArray[np.bool_]) -> None:
    mask = Mask.from_array(array)
    assert (mask.to_array() == array).all()
    assert mask.shape == array.shape
    assert mask.area == int(array.sum())
    assert mask.is_empty == (not array.any())


@given(arrays)
def test_the_crop_is_the_smallest(array: npt.NDArray[np.bool_]) -> None:
    mask = Mask.from_array(array)
    assert mask.tight() == mask
    assert mask.tight().crop.shape == mask.crop.shape
    assert padded(mask).tight().crop.shape == mask.crop.shape


@given(arrays)
def test_equality_and_hash_are_about_pixels_not_crops(array: npt.NDArray[np.bool_]) -> None:
    mask = Mask.from_array(array)
    assert mask == padded(mask)
    assert hash(mask) == hash(padded(mask))


@given(arrays, st.data())
def test_one_other_pixel_makes_another_mask(array: npt.NDArray[np.bool_], data: st.DataObject) -> None:
    row, col = data.draw(st.tuples(*(st.integers(0, side - 1) for side in array.shape)))
    other = array.copy()
    other[row, col] ^= True
    assert Mask.from_array(array) != Mask.from_array(other)


@given(arrays, st.integers(-1, 9), st.integers(-1, 9))
def test_contains_is_membership(array: npt.NDArray[np.bool_], row: int, col: int) -> None:
    inside = 0 <= row < array.shape[0] and 0 <= col < array.shape[1] and bool(array[row, col])
    assert Mask.from_array(array).contains(row, col) == inside


def test_the_same_pixels_in_another_frame_are_another_mask() -> None:
    assert Mask.empty((3, 4)) != Mask.empty((4, 3))
    assert Mask.empty((3, 4)) != "a mask"


def test_a_mask_keeps_no_tie_to_the_array_it_came_from() -> None:
    array = np.ones((3, 3), dtype=bool)
    mask = Mask.from_array(array)
    array[:] = False
    assert mask.area == 9
    with pytest.raises(ValueError, match="read-only"):
        mask.crop[0, 0] = False
    mask.to_array()[:] = False
    assert mask.area == 9


@pytest.mark.parametrize(
    ("origin", "crop"),
    [
        ((0, 0), np.ones((4, 2), dtype=bool)),
        ((2, 0), np.ones((2, 2), dtype=bool)),
        ((-1, 0), np.ones((1, 1), dtype=bool)),
        ((0, 0), np.ones((2, 2), dtype=np.uint8)),
        ((0, 0), np.ones(2, dtype=bool)),
    ],
)
def test_a_crop_that_does_not_fit_is_refused(origin: tuple[int, int], crop: npt.NDArray[np.bool_]) -> None:
    with pytest.raises(UsassistError, match="inside its frame"):
        Mask((3, 3), origin, crop)


def test_contour_points_are_read_only() -> None:
    contour = Contour(np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]))
    with pytest.raises(ValueError, match="read-only"):
        contour.points[0, 0] = 5.0
