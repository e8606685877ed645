"""Cases scored one at a time."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usassist.core.errors import UsassistError
from usassist.core.evaluation.protocol import Case
from usassist.core.evaluation.run import evaluate_masks
from usassist.core.evaluation.wilson import wilson_ci95

SHAPE = (40, 50)
EMPTY = np.zeros(SHAPE, dtype=np.bool_)


def square(left: int) -> np.ndarray:
    mask = EMPTY.copy()
    mask[10:20, left : left + 10] = True
    return mask


def four() -> list[Case]:
    return [
        Case(
            "hit.png", square(10), square(10), class_name="benign", presence=0.9, quality=0.9, score=0.81, seconds=0.1
        ),
        Case(
            "half.png", square(10), square(15), class_name="benign", presence=0.8, quality=0.7, score=0.56, seconds=0.2
        ),
        Case("missed.png", square(10), EMPTY, class_name="malignant", presence=0.4, quality=0.3, score=0, seconds=0.3),
        Case("quiet.png", EMPTY, EMPTY, class_name="normal", presence=0.1, quality=0.5, score=0, seconds=0.4),
    ]


def test_p_n9_the_summary_counts_every_image_also_where_a_mask_is_empty() -> None:
    summary = evaluate_masks(four()).summary
    assert (summary.n, summary.n_empty_truth, summary.n_degenerate) == (4, 1, 1)
    assert summary.dice.mean == pytest.approx((1 + 0.5 + 0 + 1) / 4)
    assert summary.dice_lesion.mean == pytest.approx(0.5)
    assert summary.dice_lesion.n == 3
    assert summary.hd95_px.mean == pytest.approx((0 + 5 + np.hypot(40, 50) + 0) / 4)
    assert summary.dice.std == pytest.approx(np.std([1, 0.5, 0, 1]))
    assert summary.hd95_mm is None
    assert (summary.empty_correct, summary.lesion_found) == (1.0, pytest.approx(2 / 3))
    assert (summary.seconds_median, summary.seconds_p95) == (pytest.approx(0.25), pytest.approx(0.385))
    assert [(part.name, part.n) for part in summary.by_class] == [("benign", 2), ("malignant", 1), ("normal", 1)]
    assert summary.confidence.presence_auc == 1.0
    assert summary.confidence.quality_error == pytest.approx((0.1 + 0.2 + 0.3) / 3)
    assert summary.confidence.presence_auc_ci95 == (1.0, 1.0)
    assert summary.confidence.quality_spearman == pytest.approx(1.0)
    assert summary.confidence.quality_spearman_ci95 == pytest.approx((1.0, 1.0))


@settings(max_examples=25)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=8))
def test_P_N9_no_image_vanishes_from_any_mean_and_every_number_is_finite(kinds: list[tuple[bool, bool]]) -> None:
    """Whichever of the masks are empty: as many values as images, all of them finite, none better than deserved."""
    cases = [
        Case(f"{i}.png", square(10) & shows, square(12) & drawn, spacing_mm=(0.1, 0.2))
        for i, (shows, drawn) in enumerate(kinds)
    ]
    found = evaluate_masks(cases)
    summary = found.summary
    for name in ("dice", "iou", "precision", "recall", "hd95_px", "assd_px", "nsd_2px", "hd95_mm"):
        spread = getattr(summary, name)
        assert spread.n == len(kinds), name
        assert np.isfinite([spread.mean, spread.std, *spread.ci95, spread.median]).all()
    diagonal = float(np.hypot(*SHAPE))
    for score, (shows, drawn) in zip(found.scores, kinds, strict=True):
        if shows != drawn:
            assert (score.dice, score.hd95_px, score.hd95_mm) == (0.0, diagonal, float(np.hypot(4, 10)))
        elif not shows:
            assert (score.dice, score.hd95_px) == (1.0, 0.0)
    assert summary.n_degenerate == sum(shows != drawn for shows, drawn in kinds)


def test_P_N9_shares_of_empty_and_found_have_wilsons_intervals() -> None:
    summary = evaluate_masks(four()).summary
    assert summary.empty_correct_ci95 == wilson_ci95(1, 1)
    assert summary.lesion_found_ci95 == wilson_ci95(2, 3)
    assert evaluate_masks([Case("a.png", EMPTY, EMPTY)]).summary.lesion_found_ci95 is None


def test_P_N9_distances_are_pixels_of_the_image_whatever_its_size() -> None:
    for factor in (1, 4):
        truth, pred = np.zeros((2, 224 * factor, 300 * factor), dtype=np.bool_)
        truth[50 * factor : 100 * factor, 60 * factor : 110 * factor] = True
        pred[50 * factor : 100 * factor, 65 * factor : 115 * factor] = True
        (score,) = evaluate_masks([Case("a.png", truth, pred, spacing_mm=(0.2, 0.2))]).scores
        assert score.hd95_px == 5.0 * factor
        assert score.hd95_mm == pytest.approx(1.0 * factor)


def test_found_means_more_than_a_tenth() -> None:
    truth = np.zeros(SHAPE, dtype=np.bool_)
    truth[0, :10] = True
    one = np.zeros(SHAPE, dtype=np.bool_)
    one[0, 0] = True
    assert evaluate_masks([Case("a", truth, one)]).summary.lesion_found == 0.0
    assert evaluate_masks([Case("a", truth[:, :], truth)]).summary.lesion_found == 1.0


def test_what_is_not_known_stays_unknown() -> None:
    summary = evaluate_masks([Case("a.png", EMPTY, EMPTY)]).summary
    assert (summary.lesion_found, summary.empty_correct) == (None, 1.0)
    assert (summary.dice_lesion.n, summary.dice_lesion.mean, summary.seconds_median) == (0, None, None)
    assert summary.confidence.presence_auc is None
    assert summary.confidence.quality_spearman is None
    assert evaluate_masks([Case("a.png", square(1), EMPTY)]).summary.empty_correct is None


def test_millimetres_are_those_of_the_images_that_have_them() -> None:
    cases = [Case("a", square(10), square(12), spacing_mm=(0.5, 0.5)), Case("b", square(10), square(19))]
    found = evaluate_masks(cases).summary.hd95_mm
    assert found is not None
    assert (found.n, found.mean) == (1, pytest.approx(1.0))


def test_the_fingerprint_is_that_of_the_questions() -> None:
    cases = four()
    first = evaluate_masks(cases).data_fingerprint
    assert evaluate_masks(cases[::-1]).data_fingerprint == first
    other_answer = [Case(case.input, case.truth, EMPTY) for case in cases]
    assert evaluate_masks(other_answer).data_fingerprint == first
    other_truth = [Case(case.input, square(11), case.pred) for case in cases]
    assert evaluate_masks(other_truth).data_fingerprint != first
    moved = [Case("hit.png", square(10), EMPTY), Case("b.png", square(12), EMPTY)]
    assert evaluate_masks(moved).data_fingerprint != evaluate_masks(moved[:1]).data_fingerprint


def test_cases_may_be_a_stream() -> None:
    alive: list[int] = []

    def stream() -> Iterator[Case]:
        for index in range(200):
            alive.append(index)
            yield Case(f"{index}.png", square(10), square(10 + index % 12), probability=square(10).astype(np.float32))

    found = evaluate_masks(stream())
    assert len(alive) == found.summary.n == 200
    assert found.pixels is not None
    assert found.pixels.ece == 0.0
    assert found.pixels.count.sum() == 200 * EMPTY.size
    assert len(found.shown) <= 20


def test_nothing_and_unequal_sizes_are_refused() -> None:
    with pytest.raises(UsassistError, match="nothing to evaluate"):
        evaluate_masks([])
    with pytest.raises(UsassistError, match=r"b\.png.*40 x 50.*4 x 5"):
        evaluate_masks([Case("a.png", EMPTY, EMPTY), Case("b.png", EMPTY, np.zeros((4, 5), dtype=np.bool_))])
