"""Whether a probability means what it says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from usassist.core.errors import UsassistError
from usassist.core.metrics.calibration import Platt, brier, ece, fit_platt, fit_temperature, reliability


def sample(seed: int, slope: float, offset: float, count: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 2, count)
    return scores, rng.random(count) < 1 / (1 + np.exp(-(slope * scores + offset)))


def test_a_calibrated_probability_has_little_error() -> None:
    scores, positive = sample(0, 1.0, 0.0, 50_000)
    assert ece(Platt(1.0, 0.0)(scores), positive) < 0.02
    assert ece(Platt(4.0, 0.0)(scores), positive) > 0.1


@given(st.integers(0, 10_000), st.integers(1, 30))
def test_counts_add_up(seed: int, bins: int) -> None:
    rng = np.random.default_rng(seed)
    p, y = rng.random(60), rng.random(60) < 0.4
    whole = reliability(p, y, bins=bins)
    parts = reliability(p[:25], y[:25], bins=bins) + reliability(p[25:], y[25:], bins=bins)
    assert parts.ece == pytest.approx(whole.ece)
    place = np.minimum((p * bins).astype(int), bins - 1)
    expected = sum(abs(p[place == k].mean() - y[place == k].mean()) * (place == k).mean() for k in set(place))
    assert whole.ece == pytest.approx(expected)


def test_the_ends_of_the_range_and_nothing() -> None:
    assert ece([0.0, 1.0], [False, True]) == 0.0
    assert ece([], []) == 0.0
    assert brier([0.0, 1.0], [False, True]) == 0.0


def test_a_temperature_is_found_again() -> None:
    scores, positive = sample(1, 1.0, 0.0, 20_000)
    assert fit_temperature(scores * 3, positive) == pytest.approx(3.0, rel=0.05)
    assert fit_temperature([5.0, -5.0], [True, False]) == pytest.approx(0.01)


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e4])
def test_platt_finds_the_most_likely_map(scale: float) -> None:
    scores, positive = sample(2, 0.7, -1.2)
    fitted = fit_platt(scores * scale, positive)
    count, rest = positive.sum(), (~positive).sum()
    target = np.where(positive, (count + 1) / (count + 2), 1 / (rest + 2))

    def loss(x: np.ndarray) -> float:
        z = x[0] * scores + x[1]
        return float(np.sum(np.logaddexp(0, z) - target * z))

    best = optimize.minimize(loss, [0.0, 0.0]).x
    assert (fitted.slope * scale, fitted.offset) == pytest.approx(tuple(best), abs=1e-4)


def test_platt_on_separable_and_constant_scores_stays_finite() -> None:
    split = fit_platt([0.0, 1.0, 2.0, 3.0], [False, False, True, True])
    assert split.slope > 0
    flat = fit_platt([1.0, 1.0, 1.0], [True, False, True])
    assert np.isfinite([flat.slope, flat.offset]).all()
    assert np.isfinite(Platt(1000.0, 0.0)([-1e6, 1e6])).all()


def test_what_cannot_be_calibrated_is_refused() -> None:
    with pytest.raises(UsassistError, match="between 0 and 1"):
        ece([1.2], [True])
    with pytest.raises(UsassistError, match="between 0 and 1"):
        ece([float("nan")], [True])
    with pytest.raises(UsassistError, match="one label"):
        ece([0.5, 0.5], [True])
    with pytest.raises(UsassistError, match="one label"):
        brier([], [])
    with pytest.raises(UsassistError, match="both kinds"):
        fit_platt([0.1, 0.2], [True, True])
    with pytest.raises(UsassistError, match="finite"):
        fit_temperature([float("inf")], [True])
