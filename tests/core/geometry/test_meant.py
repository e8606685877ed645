"""Whether a click is about a mask, at the very distances that decide."""

import numpy as np
import pytest

from usassist.core.domain import Box, Mask
from usassist.core.geometry.meant import BESIDE, away_from, is_meant, takes_over

SHAPE = (60, 90)


def filled(box: Box) -> Mask:
    inside = np.zeros(SHAPE, dtype=np.bool_)
    inside[box.slices] = True
    return Mask.from_array(inside)


MASK = filled(Box(20, 30, 30, 50))


@pytest.mark.parametrize(("x", "y", "away"), [(40, 25, 0), (30, 20, 0), (52, 29, 3), (40, 10, 10), (46, 33.5, 4.5)])
def test_distances_are_to_the_nearest_pixel(x: float, y: float, away: float) -> None:
    assert away_from(MASK, x, y) == pytest.approx(away)


def test_distances_are_euclidean_and_endless_from_nothing() -> None:
    assert away_from(MASK, 52, 33) == pytest.approx(5)
    assert away_from(Mask.empty(SHAPE), 3, 3) == np.inf and not is_meant(Mask.empty(SHAPE), 3, 3)


def test_a_quarter_of_the_longer_side_is_still_about_it() -> None:
    assert BESIDE * 20 == 5
    assert is_meant(MASK, 54, 25) and not is_meant(MASK, 54.1, 25)
    assert is_meant(MASK, 60, 25, near=11) and not is_meant(MASK, 60, 25, near=10)
    loose = Mask(SHAPE, (0, 0), MASK.to_array())
    assert not is_meant(loose, 54.1, 25), "the crop's empty margin is no part of the mask"


def test_beside_a_single_pixel_is_one_pixel() -> None:
    dot = filled(Box(5, 5, 6, 6))
    assert is_meant(dot, 6, 5) and not is_meant(dot, 6.1, 5)


def test_who_holds_more_than_half_takes_over() -> None:
    assert takes_over(filled(Box(20, 30, 30, 41)), MASK)
    assert not takes_over(filled(Box(20, 30, 30, 40)), MASK)
    assert not takes_over(Mask.empty(SHAPE), MASK)
    assert not takes_over(MASK, filled(Box(0, 0, 60, 90)))
