"""Which examples an epoch draws, in which order; a matter of seed and epoch alone."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from usassist.core.training.config import BalanceConfig, TrainConfig

Indices = npt.NDArray[np.int64]
_Batch = TypeVar("_Batch")


def steps_of(count: int, config: TrainConfig) -> int:
    """Return how many batches an epoch over `count` examples has; a short last one is left out."""
    return max(1, count // config.batch_size)


def draw_batches(
    count: int, config: TrainConfig, *, epoch: int, weights: npt.NDArray[np.float64] | None = None
) -> list[tuple[Indices, Indices]]:
    """Return an epoch's global batches as pairs: which examples, and the how-manieth time each is drawn (from 0).

    Without `weights` (N,) each example is drawn at most once; with them `count` draws fall in those proportions, and
    the second array tells draws of the same example apart.
    """
    rng = np.random.default_rng([config.seed, epoch])
    if weights is None:
        order = rng.permutation(count).astype(np.int64)
    else:
        order = rng.choice(count, size=count, p=weights / weights.sum()).astype(np.int64)
    times = _occurrences(order)
    size = min(config.batch_size, count)
    starts = range(0, steps_of(count, config) * size, size)
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
