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
) -> Calibration:
    """Choose thresholds and fit Platt scalings on answers about validation images.

    The pixel threshold maximises the mean Dice of cases that show something. With fewer than 5 cases that show
    something everything stays as in `start`, with fewer than 5 that show nothing its presence part.
    """
    shows = found.shows
    if shows.sum() < 5:
        return start
    best = int(np.argmax(found.dice[shows].mean(0)))
    dice = found.dice[shows, best]
    q_scale, q_bias = fit_logistic(found.quality[shows, None], dice, prior=(1.0,))
    chosen = replace(start, threshold=THRESHOLDS[best], quality_scale=q_scale, quality_bias=q_bias)
    if min(shows.sum(), (~shows).sum()) < 5:
        return chosen
    witnesses = np.stack([found.presence, found.peak], axis=1)
    p_scale, p_peak, p_bias = fit_logistic(witnesses, shows.astype(np.float64), prior=(0.5, 0.5))
    return replace(
        chosen,
        presence_threshold=presence_threshold(float(dice.mean())),
        presence_scale=p_scale,
        presence_peak=p_peak,
        presence_bias=p_bias,
    )


def presence_threshold(dice: float) -> float:
    """Return the presence above which keeping a mask has the higher expected Dice.

    Keeping it earns presence x `dice`, emptying it earns 1 - presence; so the answer follows from calibrated presence
    alone. A search for the best threshold on a few normal images would follow their noise instead.

    >>> presence_threshold(1.0), round(presence_threshold(0.8), 3)
    (0.5, 0.556)
    """
    return 1 / (1 + dice)


def fit_logistic(features: Floats, target: Floats, *, prior: tuple[float, ...], steps: int = 50) -> tuple[float, ...]:
    """Fit target ~ sigmoid(features @ weights + bias) by Newton's method; returns the K weights, then the bias.

    `features` (N, K), `target` (N,) 0 to 1 (a Dice works too). A weak prior pulls the weights towards `prior` and the
    bias towards 0, which keeps separable data finite.
    """
    towards = np.array([*prior, 0.0])
    weights = towards.copy()
    design = np.concatenate([features, np.ones((len(features), 1))], axis=1)
    for _ in range(steps):
        p = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        gradient = design.T @ (p - target) + (weights - towards)
        hessian = (design * (p * (1 - p))[:, None]).T @ design + np.eye(len(weights))
        move = np.linalg.solve(hessian, gradient)
        weights = weights - np.clip(move, -2, 2)
        if np.abs(move).max() < 1e-9:
            break
    return tuple(float(weight) for weight in weights)
