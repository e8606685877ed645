"""How sure a mean is."""

import numpy as np
import pytest

from usassist.core.errors import UsassistError
from usassist.core.evaluation.bootstrap import mean_ci95, statistic_ci95


def test_the_interval_of_a_normal_sample() -> None:
    values = np.random.default_rng(3).normal(0.8, 0.1, 400)
    low, high = mean_ci95(values)
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)


def test_the_same_values_give_the_same_interval() -> None:
    values = np.linspace(0, 1, 37)
    assert mean_ci95(values) == mean_ci95(values)
    assert mean_ci95(values) != mean_ci95(values, seed=1)


def test_constant_and_single_values() -> None:
    assert mean_ci95([0.5, 0.5, 0.5]) == (0.5, 0.5)
    assert mean_ci95([0.25]) == (0.25, 0.25)


def test_frames_of_one_cine_are_drawn_together() -> None:
    values = np.repeat(np.random.default_rng(0).random(10), 30)
    groups = np.repeat(np.arange(10), 30).tolist()
    alone, together = mean_ci95(values), mean_ci95(values, groups=groups)
    assert together[1] - together[0] > 3 * (alone[1] - alone[0])


def test_many_values_are_drawn_in_parts() -> None:
    low, high = mean_ci95(np.random.default_rng(0).random(30_000), resamples=100)
    assert 0.49 < low < 0.5 < high < 0.51


def test_what_has_no_mean_is_refused() -> None:
    with pytest.raises(UsassistError, match="at least one value"):
        mean_ci95([])
    with pytest.raises(UsassistError, match="2 values and 1 groups"):
        mean_ci95([0.1, 0.2], groups=["a"])


def test_a_statistic_without_a_value_for_most_draws_has_no_interval() -> None:
    assert statistic_ci95(lambda _: None, ["a", "b"], resamples=50) is None
    assert statistic_ci95(lambda _: 1.0, [], resamples=50) is None
    values = np.random.default_rng(0).random(50)
    found = statistic_ci95(lambda chosen: float(values[chosen].mean()), list(range(50)), resamples=500)
    assert found is not None
    assert found == pytest.approx(mean_ci95(values), abs=0.02)
