"""Boxes are half-open sets of pixels: their union and intersection behave like those of sets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from usassist.core.domain import Box
from usassist.core.errors import UsassistError

SIDE = 12


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    """Return a box, possibly empty, inside SIDE x SIDE pixels."""
    top, left = draw(st.integers(0, SIDE)), draw(st.integers(0, SIDE))
    return Box(top, left, draw(st.integers(top, SIDE)), draw(st.integers(left, SIDE)))


def pixels(box: Box) -> np.ndarray:
    full = np.zeros((SIDE, SIDE), dtype=bool)
    full[box.slices] = True
    return full


@given(boxes())
def test_size_is_the_number_of_pixels(box: Box) -> None:
    assert box.height * box.width == pixels(box).sum()
    assert box.is_empty == (not pixels(box).any())


@given(boxes(), st.integers(-1, SIDE), st.integers(-1, SIDE))
def test_contains_is_membership(box: Box, row: int, col: int) -> None:
    inside = 0 <= row < SIDE and 0 <= col < SIDE and bool(pixels(box)[row, col])
    assert box.contains(row, col) == inside


@given(boxes(), boxes())
def test_intersection_is_the_common_pixels(a: Box, b: Box) -> None:
    assert (pixels(a.intersection(b)) == (pixels(a) & pixels(b))).all()


@given(boxes(), boxes())
def test_union_is_the_smallest_box_around_both(a: Box, b: Box) -> None:
    both = pixels(a) | pixels(b)
    union = a.union(b)
    assert not (both & ~pixels(union)).any()
    if both.any():
        rows, cols = np.flatnonzero(both.any(axis=1)), np.flatnonzero(both.any(axis=0))
        assert union == Box(int(rows[0]), int(cols[0]), int(rows[-1]) + 1, int(cols[-1]) + 1)


@pytest.mark.parametrize("edges", [(2, 0, 1, 1), (0, 2, 1, 1)])
def test_a_box_inside_out_is_refused(edges: tuple[int, int, int, int]) -> None:
    with pytest.raises(UsassistError, match="top <= bottom"):
        Box(*edges)
