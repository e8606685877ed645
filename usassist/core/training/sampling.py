"""Which examples an epoch draws, in which order; a matter of seed and epoch alone."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from usassist.core.errors import TrainingError
from usassist.core.training.config import TrainConfig
from usassist.core.training.sections import BalanceConfig

Indices = npt.NDArray[np.int64]
_Batch = TypeVar("_Batch")


def steps_of(count: int, config: TrainConfig) -> int:
    """Return how many batches an epoch of `count` draws has; a short last one is left out."""
    return max(1, count // config.batch_size)


def count_of(draws: npt.NDArray[np.float64]) -> int:
    """Return how many images an epoch draws: the total, rounded."""
    return round(math.fsum(draws.tolist()))


def draws_of(classes: Sequence[str], balance: BalanceConfig) -> npt.NDArray[np.float64] | None:
    """Return how often each example is drawn in an epoch; None where `balance.class_draws` says nothing about them."""
    draws = np.array([float(balance.class_draws.get(name, 1.0)) for name in classes])
    if count_of(draws) < 1:
        raise TrainingError("balance.class_draws leaves no image to train on; draw some class more often.")
    return None if bool((draws == 1).all()) else draws


def draw_batches(
    count: int,
    config: TrainConfig,
    *,
    epoch: int,
    weights: npt.NDArray[np.float64] | None = None,
    draws: npt.NDArray[np.float64] | None = None,
) -> list[tuple[Indices, Indices]]:
    """Return an epoch's global batches as pairs: which examples, and the how-manieth time each is drawn (from 0).

    Without `weights` (N,) each example is drawn at most once; with them `count` draws fall in those proportions, and
    the second array tells draws of the same example apart. `draws` (N,) says instead how often each is drawn: of 2.5
    twice or three times.
    """
    rng = np.random.default_rng([config.seed, epoch])
    if draws is not None:
        order = _systematic(draws, rng)
    elif weights is None:
        order = rng.permutation(count).astype(np.int64)
    else:
        order = rng.choice(count, size=count, p=weights / weights.sum()).astype(np.int64)
    times = _occurrences(order)
    size = min(config.batch_size, len(order))
    starts = range(0, steps_of(len(order), config) * size, size)
    return [(order[start : start + size], times[start : start + size]) for start in starts]


def balance_weights(
    classes: Sequence[str], areas: npt.NDArray[np.float64], balance: BalanceConfig
) -> npt.NDArray[np.float64] | None:
    """Return how often each of N examples is to be drawn, relative to the others; None where all are alike.

    `areas` (N,) are the objects' shares of their images, 0 where there is nothing: such an image counts as one of the
    median size, so that favouring small lesions does not change how many normal images are seen.
    """
    if not balance.class_power and not balance.size_power:
        return None
    count = Counter(classes)
    weights = np.array([float(count[name]) ** -balance.class_power for name in classes])
    shown = areas > 0
    if shown.any():
        median = float(np.median(areas[shown]))
        sizes = np.where(shown, areas, median) / median
        # One speck of ten pixels among large lesions would otherwise fill every epoch.
        weights = weights * np.clip(sizes, 0.05, 20.0) ** -balance.size_power
    return np.asarray(weights, dtype=np.float64)


def prepared(jobs: Sequence[Callable[[], _Batch]], *, workers: int) -> Iterator[_Batch]:
    """Yield the results of jobs in their order, the next ones computed by threads while one is used.

    No worker is one worker: the results are the same for every number.
    """
    ahead = max(2, workers)
    with ThreadPoolExecutor(max(1, workers)) as pool:
        waiting = [pool.submit(job) for job in jobs[:ahead]]
        try:
            for index in range(len(jobs)):
                batch = waiting.pop(0).result()
                if index + ahead < len(jobs):
                    waiting.append(pool.submit(jobs[index + ahead]))
                yield batch
        finally:
            for future in waiting:
                future.cancel()


def _systematic(draws: npt.NDArray[np.float64], rng: np.random.Generator) -> Indices:
    """Return a shuffled list of `count_of(draws)` entries in which example i stands floor(draws[i]) times or once more.

    What is left of the draws beside whole numbers is given out by systematic sampling, rounding of the total included.
    """
    whole = np.floor(draws).astype(np.int64)
    left = count_of(draws) - int(whole.sum())
    order = np.repeat(np.arange(len(draws)), whole)
    rest = draws - whole
    if left > 0 and rest.any():
        mixed = rng.permutation(len(draws))
        bounds = np.cumsum(rest[mixed])
        places = (rng.random() + np.arange(left)) * (bounds[-1] / left)
        chosen = np.minimum(np.searchsorted(bounds, places, side="right"), len(draws) - 1)
        order = np.concatenate([order, mixed[chosen]])
    return rng.permutation(order).astype(np.int64)


def _occurrences(order: Indices) -> Indices:
    """Return for each entry how often its value came before.

    >>> _occurrences(np.array([3, 1, 3, 3, 1])).tolist()
    [0, 0, 1, 2, 1]
    """
    seen: Counter[int] = Counter()
    out = np.empty(len(order), dtype=np.int64)
    for place, value in enumerate(order.tolist()):
        out[place] = seen[value]
        seen[value] += 1
    return out
