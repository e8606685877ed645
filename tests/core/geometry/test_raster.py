"""Masks to outlines and back."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from usassist.core.domain import Box, Contour, Mask
from usassist.core.errors import UsassistError
from usassist.core.geometry.raster import contours_of, mask_of, pixels_in, polygon_mask

pictures = arrays(np.bool_, st.tuples(st.integers(1, 40), st.integers(1, 40)))


def shoelace(points: np.ndarray) -> float:
    after = np.roll(points, -1, axis=0)
    return float(np.sum(points[:, 0] * after[:, 1] - after[:, 0] * points[:, 1]) / 2)


@given(pictures)
def test_outlines_lose_no_pixel(picture: np.ndarray) -> None:
    mask = Mask.from_array(picture)
    contours = contours_of(mask)
    assert mask_of(contours, mask.shape) == mask
    assert sum(shoelace(contour.points) for contour in contours) == mask.area


@given(st.integers(0, 2**32 - 1), st.floats(0.02, 0.98))
def test_outlines_lose_no_pixel_of_noise(seed: int, share: float) -> None:
    picture = np.random.default_rng(seed).random((40, 37)) < share
    mask = Mask.from_array(picture)
    contours = contours_of(mask)
    assert mask_of(contours, mask.shape) == mask
    for contour in contours:
        steps = np.roll(contour.points, -1, axis=0) - contour.points
        assert ((steps == 0).sum(axis=1) == 1).all(), "an outline runs along pixel edges and only keeps its turns"
        assert ((steps[:, 0] == 0) != (np.roll(steps, 1, axis=0)[:, 0] == 0)).all()


@pytest.mark.parametrize(
    ("rows", "rings"),
    [
        (["#"], 1),
        (["#.", ".#"], 1),
        ([".#", "#."], 1),
        (["###", "#.#", "###"], 2),
        (["##", "#."], 1),
        (["#.#", "#.#", "###"], 1),
        (["####", "#.##", "##.#", "####"], 3),
        (["#.#"], 2),
        (["..."], 0),
    ],
)
def test_one_ring_for_each_part_and_each_hole(rows: list[str], rings: int) -> None:
    mask = Mask.from_array(np.array([[c == "#" for c in row] for row in rows]))
    contours = contours_of(mask)
    assert len(contours) == rings
    assert mask_of(contours, mask.shape) == mask


def test_a_pixel_is_outlined_at_its_corners_clockwise() -> None:
    mask = Mask((5, 7), (2, 4), np.ones((1, 1), dtype=np.bool_))
    (contour,) = contours_of(mask)
    assert contour.points.tolist() == [[3.5, 1.5], [4.5, 1.5], [4.5, 2.5], [3.5, 2.5]]
    assert shoelace(contour.points) == 1


def test_a_hole_runs_the_other_way() -> None:
    picture = np.ones((4, 5), dtype=np.bool_)
    picture[1:3, 1:3] = False
    areas = [shoelace(contour.points) for contour in contours_of(Mask.from_array(picture))]
    assert sorted(areas) == [-4, 20]


def brute_polygon(points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    inside = np.zeros(shape, dtype=np.bool_)
    for r in range(shape[0]):
        for c in range(shape[1]):
            for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
                if (y0 <= r) != (y1 <= r) and x0 + (r - y0) / (y1 - y0) * (x1 - x0) <= c:
                    inside[r, c] ^= True
    return inside


@given(st.lists(st.tuples(st.integers(-40, 140), st.integers(-40, 140)), min_size=3, max_size=9))
def test_a_polygon_holds_the_centres_inside_it(corners: list[tuple[int, int]]) -> None:
    points = np.array(corners, dtype=np.float64) / 8  # eighths: crossings on centres, and no rounding to argue about
    expected = brute_polygon(points, (12, 14))
    got = polygon_mask(points, (12, 14)).to_array()
    nudge = np.array([1e-7, 0.0])
    on_edge = brute_polygon(points + nudge, (12, 14)) ^ brute_polygon(points - nudge, (12, 14))
    assert np.array_equal(got[~on_edge], expected[~on_edge])


def test_polygons_that_share_an_edge_share_no_pixel() -> None:
    left = polygon_mask(np.array([[0.0, 0], [4, 0], [4, 8], [0, 8]]), (10, 10)).to_array()
    right = polygon_mask(np.array([[4.0, 0], [9, 0], [9, 8], [4, 8]]), (10, 10)).to_array()
    assert not (left & right).any()
    assert (left | right).sum() == 9 * 8


@pytest.mark.parametrize("points", [np.zeros((0, 2)), np.array([[1.0, 1.0], [5.0, 5.0]]), np.full((4, 2), 3.0)])
def test_what_is_no_area_holds_nothing(points: np.ndarray) -> None:
    assert polygon_mask(points, (9, 9)).is_empty


def test_polygon_outside_the_frame_is_cut_off() -> None:
    assert polygon_mask(np.array([[-9.0, -9], [30, -9], [30, 30], [-9, 30]]), (6, 5)).area == 30
    assert polygon_mask(np.array([[20.0, 20], [30, 20], [30, 30]]), (6, 5)).is_empty
    assert polygon_mask(np.array([[-20.0, -20], [-3, -20], [-3, -5]]), (6, 5)).is_empty


def test_open_contours_hold_nothing_and_nan_is_refused() -> None:
    square = np.array([[0.0, 0], [4, 0], [4, 4], [0, 4]])
    assert mask_of((Contour(square, closed=False),), (9, 9)).is_empty
    assert mask_of((), (9, 9)).is_empty
    with pytest.raises(UsassistError, match="finite"):
        polygon_mask(np.array([[0.0, 0], [4, np.nan], [4, 4]]), (9, 9))


@given(pictures, st.integers(-5, 45), st.integers(-5, 45), st.integers(0, 50), st.integers(0, 50))
def test_pixels_in_a_box(picture: np.ndarray, top: int, left: int, height: int, width: int) -> None:
    mask = Mask.from_array(picture)
    wide = np.zeros((picture.shape[0] + 200, picture.shape[1] + 200), dtype=np.bool_)
    wide[60 : 60 + picture.shape[0], 60 : 60 + picture.shape[1]] = picture
    box = Box(top, left, top + height, left + width)
    assert np.array_equal(pixels_in(mask, box), wide[60 + top : 60 + top + height, 60 + left : 60 + left + width])


def test_a_lesion_is_outlined_and_filled_quickly() -> None:
    rows, cols = np.mgrid[:600, :800]
    wobble = 8 * np.sin(9 * np.arctan2(rows - 300, cols - 400))
    mask = Mask.from_array(np.hypot(rows - 300, cols - 400) < 100 + wobble)
    taken = []
    for _ in range(5):
        start = time.process_time()
        contours = contours_of(mask)
        assert mask_of(contours, mask.shape) == mask
        taken.append(time.process_time() - start)
    assert min(taken) < 0.05, "meant to take 5 ms of the processor; ten times that leaves room for a busy machine"
