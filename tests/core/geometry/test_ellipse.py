"""The ellipse that has a mask's moments."""

import numpy as np
import pytest

from usassist.core.domain import Mask
from usassist.core.errors import UsassistError
from usassist.core.geometry.ellipse import fit_ellipse


@pytest.mark.parametrize("angle", [0.0, 30.0, 90.0, 135.0, 170.0])
def test_an_ellipse_is_found_again(angle: float) -> None:
    rows, cols = np.mgrid[:200, :240].astype(np.float64)
    turn = np.radians(angle)
    along = (cols - 120) * np.cos(turn) + (rows - 90) * np.sin(turn)
    across = -(cols - 120) * np.sin(turn) + (rows - 90) * np.cos(turn)
    found = fit_ellipse(Mask.from_array((along / 70) ** 2 + (across / 30) ** 2 <= 1))
    assert (found.cx, found.cy) == pytest.approx((120, 90), abs=0.1)
    assert (found.major, found.minor) == pytest.approx((140, 60), abs=0.5)
    assert abs((found.angle_deg - angle + 90) % 180 - 90) < 0.5


def test_a_pixel_and_a_line() -> None:
    pixel = fit_ellipse(Mask((9, 9), (3, 4), np.ones((1, 1), dtype=np.bool_)))
    assert (pixel.cx, pixel.cy) == (4, 3)
    assert pixel.major == pixel.minor > 1
    line = fit_ellipse(Mask((9, 9), (3, 1), np.ones((1, 7), dtype=np.bool_)))
    assert line.angle_deg == 0
    assert line.minor == pytest.approx(pixel.minor)


def test_nothing_has_no_ellipse() -> None:
    with pytest.raises(UsassistError, match="empty"):
        fit_ellipse(Mask.empty((4, 4)))
