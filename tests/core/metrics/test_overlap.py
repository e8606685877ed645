"""How many pixels two masks share."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from usassist.core.domain import Mask
from usassist.core.errors import UsassistError
from usassist.core.metrics.overlap import as_array, as_mask, counts, dice, iou, precision, recall

EMPTY = np.zeros((5, 5), dtype=np.bool_)
FULL = np.ones((5, 5), dtype=np.bool_)


@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.floats(0, 1))
def test_masks_and_arrays_agree_with_the_definitions(seed: int, first: float, second: float) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.random((9, 7)) < first, rng.random((9, 7)) < second
    both, either = int((a & b).sum()), int((a | b).sum())
    for truth, pred in ((a, b), (Mask.from_array(a), Mask.from_array(b)), (Mask.from_array(a), b)):
        assert counts(truth, pred) == (both, a.sum(), b.sum())
        if a.any() and b.any():
            assert dice(truth, pred) == pytest.approx(2 * both / (a.sum() + b.sum()))
            assert iou(truth, pred) == pytest.approx(both / either)
            assert precision(truth, pred) == pytest.approx(both / b.sum())
            assert recall(truth, pred) == pytest.approx(both / a.sum())


@pytest.mark.parametrize("metric", [dice, iou, precision, recall])
def test_empty_masks(metric: object) -> None:
    assert metric(EMPTY, EMPTY) == 1.0  # type: ignore[operator]
    assert metric(FULL, EMPTY) == 0.0  # type: ignore[operator]
    assert metric(EMPTY, FULL) == 0.0  # type: ignore[operator]


def test_unequal_sizes_are_named() -> None:
    with pytest.raises(UsassistError, match=r"5 x 5.*4 x 6"):
        dice(EMPTY, np.zeros((4, 6), dtype=np.bool_))


@pytest.mark.parametrize("wrong", [np.zeros((5, 5)), np.zeros((5, 5, 1), dtype=np.bool_)])
def test_only_bool_pictures_are_masks(wrong: np.ndarray) -> None:
    for convert in (as_mask, as_array):
        with pytest.raises(UsassistError, match="two-dimensional bool"):
            convert(wrong)
