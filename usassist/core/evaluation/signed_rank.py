"""Whether paired differences lean to one side: the signed-rank test."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from usassist.core.errors import UsassistError
from usassist.core.metrics.ranking import ranks

_MOST_EXACT = 50
"""Up to this many differences every assignment of signs is counted; beyond, the normal curve is close."""


@dataclass(frozen=True, slots=True)
class SignedRank:
    """What Wilcoxon's test found: the smaller sum of ranks, two-sided p, and how many differences were not 0."""

    statistic: float
    p: float
    n: int


def signed_rank(differences: npt.ArrayLike) -> SignedRank:
    """Return the two-sided Wilcoxon signed-rank test of N finite, independent differences (Wilcoxon 1945).

    Differences of 0 are left out, equal ones share the mean of their ranks. Up to 50 the p-value is exact, given the
    ties; above it comes from the normal curve with the variance corrected for ties, without a continuity correction.
    Where nothing differs p is 1. Raises UsassistError for a difference that is not finite.

    >>> signed_rank([1, 2, 3, 4, 5])
    SignedRank(statistic=0.0, p=0.0625, n=5)
    """
    values = np.asarray(differences, dtype=np.float64).ravel()
    if not np.isfinite(values).all():
        raise UsassistError("The signed-rank test needs finite differences; found NaN or infinity among them.")
    values = values[values != 0]
    if values.size == 0:
        return SignedRank(0.0, 1.0, 0)
    rank = ranks(np.abs(values))
    up, total = float(rank[values > 0].sum()), float(rank.sum())
    smaller = min(up, total - up)
    p = _exact(rank, smaller) if values.size <= _MOST_EXACT else _normal(rank, up)
    return SignedRank(smaller, min(1.0, p), int(values.size))


def _exact(rank: npt.NDArray[np.float64], smaller: float) -> float:
    """Count the assignments of signs whose sum of ranks is at most the one found; twice their share is p."""
    # Ranks that are shared end on one half: doubled they are whole.
    doubled = np.rint(2 * rank).astype(np.int64)
    ways = np.zeros(int(doubled.sum()) + 1)
    ways[0] = 1.0
    for step in doubled:
        ways[step:] += ways[: len(ways) - step].copy()
    # 2**50 ways are still whole numbers in float64, and so is every partial sum.
    return float(2 * ways[: round(2 * smaller) + 1].sum() / 2.0 ** len(doubled))


def _normal(rank: npt.NDArray[np.float64], up: float) -> float:
    # The variance of a sum of ranks with random signs, ties included, is a quarter of the sum of their squares.
    z = (up - rank.sum() / 2) / math.sqrt(float((rank**2).sum()) / 4)
    return math.erfc(abs(z) / math.sqrt(2))
