"""Which point or edge of a contour is under the pointer."""

import numpy as np
import pytest

from usassist.core.errors import UsassistError
from usassist.core.geometry.hit import nearest_edge, nearest_vertex

SQUARE = np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 10.0], [0.0, 10.0]])


def test_the_nearest_vertex() -> None:
    assert nearest_vertex(SQUARE, 12, 1) == (1, pytest.approx(np.hypot(2, 1)))
    assert nearest_vertex(SQUARE, 5, 5)[0] == 0


def test_the_nearest_edge_and_the_place_on_it() -> None:
    assert nearest_edge(SQUARE, 4, 2) == (0, 2.0, (4.0, 0.0))
    assert nearest_edge(SQUARE, -3, 6) == (3, 3.0, (0.0, 6.0))
    assert nearest_edge(SQUARE, 13, -4) == (0, 5.0, (10.0, 0.0))


def test_an_open_line_has_no_closing_edge() -> None:
    index, distance, place = nearest_edge(SQUARE, -3, 6, closed=False)
    assert (index, place) == (2, (0.0, 10.0))
    assert distance == 5.0


def test_doubled_points_are_no_trouble() -> None:
    assert nearest_edge(np.array([[1.0, 1.0], [1.0, 1.0]]), 1, 3) == (0, 2.0, (1.0, 1.0))


def test_too_few_points_are_refused() -> None:
    with pytest.raises(UsassistError, match="at least 1"):
        nearest_vertex(np.zeros((0, 2)), 0, 0)
    with pytest.raises(UsassistError, match="at least 2"):
        nearest_edge(np.zeros((1, 2)), 0, 0)
