"""Losses for masks, one idea a function; tensors in, a scalar out, every mean over the samples it is about.

All means are over the global batch (`distributed.mean_over_all`). "One object" is logits and truth (B, 1, H, W);
"classes" is logits (B, C, H, W), background first, and an index (B, H, W) int64. All in float32.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from usassist.core.training.distributed import mean_over_all

# MONAI's DiceCE in NextGen-UIA is called with this instead of 1e-5.
_SMOOTH = 1e-8


def soft_dice(logits: Tensor, truth: Tensor, *, squared: bool = False) -> Tensor:
    """Return the soft Dice (B,) of one object; both empty gives nearly 1. `squared` sums squares in the denominator."""
    probability = logits.sigmoid().flatten(1)
    target = truth.flatten(1)
    overlap = (probability * target).sum(1)
    found = probability.square().sum(1) if squared else probability.sum(1)
    return (2 * overlap + 1) / (found + target.sum(1) + 1)


def counts_of(truth: Tensor, *, empty: float, pointed: Tensor | None = None) -> Tensor | None:
    """Return how much each sample (B,) counts in pixel-wise terms, None where all count alike.

    Of truths (B, H, W) those without a pixel count `empty`; in full where somebody `pointed` (B,) at what is too much.
    """
    if empty == 1:
        return None
    full = truth.flatten(1).bool().any(1)
    full = full if pointed is None else full | pointed
    return full + empty * ~full


def dice_loss(logits: Tensor, truth: Tensor, *, squared: bool = False) -> Tensor:
    """Return 1 - soft Dice of one object, over the samples that show something; 0 where none does."""
    shows = truth.flatten(1).any(1)
    return mean_over_all(1 - soft_dice(logits, truth, squared=squared), weights=shows.float())


def bce_loss(logits: Tensor, truth: Tensor, *, counts: Tensor | None = None) -> Tensor:
    """Return the pixel-wise binary cross entropy of raw logits: no sigmoid before it.

    `counts` (B,) says how much each sample counts (default: 1).
    """
    return _mean_of_pixels(F.binary_cross_entropy_with_logits(logits, truth, reduction="none"), counts)


def class_dice_loss(logits: Tensor, index: Tensor, *, squared: bool = False) -> Tensor:
    """Return 1 - soft Dice of classes after a softmax, over samples and channels, the background's too.

    With `squared` this is the Dice half of MONAI's DiceCELoss(softmax, squared_pred, smooth 1e-8), the published loss.
    """
    probability = logits.softmax(1).flatten(2)
    target = F.one_hot(index, logits.shape[1]).movedim(-1, 1).flatten(2).to(probability.dtype)
    overlap = (probability * target).sum(2)
    found = probability.square().sum(2) if squared else probability.sum(2)
    return mean_over_all(1 - (2 * overlap + _SMOOTH) / (found + target.sum(2) + _SMOOTH))


def cross_entropy(logits: Tensor, index: Tensor) -> Tensor:
    """Return the pixel-wise cross entropy of classes."""
    return mean_over_all(F.cross_entropy(logits, index, reduction="none"))


def focal_loss(logits: Tensor, truth: Tensor, *, gamma: float, counts: Tensor | None = None) -> Tensor:
    """Return the focal loss (Lin et al. 2017, without alpha): cross entropy x (1 - probability of the truth) ** gamma.

    Of one object where the logits have one channel, else of classes; gamma 0 is the cross entropy itself. `counts` (B,)
    says how much each sample counts (default: 1).
    """
    if logits.shape[1] == 1:
        entropy = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    else:
        entropy = F.cross_entropy(logits, truth, reduction="none")
    return _mean_of_pixels(entropy * focal_weight(entropy, gamma=gamma), counts)


def focal_weight(entropy: Tensor, *, gamma: float) -> Tensor:
    """Return (1 - probability of the truth) ** gamma from the cross entropy -log of that probability."""
    # At 0 a power below 1 has an infinite gradient, and 1 - exp(-entropy) would round to 0 early.
    return (-torch.expm1(-entropy)).clamp_min(1e-8) ** gamma


def boundary_loss(probability: Tensor, distances: Tensor) -> Tensor:
    """Return the mean of probability x signed distance, both (B, K, H, W) (Kervadec et al. 2019, arXiv 1812.07032).

    Negative for a good mask. Distances are `distances.signed_distances`: what lies far outside costs most.
    """
    return mean_over_all(probability * distances)


def hard_dice(probability: Tensor, truth: Tensor, *, threshold: float = 0.5) -> Tensor:
    """Return the Dice of thresholded probabilities over the last axis, (..., P) and (..., P); both empty is 1."""
    found = (probability > threshold).float()
    total = found.sum(-1) + truth.sum(-1)
    return torch.where(total > 0, 2 * (found * truth).sum(-1) / total.clamp_min(1), torch.ones_like(total))


def _mean_of_pixels(values: Tensor, counts: Tensor | None) -> Tensor:
    return mean_over_all(values) if counts is None else mean_over_all(values.flatten(1).mean(1), weights=counts)
