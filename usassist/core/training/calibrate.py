"""After training: thresholds and calibration, chosen on validation images only."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from usassist.core.models.config import Calibration
from usassist.core.models.segmenter import Segmenter
from usassist.core.training.batches import Loaded, eval_batches
from usassist.core.training.config import TrainConfig

Floats = npt.NDArray[np.float64]
_THRESHOLDS = np.round(np.arange(0.2, 0.81, 0.05), 2)


@dataclass(frozen=True)
class _Raw:
    """Per validation image: Dice at every threshold (N, T), raw logits (N,), whether it shows something (N,)."""

    dice: Floats
    presence: Floats
    quality: Floats
    shows: npt.NDArray[np.bool_]


def calibrate(
    model: Segmenter,
    items: Sequence[Loaded],
    config: TrainConfig,
    *,
    device: torch.device,
    start: Calibration = Calibration(),  # noqa: B008  frozen
) -> Calibration:
    """Choose thresholds and fit Platt scalings on validation items.

    The pixel threshold maximises the mean Dice of images that show something. The presence threshold maximises the
    mean Dice over all images after the decision, so that an image called empty by mistake costs its whole Dice.
    With fewer than 5 images that show something everything stays as in `start`, with fewer than 5 that show nothing its
    presence part.
    """
    raw = _collect(model, items, config, device=device)
    if raw.shows.sum() < 5:
        return start
    best = int(np.argmax(raw.dice[raw.shows].mean(0)))
    threshold, dice = float(_THRESHOLDS[best]), raw.dice[:, best]
    q_scale, q_bias = fit_platt(raw.quality[raw.shows], dice[raw.shows])
    if min(raw.shows.sum(), (~raw.shows).sum()) < 5:
        return replace(start, threshold=threshold, quality_scale=q_scale, quality_bias=q_bias)
    p_scale, p_bias = fit_platt(raw.presence, raw.shows.astype(np.float64))
    presence = 1 / (1 + np.exp(-(p_scale * raw.presence + p_bias)))
    return Calibration(
        threshold, choose_presence_threshold(presence, dice, raw.shows), p_scale, p_bias, q_scale, q_bias
    )


def choose_presence_threshold(presence: Floats, dice: Floats, shows: npt.NDArray[np.bool_]) -> float:
    """Return the presence below which an answer is emptied: the middle of the best stretch of thresholds.

    >>> choose_presence_threshold(np.array([.1, .9]), np.array([0., .8]), np.array([False, True]))
    0.5
    """
    cuts = np.concatenate([[0.0], np.sort(presence), [1.0]])
    middles = (cuts[:-1] + cuts[1:]) / 2
    scores = np.array([np.where(presence >= m, dice * shows, ~shows).mean() for m in middles])
    tied = middles[scores >= scores.max() - 1e-12]
    return float(np.round(tied[np.argmin(np.abs(tied - 0.5))], 4))


def fit_platt(logits: Floats, target: Floats, *, steps: int = 50) -> tuple[float, float]:
    """Fit target ~ sigmoid(scale * logit + bias) by Newton's method with a weak prior towards (1, 0).

    `target` is 0 to 1 (a Dice works too). The prior keeps separable data finite.
    """
    weights, prior = np.array([1.0, 0.0]), 1.0
    design = np.stack([logits, np.ones_like(logits)], axis=1)
    for _ in range(steps):
        p = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        gradient = design.T @ (p - target) + prior * (weights - np.array([1.0, 0.0]))
        hessian = (design * (p * (1 - p))[:, None]).T @ design + prior * np.eye(2)
        move = np.linalg.solve(hessian, gradient)
        weights = weights - np.clip(move, -2, 2)
        if np.abs(move).max() < 1e-9:
            break
    return float(weights[0]), float(weights[1])


@torch.inference_mode()
def _collect(model: Segmenter, items: Sequence[Loaded], config: TrainConfig, *, device: torch.device) -> _Raw:
    model.eval()
    dice, presence, quality, shows = [], [], [], []
    for images, truth in eval_batches(items, config):
        out = model.decode(model.encode(images.to(device, memory_format=torch.channels_last)))
        logits = F.interpolate(out.logits.float(), size=truth.shape[-2:], mode="bilinear", align_corners=False)
        probability = logits.sigmoid().cpu().flatten(1)
        target = truth.flatten(1)
        cuts = torch.tensor(_THRESHOLDS, dtype=torch.float32)
        found = torch.stack([probability > cut for cut in cuts], dim=1).float()
        total = found.sum(2) + target.sum(1)[:, None]
        overlap = (found * target[:, None]).sum(2)
        dice.append(torch.where(total > 0, 2 * overlap / total.clamp_min(1), torch.ones_like(total)))
        presence.append(out.presence.float().cpu())
        quality.append(out.quality.float().cpu())
        shows.append(target.any(1))
    if not dice:
        empty = np.zeros(0)
        return _Raw(np.zeros((0, len(_THRESHOLDS))), empty, empty, np.zeros(0, dtype=np.bool_))
    return _Raw(
        torch.cat(dice).double().numpy(),
        torch.cat(presence).double().numpy(),
        torch.cat(quality).double().numpy(),
        torch.cat(shows).numpy(),
    )
