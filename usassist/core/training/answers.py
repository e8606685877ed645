"""What a segmenter says about validation images, next to the truth; each object of an image is a case by itself."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from usassist.core.models.mask_head import uncontested
from usassist.core.models.segmenter import Segmenter
from usassist.core.training.batches import Loaded, eval_batches
from usassist.core.training.config import TrainConfig
from usassist.core.training.losses import hard_dice

Floats = npt.NDArray[np.float64]
THRESHOLDS = tuple(round(0.2 + 0.05 * step, 2) for step in range(13))
MIDDLE = THRESHOLDS.index(0.5)


@dataclass(frozen=True)
class Answers:
    """N cases (images x objects) at the model's size: `dice` (N, T) at each of `THRESHOLDS`, both empty is 1.

    `presence`, `peak` and `quality` (N,) are raw logits, `shows` (N,) whether the truth shows the object.
    """

    dice: Floats
    presence: Floats
    peak: Floats
    quality: Floats
    shows: npt.NDArray[np.bool_]


@torch.inference_mode()
def answers_of(model: Segmenter, items: Sequence[Loaded], config: TrainConfig) -> Answers:
    """Ask a model about at least one image, without a prompt and without augmentation."""
    model.eval()
    objects = max(1, len(model.config.classes))
    dice, shows, witnesses = [], [], []
    for images, truth in eval_batches(items, config):
        out = model.decode(model.encode(images.to(model.encoder.device, memory_format=torch.channels_last)))
        logits = F.interpolate(out.logits.float(), size=truth.shape[-2:], mode="bilinear", align_corners=False)
        probability = uncontested(replace(out, logits=logits).probability()).flatten(2).flatten(0, 1)
        shown = per_object(truth.to(probability.device), objects=objects).flatten(2).flatten(0, 1)
        dice.append(torch.stack([hard_dice(probability, shown, threshold=cut) for cut in THRESHOLDS], dim=1).cpu())
        shows.append(shown.any(1).cpu())
        witnesses.append(
            torch.stack([out.presence.flatten(), out.peak.flatten(), out.quality.flatten()]).double().cpu()
        )
    presence, peak, quality = torch.cat(witnesses, dim=1).numpy()
    return Answers(torch.cat(dice).double().numpy(), presence, peak, quality, torch.cat(shows).numpy())


def per_object(truth: Tensor, *, objects: int) -> Tensor:
    """Return (B, K, H, W) float32 masks of the objects 1 to K in an index (B, H, W)."""
    numbers = torch.arange(1, objects + 1, device=truth.device, dtype=truth.dtype)
    return (truth[:, None] == numbers[None, :, None, None]).float()
