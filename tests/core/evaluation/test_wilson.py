"""How sure a share is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from usassist.core.errors import UsassistError
from usassist.core.evaluation.wilson import wilson_ci95


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_N16_the_interval_is_scipys(case: tuple[int, int]) -> None:
    hits, n = case
    theirs = stats.binomtest(hits, n).proportion_ci(confidence_level=0.95, method="wilson")
    assert wilson_ci95(hits, n) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_all_hits_still_leave_doubt() -> None:
    low, high = wilson_ci95(14, 14)
    assert high == 1.0
    assert 0.7 < low < 0.9


@pytest.mark.parametrize(("hits", "n"), [(0, 0), (3, 2), (-1, 4)])
def test_what_is_no_share_is_refused(hits: int, n: int) -> None:
    with pytest.raises(UsassistError, match=f"found {hits} of {n}"):
        wilson_ci95(hits, n)
