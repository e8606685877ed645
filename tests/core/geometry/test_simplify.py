"""Contours with fewer points."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from usassist.core.domain import Contour, Mask
from usassist.core.geometry.hit import nearest_edge
from usassist.core.geometry.raster import contours_of, mask_of
from usassist.core.geometry.simplify import simplify


@given(
    st.lists(st.tuples(st.floats(0, 60), st.floats(0, 60)), min_size=1, max_size=40),
    st.floats(0, 8),
    st.booleans(),
)
def test_no_point_is_further_than_the_tolerance(
    corners: list[tuple[float, float]], tolerance: float, closed: bool
) -> None:
    points = np.array(corners, dtype=np.float64)
    kept = simplify(Contour(points, closed=closed), tolerance).points
    rows = [tuple(point) for point in points.tolist()]
    position = 0
    for point in map(tuple, kept.tolist()):
        position = rows.index(point, position)  # in the contour's order
        position += 1
    if len(kept) >= 2:
        for x, y in points:
            assert nearest_edge(kept, x, y, closed=closed)[1] <= tolerance + 1e-9
    if not closed:
        assert kept[0].tolist() == points[0].tolist()
        assert kept[-1].tolist() == points[-1].tolist()


def test_a_disc_keeps_its_shape_with_few_points() -> None:
    rows, cols = np.mgrid[:120, :120]
    mask = Mask.from_array(np.hypot(rows - 60, cols - 60) <= 40)
    (contour,) = contours_of(mask)
    few = simplify(contour, 1.0)
    assert len(few.points) < len(contour.points) / 5
    back = mask_of((few,), mask.shape).to_array()
    assert (back ^ mask.to_array()).sum() < 0.03 * mask.area


def test_what_cannot_be_simplified_stays() -> None:
    square = Contour(np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]]))
    assert simplify(square, 100) is square
    assert simplify(square, 0) is square
    line = Contour(np.array([[0.0, 0], [1, 0.1], [2, 0]]), closed=False)
    assert simplify(line, 1).points.tolist() == [[0, 0], [2, 0]]
