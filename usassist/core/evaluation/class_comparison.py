"""Models that name classes, over several seeds: their AUC with an interval, and the difference of two of them."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from usassist.core.evaluation.bootstrap import SEED, numbered
from usassist.core.evaluation.paired import PairedDifference
from usassist.core.evaluation.stored import Image, StoredReport

_RESAMPLES = 2000
_CHUNK = 1 << 20
"""Weights of drawn images held at once."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
    """What several trainings said of the same N images: `truth` (N,) class numbers, `probabilities` (S, N, K)."""

    truth: npt.NDArray[np.intp]
    probabilities: Floats
    groups: tuple[Hashable, ...]

    @property
    def n(self) -> int:
        """Return how many images there are."""
        return len(self.truth)

    def auc(self, weights: Floats | None = None) -> Floats:
        """Return the AUC of each training, (R, S): each class against the rest, the mean over the classes that occur.

        `weights` (R, N) says how often each image counts; without it there is one row in which each counts once.
        """
        counted = np.ones((1, self.n)) if weights is None else weights
        classes = np.unique(self.truth).tolist()
        means = np.empty((len(counted), len(self.probabilities)))
        for column, said in enumerate(self.probabilities):
            means[:, column] = np.mean([_auc(said[:, k], self.truth == k, counted) for k in classes], axis=0)
        return means

    def right(self) -> Floats:
        """Return (S, N): 1 where the most probable class is the true one, else 0."""
        return np.asarray(self.probabilities.argmax(axis=2) == self.truth, dtype=np.float64)


def judged_by_all(reports: Sequence[StoredReport], groups: Mapping[Image, Hashable]) -> Judged | None:
    """Return what all reports say of the images that each of them judged; None for fewer than two classes among them.

    None as well where the reports do not name the same classes.
    """
    classes = reports[0].classes
    if any(report.classes != classes for report in reports):
        return None
    said = [{line.key: line.probabilities for line in report.named} for report in reports]
    keys = [key for key in said[0] if all(key in others for others in said[1:])]
    if len({name for _, _, name in keys}) < 2:
        return None
    return Judged(
        np.array([classes.index(name) for _, _, name in keys], dtype=np.intp),
        np.array([[found[key] for key in keys] for found in said], dtype=np.float64),
        tuple(groups.get(key[:2], key[0]) for key in keys),
    )


def auc_ci95(judged: Judged) -> tuple[float, float] | None:
    """Return the 95 % interval of the mean AUC, seeds and groups of images drawn anew together (with a fixed seed).

    Draws without one of the classes are left out; None where half of them or more are.
    """
    drawn = _drawn(judged, [slice(None)])
    return None if drawn is None else _interval(drawn[:, 0])


def auc_difference(judged: Judged, *, first: int) -> PairedDifference | None:
    """Return the mean AUC of the trainings from number `first` on, minus that of those before it, on the same images.

    `p` is the bootstrap's, two-sided: twice the share of draws on the other side of 0, at least one of them. None where
    too many draws lack a class.
    """
    drawn = _drawn(judged, [slice(None, first), slice(first, None)])
    if drawn is None:
        return None
    values, differences = judged.auc()[0], drawn[:, 1] - drawn[:, 0]
    sides = 1 + min(np.count_nonzero(differences <= 0), np.count_nonzero(differences >= 0))
    return PairedDifference(
        float(values[first:].mean() - values[:first].mean()),
        _interval(differences),
        min(1.0, float(2 * sides / (len(differences) + 1))),
        n=judged.n,
        groups=len(set(judged.groups)),
    )


def _drawn(judged: Judged, models: Sequence[slice]) -> Floats | None:
    """Return the mean AUC of each model, a part of the seeds, in each draw; its seeds are drawn for it alone."""
    draw = np.random.default_rng(SEED)
    found = []
    for weights in _weights(judged, draw):
        values = judged.auc(weights)
        columns = []
        for part in models:
            mine = values[:, part]
            picked = draw.integers(0, mine.shape[1], size=mine.shape)
            columns.append(np.take_along_axis(mine, picked, axis=1).mean(axis=1))
        found.append(np.stack(columns, axis=1))
    drawn = np.concatenate(found)
    return drawn if 2 * len(drawn) > _RESAMPLES else None


def _weights(judged: Judged, draw: np.random.Generator) -> Iterator[Floats]:
    """Yield (R, N) of how often each image counts where groups are drawn; draws that lack a class are left out."""
    place = numbered(judged.groups)
    count = int(place.max()) + 1
    shows = np.stack([judged.truth == k for k in np.unique(judged.truth)], axis=1).astype(np.float64)
    step = max(1, _CHUNK // judged.n)
    for first in range(0, _RESAMPLES, step):
        rows = min(step, _RESAMPLES - first)
        groups = draw.multinomial(count, np.full(count, 1 / count), size=rows)
        weights = groups[:, place].astype(np.float64)
        yield weights[(weights @ shows > 0).all(axis=1)]


def _auc(scores: Floats, positive: npt.NDArray[np.bool_], weights: Floats) -> Floats:
    """Return the AUC for each row of weights: the chance that a positive scores higher than a negative, ties half."""
    order = np.argsort(scores, kind="stable")
    ordered, of_positives = scores[order], positive[order]
    starts = np.append(0, np.flatnonzero(ordered[1:] != ordered[:-1]) + 1)
    drawn = weights[:, order]
    above, below = (np.add.reduceat(drawn * part, starts, axis=1) for part in (of_positives, ~of_positives))
    lower = np.cumsum(below, axis=1) - below / 2
    return np.asarray((above * lower).sum(axis=1) / (above.sum(axis=1) * below.sum(axis=1)), dtype=np.float64)


def _interval(drawn: Floats) -> tuple[float, float]:
    low, high = np.percentile(drawn, (2.5, 97.5))
    return float(low), float(high)
