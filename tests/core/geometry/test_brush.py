"""What a round brush covers."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from usassist.core.errors import UsassistError
from usassist.core.geometry.brush import stroke_mask

SHAPE = (30, 34)


def distance_to_line(points: np.ndarray) -> np.ndarray:
    rows, cols = np.mgrid[: SHAPE[0], : SHAPE[1]]
    centres = np.stack([cols, rows], axis=-1).astype(np.float64)
    best = np.hypot(*np.moveaxis(centres - points[0], -1, 0))
    for a, b in itertools.pairwise(points):
        squared = float((b - a) @ (b - a))
        share = np.clip((centres - a) @ (b - a) / squared, 0, 1) if squared > 0 else np.zeros(SHAPE)
        foot = a + share[..., None] * (b - a)
        best = np.minimum(best, np.hypot(*np.moveaxis(centres - foot, -1, 0)))
    return best


places = st.tuples(st.floats(-8, 40), st.floats(-8, 40))
whole = st.tuples(st.integers(-8, 40), st.integers(-8, 40))


@given(st.lists(st.one_of(places, whole), min_size=1, max_size=6), st.one_of(st.floats(0.3, 12), st.integers(1, 12)))
def test_a_stroke_is_every_centre_within_its_radius(line: list[tuple[float, float]], radius: float) -> None:
    points = np.array(line, dtype=np.float64)
    distance = distance_to_line(points)
    got = stroke_mask(points, radius, SHAPE).to_array()
    sure = np.abs(distance - radius) > 1e-6
    assert np.array_equal(got[sure], (distance <= radius)[sure])


def test_centres_at_exactly_the_radius_belong() -> None:
    disc = stroke_mask(np.array([[10.0, 10.0]]), 5, SHAPE)
    assert disc.contains(10, 15)
    assert disc.contains(13, 14)
    assert not disc.contains(13, 15)
    assert disc.area == 81
    line = stroke_mask(np.array([[5.0, 5.0], [15.0, 15.0]]), np.sqrt(2), SHAPE)
    assert line.contains(9, 11)


def test_a_stroke_is_cut_off_at_the_frame() -> None:
    assert stroke_mask(np.array([[-50.0, -50.0]]), 5, SHAPE).is_empty
    assert stroke_mask(np.array([[0.0, 0.0]]), 1, SHAPE).area == 3
    assert stroke_mask(np.array([[-100.0, 10.0], [200.0, 10.0]]), 0.5, SHAPE).area == SHAPE[1]
    assert stroke_mask(np.zeros((0, 2)), 3, SHAPE).is_empty


@pytest.mark.parametrize("radius", [0.0, -1.0, float("nan"), float("inf")])
def test_a_radius_is_positive(radius: float) -> None:
    with pytest.raises(UsassistError, match="radius"):
        stroke_mask(np.array([[1.0, 1.0]]), radius, SHAPE)


def test_a_long_stroke_keeps_only_its_own_box() -> None:
    mask = stroke_mask(np.array([[500.0, 400.0], [520.0, 400.0]]), 4, (4000, 4000))
    assert mask.crop.shape == (9, 29)
