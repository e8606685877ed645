"""Whether a probability means what it says, and how to make it so."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from usassist.core.errors import UsassistError


@dataclass(frozen=True, eq=False)
class Reliability:
    """Cases counted by their probability in equal bins of 0 to 1; bins add up, so a large set can be counted in parts.

    Each field holds a float64 for each bin: the number of cases, the sum of their probabilities, how many are true.
    """

    count: npt.NDArray[np.float64]
    confidence: npt.NDArray[np.float64]
    hits: npt.NDArray[np.float64]

    def __add__(self, other: "Reliability") -> "Reliability":
        return Reliability(self.count + other.count, self.confidence + other.confidence, self.hits + other.hits)

    @property
    def ece(self) -> float:
        """Return the expected calibration error, 0 to 1: the mean gap between probability and frequency."""
        total = float(self.count.sum())
        return float(np.abs(self.confidence - self.hits).sum() / total) if total else 0.0


def reliability(probabilities: npt.ArrayLike, positives: npt.ArrayLike, *, bins: int = 15) -> Reliability:
    """Return the counts behind a reliability diagram; arrays of any one shape, probabilities 0 to 1.

    >>> reliability([0.1, 0.2, 0.9], [False, True, True], bins=2).count
    array([2., 1.])
    """
    p = np.asarray(probabilities, dtype=np.float64).ravel()
    y = np.asarray(positives, dtype=np.bool_).ravel()
    if p.shape != y.shape or bins < 1:
        raise UsassistError(f"Each probability needs one label and a bin; found {p.size}, {y.size} and {bins} bins.")
    if p.size and not (float(p.min()) >= 0.0 and float(p.max()) <= 1.0):
        raise UsassistError(f"Probabilities lie between 0 and 1; found {p.min()} to {p.max()}.")
    place = np.minimum((p * bins).astype(np.intp), bins - 1)
    return Reliability(
        np.bincount(place, minlength=bins).astype(np.float64),
        np.bincount(place, weights=p, minlength=bins).astype(np.float64),
        np.bincount(place, weights=y, minlength=bins).astype(np.float64),
    )


def ece(probabilities: npt.ArrayLike, positives: npt.ArrayLike, *, bins: int = 15) -> float:
    """Return the expected calibration error over equal bins, 0 to 1.

    >>> round(ece([0.9, 0.9, 0.9, 0.9], [True, True, True, False]), 4)
    0.15
    """
    return reliability(probabilities, positives, bins=bins).ece


def brier(probabilities: npt.ArrayLike, positives: npt.ArrayLike) -> float:
    """Return the mean squared difference between probability and outcome, 0 to 1.

    >>> brier([1.0, 0.5], [True, False])
    0.125
    """
    p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(positives, dtype=np.float64)
    if p.shape != y.shape or p.size == 0:
        raise UsassistError(f"Each probability needs one label; found {p.shape} and {y.shape}.")
    return float(np.mean((p - y) ** 2))


@dataclass(frozen=True, slots=True)
class Platt:
    """The map p = sigmoid(slope x score + offset); temperature scaling is slope 1 / T and offset 0."""

    slope: float
    offset: float

    def __call__(self, scores: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the probabilities, float64 0 to 1, of any array of scores."""
        return _sigmoid(self.slope * np.asarray(scores, dtype=np.float64) + self.offset)


def fit_temperature(logits: npt.ArrayLike, positives: npt.ArrayLike) -> float:
    """Return the temperature T, 0.01 to 100, for which sigmoid(logit / T) is most likely (Guo et al. 2017).

    >>> round(fit_temperature([4.0, 4.0, 4.0, 4.0, -4.0], [1, 1, 1, 0, 0]), 2)
    2.89
    """
    z, y = _pairs(logits, positives)

    def slope_of_loss(log_temperature: float) -> float:
        # The loss is convex in 1 / T, so the sign of its derivative says on which side of the best T we are.
        return float(np.mean((_sigmoid(z * math.exp(-log_temperature)) - y) * z))

    return _root_of_log(slope_of_loss)


def fit_softmax_temperature(logits: npt.ArrayLike, truth: npt.ArrayLike) -> float:
    """Return the temperature T, 0.01 to 100, for which softmax(logits / T) is most likely (Guo et al. 2017).

    `logits` (N, K) are finite, `truth` N class indices from 0. For two classes it is `fit_temperature` of their
    difference.

    >>> round(fit_softmax_temperature([[4.0, 0.0]] * 5, [0, 0, 0, 0, 1]), 2)
    2.89
    """
    z, y = np.asarray(logits, dtype=np.float64), np.asarray(truth, dtype=np.intp)
    if z.ndim != 2 or z.shape[0] != y.size or not z.size or not np.isfinite(z).all():
        raise UsassistError(f"Each case has finite logits and one class; found {z.shape} logits and {y.size} classes.")
    if int(y.min()) < 0 or int(y.max()) >= z.shape[1]:
        raise UsassistError(f"Classes are numbers from 0 to {z.shape[1] - 1}; found {y.min()} to {y.max()}.")
    true = z[np.arange(len(y)), y]

    def slope_of_loss(log_temperature: float) -> float:
        cooled = z * math.exp(-log_temperature)
        weights = np.exp(cooled - cooled.max(axis=1, keepdims=True))
        expected = (weights * z).sum(axis=1) / weights.sum(axis=1)
        return float(np.mean(expected - true))

    return _root_of_log(slope_of_loss)


def fit_platt(scores: npt.ArrayLike, positives: npt.ArrayLike) -> Platt:
    """Return the logistic map from score to probability that is most likely (Platt 1999, with his prior).

    `scores` is N finite numbers on any scale, `positives` N bools with both kinds among them, else UsassistError.

    >>> fitted = fit_platt([-2.0, -1.0, 1.0, 2.0], [False, True, False, True])
    >>> fitted.slope > 0, abs(fitted.offset) < 1e-6
    (True, True)
    """
    x, y = _pairs(scores, positives)
    count, rest = float(y.sum()), float(len(y) - y.sum())
    if not count or not rest:
        raise UsassistError(f"A calibration needs both kinds of case; found {count:.0f} positive, {rest:.0f} negative.")
    target = np.where(y > 0, (count + 1) / (count + 2), 1 / (rest + 2))
    # On standardised scores Newton's steps are well behaved whatever the scale.
    centre, scale = float(x.mean()), float(x.std()) or 1.0
    design = np.column_stack([(x - centre) / scale, np.ones(len(x))])
    solution = np.array([0.0, math.log((count + 1) / (rest + 1))])
    loss = _log_loss(design @ solution, target)
    for _ in range(100):
        p = _sigmoid(design @ solution)
        gradient = design.T @ (p - target)
        curvature = (design * (p * (1 - p))[:, None]).T @ design + 1e-12 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        share = 1.0
        while share > 1e-8 and _log_loss(design @ (solution - share * step), target) > loss:
            share /= 2
        solution = solution - share * step
        loss = _log_loss(design @ solution, target)
        if float(np.abs(share * step).max()) < 1e-10:
            break
    slope = float(solution[0]) / scale
    return Platt(slope, float(solution[1]) - slope * centre)


def _root_of_log(slope_of_loss: Callable[[float], float]) -> float:
    """Return the T, 0.01 to 100, at whose logarithm the slope of a loss that is convex in 1 / T changes its sign."""
    low, high = math.log(0.01), math.log(100.0)
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if slope_of_loss(middle) > 0 else (low, middle)
    return math.exp((low + high) / 2)


def _pairs(scores: npt.ArrayLike, positives: npt.ArrayLike) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    x, y = np.asarray(scores, dtype=np.float64).ravel(), np.asarray(positives, dtype=np.bool_).ravel()
    if x.shape != y.shape or x.size == 0 or not np.isfinite(x).all():
        raise UsassistError(f"Each score is finite and needs one label; found {x.size} scores and {y.size} labels.")
    return x, y.astype(np.float64)


def _sigmoid(z: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    # tanh never overflows, exp does.
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * z)), dtype=np.float64)


def _log_loss(z: npt.NDArray[np.float64], target: npt.NDArray[np.float64]) -> float:
    return float(np.sum(np.logaddexp(0.0, z) - target * z))
