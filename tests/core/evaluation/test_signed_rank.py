"""Wilcoxon's signed-rank test: against SciPy's and, with ties, against counting every assignment of signs."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from usassist.core.errors import UsassistError
from usassist.core.evaluation.signed_rank import SignedRank, signed_rank


@pytest.mark.parametrize("n", [1, 2, 5, 12, 30, 50])
def test_N16_exact_p_is_scipys(n: int) -> None:
    for seed in range(5):
        values = np.random.default_rng(seed).normal(0.3, 1.0, n)
        theirs = stats.wilcoxon(values, method="exact")
        found = signed_rank(values)
        assert found.p == pytest.approx(theirs.pvalue, abs=1e-12)
        assert found.statistic == theirs.statistic


@pytest.mark.parametrize("n", [51, 80, 500])
def test_N16_normal_p_is_scipys_with_ties_and_zeros(n: int) -> None:
    for seed in range(5):
        values = np.random.default_rng(seed).integers(-4, 6, 2 * n).astype(float)
        values = values[: np.flatnonzero(np.cumsum(values != 0) == n)[0] + 1]
        theirs = stats.wilcoxon(values, method="approx", correction=False)
        assert signed_rank(values).p == pytest.approx(theirs.pvalue, rel=1e-9)
        assert signed_rank(values).n == n


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=9))
def test_exact_p_with_ties_counts_every_assignment_of_signs(numbers: list[int]) -> None:
    values = np.array([number for number in numbers if number], dtype=float)
    if not values.size:
        assert signed_rank(numbers) == SignedRank(0.0, 1.0, 0)
        return
    rank = stats.rankdata(np.abs(values))
    sums = [
        sum(r for r, up in zip(rank, signs, strict=True) if up) for signs in itertools.product((0, 1), repeat=len(rank))
    ]
    smaller = min(rank[values > 0].sum(), rank[values < 0].sum())
    expected = min(1.0, 2 * np.mean([total <= smaller + 1e-9 for total in sums]))
    assert signed_rank(numbers).p == pytest.approx(expected, abs=1e-12)


def test_exact_and_normal_meet() -> None:
    values = np.random.default_rng(3).normal(0.3, 1.0, 50)
    assert signed_rank(values).p == pytest.approx(stats.wilcoxon(values, method="approx").pvalue, abs=0.01)


def test_what_is_not_finite_is_refused() -> None:
    with pytest.raises(UsassistError, match="finite"):
        signed_rank([1.0, float("nan")])
