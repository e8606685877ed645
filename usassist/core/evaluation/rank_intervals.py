"""How sure an AUC or a rank correlation is: the bootstrap of `bootstrap`, for all resamples at once.

A resample only changes how often each case counts, so the cases are sorted once: thousands of resamples of a report's
images take milliseconds, where ranking each anew takes seconds.
"""

from collections.abc import Callable, Hashable, Sequence

import numpy as np
import numpy.typing as npt

from usassist.core.evaluation.bootstrap import RESAMPLES, SEED, numbered

Floats = npt.NDArray[np.float64]

_CHUNK = 1 << 20
"""Weights held at once."""


def auc_ci95(
    scores: Sequence[float], positives: Sequence[bool], groups: Sequence[Hashable]
) -> tuple[float, float] | None:
    """Return the 95 % interval of `ranking.auc`, None where most resamples show one kind of case only."""
    values, wanted = np.asarray(scores, dtype=np.float64), np.asarray(positives, dtype=np.bool_)

    def measure(weights: Floats) -> Floats:
        hits = weights * wanted
        count, rest = hits.sum(axis=1), (weights * ~wanted).sum(axis=1)
        above = (weighted_ranks(values, weights) * hits).sum(axis=1) - count * (count + 1) / 2
        return _quotient(above, count * rest)

    return _ci95(measure, groups)


def spearman_ci95(a: Sequence[float], b: Sequence[float], groups: Sequence[Hashable]) -> tuple[float, float] | None:
    """Return the 95 % interval of `ranking.spearman`, None where either list is constant in most resamples."""
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)

    def measure(weights: Floats) -> Floats:
        total = weights.sum(axis=1, keepdims=True)
        # The mean of n ranks is (n + 1) / 2, ties or not.
        x, y = (weighted_ranks(values, weights) - (total + 1) / 2 for values in (first, second))
        scale = np.sqrt((weights * x * x).sum(axis=1) * (weights * y * y).sum(axis=1))
        return _quotient((weights * x * y).sum(axis=1), scale)

    return _ci95(measure, groups)


def weighted_ranks(values: Floats, weights: Floats) -> Floats:
    """Return (R, N) ranks from 1 of N values of which resample r holds `weights[r, n]` copies; equal ones share theirs.

    >>> weighted_ranks(np.array([10.0, 30.0, 20.0]), np.array([[1.0, 1.0, 2.0]]))
    array([[1. , 4. , 2.5]])
    """
    unique, place = np.unique(values, return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(len(unique)))
    counts = np.add.reduceat(weights[:, order], starts, axis=1)
    ranks = np.cumsum(counts, axis=1) - (counts - 1) / 2
    return np.asarray(ranks[:, place], dtype=np.float64)


def _quotient(part: Floats, whole: Floats) -> Floats:
    """Return part / whole, NaN where there is no whole: such a resample has no value."""
    found = np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
    return np.asarray(found, dtype=np.float64)


def _ci95(measure: Callable[[Floats], Floats], groups: Sequence[Hashable]) -> tuple[float, float] | None:
    place = numbered(groups)
    size = int(place.max(initial=-1)) + 1
    if not size:
        return None
    draw = np.random.default_rng(SEED)
    step = max(1, _CHUNK // len(place))
    found = []
    for first in range(0, RESAMPLES, step):
        rows = min(step, RESAMPLES - first)
        chosen = draw.integers(0, size, size=(rows, size)) + size * np.arange(rows)[:, None]
        often = np.bincount(chosen.ravel(), minlength=rows * size).reshape(rows, size)
        found.append(measure(often[:, place].astype(np.float64)))
    values = np.concatenate(found)
    values = values[np.isfinite(values)]
    if 2 * len(values) <= RESAMPLES:
        return None
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)
