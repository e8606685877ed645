"""How sure a mean is: percentile bootstrap with a fixed seed (Efron 1979), whole groups at a time.

Frames of one cine or images of one patient resemble each other; resampling them one by one would promise too much.
"""

from collections.abc import Callable, Hashable, Sequence

import numpy as np
import numpy.typing as npt

from usassist.core.errors import UsassistError

SEED = 20260101
RESAMPLES = 2000
_CHUNK = 1 << 20
"""Drawn indices held at once."""


def mean_ci95(
    values: npt.ArrayLike,
    *,
    groups: Sequence[Hashable] | None = None,
    seed: int = SEED,
    resamples: int = RESAMPLES,
) -> tuple[float, float]:
    """Return the 95 % interval of the mean of N finite values; the same values give the same interval every time.

    `groups` names the group of each value; without it each stands alone. Raises UsassistError for no value.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.size == 0 or (groups is not None and len(groups) != numbers.size):
        raise UsassistError(
            f"A mean needs at least one value, and a group for each or none; found {numbers.size} values and "
            f"{numbers.size if groups is None else len(groups)} groups."
        )
    place = numbered(groups) if groups is not None else np.arange(numbers.size)
    total, size = np.bincount(place, weights=numbers), np.bincount(place)
    draw = np.random.default_rng(seed)
    means = np.empty(resamples)
    step = max(1, _CHUNK // len(total))
    for first in range(0, resamples, step):
        chosen = draw.integers(0, len(total), size=(min(step, resamples - first), len(total)))
        means[first : first + step] = total[chosen].sum(axis=1) / size[chosen].sum(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)


def statistic_ci95(
    statistic: Callable[[npt.NDArray[np.intp]], float | None],
    groups: Sequence[Hashable],
    *,
    seed: int = SEED,
    resamples: int = RESAMPLES,
) -> tuple[float, float] | None:
    """Return the 95 % interval of any statistic of resampled cases.

    `statistic` gets the indices of the cases drawn and returns None for a draw it has no value for (such as an AUC
    without a positive case); such draws are left out, and the interval is None where half of them or more are.
    """
    place = numbered(groups)
    members = [np.flatnonzero(place == group) for group in range(int(place.max(initial=-1)) + 1)]
    draw = np.random.default_rng(seed)
    found = []
    for _ in range(resamples if members else 0):
        chosen = draw.integers(0, len(members), size=len(members))
        value = statistic(np.concatenate([members[index] for index in chosen]))
        if value is not None:
            found.append(value)
    if 2 * len(found) <= resamples:
        return None
    low, high = np.percentile(found, (2.5, 97.5))
    return float(low), float(high)


def numbered(groups: Sequence[Hashable]) -> npt.NDArray[np.intp]:
    """Return a number from 0 for each group, in order of appearance."""
    number: dict[Hashable, int] = {}
    return np.array([number.setdefault(group, len(number)) for group in groups], dtype=np.intp)
