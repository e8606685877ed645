"""One line of the protocol, on masks small enough to count by hand."""

import numpy as np
import pytest

from usassist.core.domain import Mask
from usassist.core.errors import UsassistError
from usassist.core.evaluation.protocol import Case, score_case

EMPTY = np.zeros((30, 40), dtype=np.bool_)
SQUARE = EMPTY.copy()
SQUARE[10:20, 10:20] = True
SHIFTED = np.roll(SQUARE, 5, axis=1)


def test_numbers_of_a_shifted_square() -> None:
    score = score_case(Case("a.png", SQUARE, Mask.from_array(SHIFTED), spacing_mm=(0.1, 0.1)))
    assert score.dice == 0.5
    assert score.iou == pytest.approx(1 / 3)
    assert score.precision == score.recall == 0.5
    assert score.hd95_px == 5.0
    assert score.hd95_mm == pytest.approx(0.5)
    assert not score.is_degenerate
    assert (score.empty_truth, score.empty_pred) == (False, False)


@pytest.mark.parametrize(("axis", "expected"), [(0, 0.5), (1, 1.5)])
def test_unequal_spacing_is_measured_anew(axis: int, expected: float) -> None:
    score = score_case(Case("a.png", SQUARE, np.roll(SQUARE, 5, axis=axis), spacing_mm=(0.1, 0.3)))
    assert score.hd95_px == 5.0
    assert score.hd95_mm == pytest.approx(expected)


def test_both_empty() -> None:
    score = score_case(Case("a.png", EMPTY, Mask.empty((30, 40)), spacing_mm=(0.1, 0.1)))
    assert (score.dice, score.iou, score.nsd_2px, score.precision, score.recall) == (1, 1, 1, 1, 1)
    assert (score.hd95_px, score.assd_px, score.hd95_mm) == (0, 0, 0)
    assert not score.is_degenerate


@pytest.mark.parametrize(("truth", "pred"), [(SQUARE, EMPTY), (EMPTY, SQUARE)])
def test_one_empty(truth: np.ndarray, pred: np.ndarray) -> None:
    score = score_case(Case("a.png", truth, pred, spacing_mm=(0.1, 0.2)))
    assert (score.dice, score.iou, score.nsd_2px, score.precision, score.recall) == (0, 0, 0, 0, 0)
    assert (score.hd95_px, score.assd_px) == (50, 50)
    assert score.hd95_mm == pytest.approx(np.hypot(3, 8))
    assert score.is_degenerate


def test_unequal_sizes_name_the_input_and_both_sizes() -> None:
    with pytest.raises(UsassistError, match=r"sub/a\.png, frame 3: .*30 x 40.*31 x 40"):
        score_case(Case("sub/a.png", EMPTY, np.zeros((31, 40), dtype=np.bool_), frame=3))


def test_the_group_is_the_input_unless_it_is_known_better() -> None:
    assert score_case(Case("clip.dcm", EMPTY, EMPTY, frame=2)).group == "clip.dcm"
    assert score_case(Case("clip.dcm", EMPTY, EMPTY, group="patient 1")).group == "patient 1"
