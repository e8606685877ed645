"""Intervals of ranks for all resamples at once say what ranking each resample anew says."""

import numpy as np
import pytest

from usassist.core.evaluation.bootstrap import statistic_ci95
from usassist.core.evaluation.rank_intervals import auc_ci95, spearman_ci95, weighted_ranks
from usassist.core.metrics.ranking import auc, ranks, spearman


def drawn(seed: int, count: int = 40) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Return scores and values with ties, and groups of one to three."""
    draw = np.random.default_rng(seed)
    first = np.round(draw.random(count), 1)
    return first, np.round((first + draw.random(count)) / 2, 1), (np.arange(count) // 2 % 17).tolist()


@pytest.mark.parametrize("seed", range(3))
def test_the_same_as_ranking_each_resample(seed: int) -> None:
    first, second, groups = drawn(seed)
    slow = statistic_ci95(lambda chosen: spearman(first[chosen], second[chosen]), groups)
    assert spearman_ci95(first, second, groups) == pytest.approx(slow, abs=1e-12)
    positive = second > 0.3

    def area(chosen: np.ndarray) -> float | None:
        return auc(first[chosen], positive[chosen]) if len(set(positive[chosen].tolist())) == 2 else None

    assert auc_ci95(first, positive, groups) == pytest.approx(statistic_ci95(area, groups), abs=1e-12)


def test_copies_share_their_ranks() -> None:
    values, weights = np.array([3.0, 1.0, 3.0, 2.0]), np.array([[2.0, 0.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0]])
    found = weighted_ranks(values, weights)
    assert found[0, [0, 2, 3]].tolist() == ranks([3, 3, 3, 2])[[0, 2, 3]].tolist()
    assert found[1].tolist() == ranks(values).tolist()


def test_nothing_to_rank_has_no_interval() -> None:
    assert auc_ci95([0.1, 0.2, 0.3], [True, True, True], "abc") is None
    assert spearman_ci95([0.5, 0.5, 0.5], [0.1, 0.2, 0.3], "abc") is None
    assert spearman_ci95([], [], []) is None
    assert auc_ci95([0.1, 0.9], [False, True], "aa") == (1.0, 1.0), "one group is drawn whole every time"


def test_in_parts_as_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, groups = drawn(5)
    whole = spearman_ci95(first, second, groups)
    monkeypatch.setattr("usassist.core.evaluation.rank_intervals._CHUNK", 1000)
    assert spearman_ci95(first, second, groups) == pytest.approx(whole, abs=1e-12)
