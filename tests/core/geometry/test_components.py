"""The parts of a mask, and masks put together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from usassist.core.domain import Mask
from usassist.core.errors import UsassistError
from usassist.core.geometry.components import components, fill_holes, intersect, keep_largest, subtract, union

pictures = arrays(np.bool_, st.tuples(st.integers(1, 24), st.integers(1, 24)))


@given(pictures)
def test_parts_are_those_of_an_independent_labelling(picture: np.ndarray) -> None:
    mask = Mask.from_array(picture)
    parts = components(mask)
    labels, count = ndimage.label(picture, structure=np.ones((3, 3)))
    assert len(parts) == count
    together = np.zeros_like(picture)
    for part in parts:
        pixels = part.to_array()
        assert not (together & pixels).any()
        assert len(np.unique(labels[pixels])) == 1
        together |= pixels
    assert np.array_equal(together, picture)
    areas = [part.area for part in parts]
    assert areas == sorted(areas, reverse=True)
    for kept in (0, 1, 2, 5):
        expected = np.any([part.to_array() for part in parts[:kept]], axis=0) if parts[:kept] else together & False
        assert np.array_equal(keep_largest(mask, kept).to_array(), expected)


def test_keep_largest_needs_a_count() -> None:
    with pytest.raises(UsassistError, match="0 or more"):
        keep_largest(Mask.empty((3, 3)), -1)


@given(pictures)
def test_holes_are_those_of_an_independent_filling(picture: np.ndarray) -> None:
    assert np.array_equal(fill_holes(Mask.from_array(picture)).to_array(), ndimage.binary_fill_holes(picture))


def test_a_gap_at_the_border_is_no_hole() -> None:
    picture = np.ones((3, 4), dtype=np.bool_)
    picture[0, 1] = False
    assert fill_holes(Mask.from_array(picture)).area == 11


@given(st.integers(0, 2**32 - 1), st.integers(0, 100), st.integers(0, 100))
def test_set_operations(seed: int, first: int, second: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.random((17, 13)) < first / 300, rng.random((17, 13)) < second / 300
    mask_a, mask_b = Mask.from_array(a), Mask.from_array(b)
    assert np.array_equal(union(mask_a, mask_b).to_array(), a | b)
    assert np.array_equal(subtract(mask_a, mask_b).to_array(), a & ~b)
    assert np.array_equal(intersect(mask_a, mask_b).to_array(), a & b)


@pytest.mark.parametrize("operation", [union, subtract, intersect])
def test_masks_of_two_frames_do_not_mix(operation: object) -> None:
    with pytest.raises(UsassistError, match=r"\(3, 4\).*\(4, 3\)"):
        operation(Mask.empty((3, 4)), Mask.empty((4, 3)))  # type: ignore[operator]
