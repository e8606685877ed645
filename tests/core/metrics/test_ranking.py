"""How well scores put things in order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from usassist.core.errors import UsassistError
from usassist.core.metrics.ranking import auc, average_precision, ranks, spearman

cases = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=40)


@given(cases)
def test_auc_counts_the_pairs_in_order(found: list[tuple[int, bool]]) -> None:
    scores = np.array([score for score, _ in found], dtype=np.float64)
    positive = np.array([label for _, label in found])
    if positive.all() or not positive.any():
        with pytest.raises(UsassistError, match="both kinds"):
            auc(scores, positive)
        return
    apart = scores[positive][:, None] - scores[~positive][None, :]
    assert auc(scores, positive) == pytest.approx(((apart > 0) + 0.5 * (apart == 0)).mean())
    assert average_precision(-scores, positive) == pytest.approx(step_precision(-scores, positive))


def step_precision(scores: np.ndarray, positive: np.ndarray) -> float:
    total, before = 0.0, 0
    for level in sorted(set(scores), reverse=True):
        chosen = scores >= level
        hits = int((chosen & positive).sum())
        total += (hits - before) * hits / chosen.sum()
        before = hits
    return total / positive.sum()


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=30))
def test_ranks_are_those_of_scipy(values: list[int]) -> None:
    assert np.array_equal(ranks(values), stats.rankdata(values))


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=3, max_size=30))
def test_spearman_is_that_of_scipy(pairs: list[tuple[int, int]]) -> None:
    a, b = (list(column) for column in zip(*pairs, strict=True))
    if len(set(a)) == 1 or len(set(b)) == 1:
        assert spearman(a, b) == 0.0
    else:
        assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-12)


def test_what_cannot_be_ranked_is_refused() -> None:
    with pytest.raises(UsassistError, match="finite"):
        auc([0.1, float("nan")], [True, False])
    with pytest.raises(UsassistError, match="one label"):
        auc([0.1, 0.2], [True])
    with pytest.raises(UsassistError, match="at least one positive"):
        average_precision([0.1, 0.2], [False, False])
    with pytest.raises(UsassistError, match="case by case"):
        spearman([1, 2, 3], [1, 2])
