"""After training: thresholds and calibration, chosen on validation images only."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from usassist.core.models.config import Calibration
from usassist.core.training.answers import THRESHOLDS, Answers

Floats = npt.NDArray[np.float64]


def calibrate(
    found: Answers,
    *,
    start: Calibration = Calibration(),  # noqa: B008  frozen
    peak_counts: bool = True,
) -> Calibration:
    """Choose thresholds and fit Platt scalings on answers about validation images.

    The pixel threshold maximises the mean Dice of cases that show something (`Answers.mean_dice`); presence is judged
    by kinds of findings that are sometimes absent. With fewer than 5 cases that show something everything stays as in
    `start`, with fewer than 5 that show nothing its presence part. Without `peak_counts` presence is judged from its
    own logit alone: a peak says how sure the mask is, whatever was asked. What `start` gave a peak is then given to all
    alike.
    """
    shows = found.shows
    if shows.sum() < 5:
        return _judged_alike(start, found, peak_counts=peak_counts)
    best = int(np.argmax(found.mean_dice()))
    dice = found.dice[shows, best]
    q_scale, q_bias = fit_logistic(
        found.quality[shows, None], dice, prior=(1.0,), weights=_by_kind(found.target[shows])
    )
    chosen = replace(start, threshold=THRESHOLDS[best], quality_scale=q_scale, quality_bias=q_bias)
    judged = found.judged()
    if min(judged.shows.sum(), (~judged.shows).sum()) < 5:
        return _judged_alike(chosen, found, peak_counts=peak_counts)
    witnesses = np.stack([judged.presence, judged.peak], axis=1)[:, : 2 if peak_counts else 1]
    p_scale, *p_peak, p_bias = fit_logistic(
        witnesses, judged.shows.astype(np.float64), prior=(0.5,) * witnesses.shape[1]
    )
    return replace(
        chosen,
        presence_threshold=presence_threshold(float(judged.dice[judged.shows, best].mean())),
        presence_scale=p_scale,
        presence_peak=next(iter(p_peak), 0.0),
        presence_bias=p_bias,
    )


def _judged_alike(chosen: Calibration, found: Answers, *, peak_counts: bool) -> Calibration:
    """Return a calibration whose peak counts only where it may: else every image gets what the usual one counted."""
    if peak_counts:
        return chosen
    usual = float(found.peak.mean()) if found.peak.size else 0.0
    bias = chosen.presence_bias + chosen.presence_peak * usual
    return replace(chosen, presence_peak=0.0, presence_bias=bias)


def _by_kind(target: npt.NDArray[np.int64]) -> Floats:
    """Return weights, 1 on average, by which every kind of finding counts alike, however many cases it has."""
    kinds, place, count = np.unique(target, return_inverse=True, return_counts=True)
    return np.asarray(len(target) / len(kinds) / count[place], dtype=np.float64)


_HIDDEN_COUNTS = 2.0
_BIAS_PULL = 0.01
_MOST_STEPS = 200
_LEAST_STEP = 1e-9


def presence_threshold(dice: float) -> float:
    """Return the presence from which a mask is kept: where that is worth more than an empty answer.

    Keeping it earns presence x `dice`, emptying it 1 - presence, and a finding that is hidden counts twice: a proposal
    on normal tissue is rejected with one key, a lesion that nobody was shown may be overlooked. So the answer follows
    from calibrated presence alone; a search for the best threshold on a few normal images would follow their noise.

    >>> presence_threshold(0.5), presence_threshold(0.75)
    (0.5, 0.4)
    """
    return 1 / (1 + _HIDDEN_COUNTS * dice)


def fit_logistic(
    features: Floats, target: Floats, *, prior: tuple[float, ...], weights: Floats | None = None
) -> tuple[float, ...]:
    """Fit target ~ sigmoid(features @ weights + bias); returns the K weights, none below 0, then the bias.

    `features` (N, K), `target` (N,) 0 to 1 (a Dice works too), `weights` (N,) how much each case counts. A weak prior
    pulls the weights towards `prior`, which keeps separable data finite. A witness that would count against itself is
    left out: with a few images of one kind that is noise, and a model that answers the less the surer it is would hide
    every finding.
    """
    used = list(range(features.shape[1]))
    counts = np.ones(len(target)) if weights is None else weights
    while True:
        towards = np.array([prior[index] for index in used])
        fitted, bias = _logistic(features[:, used], target, towards=towards, counts=counts)
        against = [index for index, weight in zip(used, fitted, strict=True) if weight < 0]
        if not against:
            found = dict(zip(used, fitted.tolist(), strict=True))
            return (*(found.get(index, 0.0) for index in range(features.shape[1])), bias)
        used = [index for index in used if index not in against]


def _logistic(features: Floats, target: Floats, *, towards: Floats, counts: Floats) -> tuple[Floats, float]:
    """Return the weights and the bias by Newton's method with halved steps: the cost never rises, so it converges."""
    centre = features.mean(axis=0)  # else the prior on the bias would be one on where the logits lie
    design = np.concatenate([features - centre, np.ones((len(features), 1))], axis=1)
    aim = np.append(towards, 0.0)
    pull = np.append(np.ones(len(towards)), _BIAS_PULL)

    def cost(weights: Floats) -> float:
        logits = design @ weights
        misfit = counts * (np.logaddexp(0, logits) - target * logits)
        return float(misfit.sum() + 0.5 * (pull * (weights - aim) ** 2).sum())

    weights = aim.copy()
    for _ in range(_MOST_STEPS):
        p = 0.5 * (1 + np.tanh(design @ weights / 2))
        gradient = design.T @ (counts * (p - target)) + pull * (weights - aim)
        hessian = (design * (counts * p * (1 - p))[:, None]).T @ design + np.diag(pull)
        move = np.linalg.solve(hessian, gradient)
        step = 1.0
        while step > _LEAST_STEP and cost(weights - step * move) > cost(weights):
            step /= 2
        weights = weights - step * move
        if np.abs(step * move).max() < _LEAST_STEP:
            break
    return weights[:-1], float(weights[-1] - centre @ weights[:-1])
