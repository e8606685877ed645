import numpy as np
import pytest

from usassist.core.models.config import Calibration
from usassist.core.training.answers import Answers
from usassist.core.training.calibrate import calibrate, fit_logistic, presence_threshold


def test_the_fit_recovers_what_made_the_labels() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(20_000, 2)) * 2
    chance = 1 / (1 + np.exp(-(features @ [1.7, 0.4] - 0.6)))
    fitted = fit_logistic(features, (rng.random(20_000) < chance).astype(float), prior=(1.0, 0.0))
    assert np.allclose(fitted, (1.7, 0.4, -0.6), atol=0.08)


def test_separable_data_stays_finite() -> None:
    scale, bias = fit_logistic(np.array([[-3.0], [-2], [2], [3]]), np.array([0.0, 0, 1, 1]), prior=(1.0,))
    assert np.isfinite([scale, bias]).all()
    assert scale > 0


def test_a_fraction_is_a_target_too() -> None:
    _, bias = fit_logistic(np.zeros((500, 1)), np.full(500, 0.8), prior=(1.0,))
    assert abs(1 / (1 + np.exp(-bias)) - 0.8) < 0.01


@pytest.mark.parametrize("dice", [0.5, 0.8, 0.95])
def test_keeping_and_emptying_earn_the_same_at_the_threshold_if_a_hidden_finding_counts_twice(dice: float) -> None:
    presence = presence_threshold(dice)
    assert np.isclose(2 * presence * dice, 1 - presence)


def test_logits_far_from_zero_are_fitted_too() -> None:
    rng = np.random.default_rng(5)
    shows = np.arange(200) % 5 > 0
    witnesses = np.stack([9 + 2.0 * shows + rng.normal(size=200), 14 + 3.0 * shows + rng.normal(size=200)], axis=1)
    *weights, bias = fit_logistic(witnesses, shows.astype(float), prior=(0.5, 0.5))
    chance = 1 / (1 + np.exp(-(witnesses @ weights + bias)))
    assert min(weights) > 0
    assert ((chance > 0.5) == shows).mean() > 0.9


def test_a_witness_never_counts_against_itself() -> None:
    rng = np.random.default_rng(6)
    shows = np.arange(80) % 5 > 0
    good, wrong = 3.0 * shows + rng.normal(size=80), 8 - 4.0 * shows + rng.normal(size=80)
    weight, other, _ = fit_logistic(np.stack([good, wrong], axis=1), shows.astype(float), prior=(0.5, 0.5))
    assert weight > 0
    assert other == 0.0
    assert fit_logistic(wrong[:, None], shows.astype(float), prior=(1.0,))[0] == 0.0


def test_many_easy_findings_of_one_kind_do_not_set_the_quality_of_another() -> None:
    count = 400
    hard = np.arange(count) >= 380
    dice = np.where(hard, 0.5, 0.98)
    answers = Answers(
        dice=np.tile(dice[:, None], (1, 13)),
        presence=np.ones(count),
        peak=np.ones(count),
        quality=np.zeros(count),
        shows=np.ones(count, dtype=np.bool_),
        target=hard.astype(np.int64),
    )
    assert calibrate(answers).quality(0.0) == pytest.approx((0.5 + 0.98) / 2, abs=0.01)


def test_a_peak_that_does_not_count_has_no_weight() -> None:
    rng = np.random.default_rng(7)
    shows = np.arange(60) % 3 > 0
    answers = Answers(
        dice=np.tile(np.where(shows, 0.8, 0.0)[:, None], (1, 13)),
        presence=2.0 * shows + rng.normal(size=60),
        peak=6.0 * shows + rng.normal(size=60),
        quality=np.zeros(60),
        shows=shows,
        target=np.zeros(60, dtype=np.int64),
    )
    both, alone = calibrate(answers), calibrate(answers, peak_counts=False)
    assert both.presence_peak > 0.5
    assert alone.presence_peak == 0.0
    assert alone.presence_scale > both.presence_scale
    found = [alone.presence(float(logit), peak=99.0) for logit in answers.presence]
    assert np.mean(found) == pytest.approx(shows.mean(), abs=0.02)


@pytest.mark.parametrize("count", [8, 4])
def test_a_starts_peak_does_not_count_either_where_too_few_images_show_nothing_or_something(count: int) -> None:
    start = Calibration(presence_scale=0.7, presence_peak=0.5, presence_bias=-1.0)
    answers = Answers(
        dice=np.full((count, 13), 0.8),
        presence=np.ones(count),
        peak=np.full(count, 4.0),
        quality=np.zeros(count),
        shows=np.ones(count, dtype=np.bool_),
        target=np.zeros(count, dtype=np.int64),
    )
    found = calibrate(answers, start=start, peak_counts=False)
    assert (found.presence_scale, found.presence_peak) == (0.7, 0.0)
    assert found.presence(1.0, peak=99.0) == pytest.approx(start.presence(1.0, peak=4.0))
    assert calibrate(answers, start=start).presence_peak == 0.5
