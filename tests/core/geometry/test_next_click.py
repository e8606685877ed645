import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

from usassist.core.errors import UsassistError
from usassist.core.geometry.next_click import Click, depth_inside, largest_mistake, next_click

_BITS = arrays(np.bool_, (9, 11))


def _mask(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    bits = np.zeros((20, 30), dtype=np.bool_)
    for top, left, bottom, right in boxes:
        bits[top:bottom, left:right] = True
    return bits


def test_what_is_missing_is_clicked_in_its_middle() -> None:
    assert next_click(_mask(), _mask((3, 4, 12, 13))) == Click(8, 7, positive=True)


def test_what_is_too_much_is_a_negative_click() -> None:
    truth = _mask((3, 4, 12, 13))
    assert next_click(truth | _mask((14, 20, 19, 25)), truth) == Click(22, 16, positive=False)


def test_the_larger_of_two_mistakes_comes_first_and_of_equal_ones_the_missing() -> None:
    truth, found = _mask((0, 0, 5, 5)), _mask((10, 10, 15, 15))
    assert next_click(found, truth).positive
    assert not next_click(_mask((10, 10, 15, 16)), truth).positive


def test_parts_that_touch_at_a_corner_are_two() -> None:
    part, _ = largest_mistake(_mask(), _mask((0, 0, 4, 4), (4, 4, 8, 9)))
    assert part.sum() == 20


def test_the_border_of_the_frame_is_outside() -> None:
    assert depth_inside(np.ones((5, 5), dtype=np.bool_)).argmax() == 12


def test_masks_of_two_sizes_are_refused() -> None:
    with pytest.raises(UsassistError, match="one size"):
        next_click(_mask(), np.zeros((3, 3), dtype=np.bool_))


@given(found=_BITS, truth=_BITS)
def test_a_click_lies_on_a_mistake_and_says_which_kind(found: np.ndarray, truth: np.ndarray) -> None:
    click = next_click(found, truth)
    if click is None:
        assert np.array_equal(found, truth)
    else:
        assert truth[click.y, click.x] == click.positive
        assert found[click.y, click.x] != click.positive
