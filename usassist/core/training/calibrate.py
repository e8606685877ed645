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
    peak: Floats
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

    The pixel threshold maximises the mean Dice of images that show something. With fewer than 5 images that show
    something everything stays as in `start`, with fewer than 5 that show nothing its presence part.
    """
    raw = _collect(model, items, config, device=device)
    if raw.shows.sum() < 5:
        return start
    best = int(np.argmax(raw.dice[raw.shows].mean(0)))
    dice = raw.dice[raw.shows, best]
    q_scale, q_bias = fit_logistic(raw.quality[raw.shows, None], dice, prior=(1.0,))
    found = replace(start, threshold=float(_THRESHOLDS[best]), quality_scale=q_scale, quality_bias=q_bias)
    if min(raw.shows.sum(), (~raw.shows).sum()) < 5:
        return found
    witnesses = np.stack([raw.presence, raw.peak], axis=1)
    p_scale, p_peak, p_bias = fit_logistic(witnesses, raw.shows.astype(np.float64), prior=(0.5, 0.5))
    return replace(
        found,
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


@torch.inference_mode()
def _collect(model: Segmenter, items: Sequence[Loaded], config: TrainConfig, *, device: torch.device) -> _Raw:
    model.eval()
    dice, presence, peak, quality, shows = [], [], [], [], []
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
        peak.append(out.peak.cpu())
        quality.append(out.quality.float().cpu())
        shows.append(target.any(1))
    if not dice:
        empty = np.zeros(0)
        return _Raw(np.zeros((0, len(_THRESHOLDS))), empty, empty, empty, np.zeros(0, dtype=np.bool_))
    return _Raw(
        torch.cat(dice).double().numpy(),
        torch.cat(presence).double().numpy(),
        torch.cat(peak).double().numpy(),
        torch.cat(quality).double().numpy(),
        torch.cat(shows).numpy(),
    )
