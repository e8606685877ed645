"""Losses, one idea a function; tensors in, a scalar out, every mean over the samples it is about."""

import torch
from torch import Tensor
from torch.nn import functional as F


def soft_dice(logits: Tensor, truth: Tensor) -> Tensor:
    """Return the soft Dice (B,) of logits and truth (B, 1, H, W); both empty gives nearly 1."""
    probability = logits.sigmoid().flatten(1)
    target = truth.flatten(1)
    overlap = (probability * target).sum(1)
    return (2 * overlap + 1) / (probability.sum(1) + target.sum(1) + 1)


def dice_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Return 1 - soft Dice, averaged over the samples that show something; 0 where none does."""
    shows = truth.flatten(1).any(1)
    if not shows.any():
        return logits.sum() * 0.0
    return (1 - soft_dice(logits[shows], truth[shows])).mean()


def bce_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Return the pixel-wise binary cross entropy of raw logits: no sigmoid before it."""
    return F.binary_cross_entropy_with_logits(logits, truth)


def class_contrast(image: Tensor, text: Tensor, classes: Tensor, scale: Tensor) -> Tensor:
    """Return a symmetric InfoNCE (B, D) x (B, D) in which every pair of one class is a positive.

    Captions here are class templates, so the plain InfoNCE would push equal captions apart. `classes` (B,) int;
    negative entries have no caption and are left out.
    """
    keep = classes >= 0
    if int(keep.sum()) < 2 or classes[keep].unique().numel() < 2:
        return image.sum() * 0.0
    image, text, classes = F.normalize(image[keep], dim=-1), F.normalize(text[keep], dim=-1), classes[keep]
    similarity = scale * image @ text.T
    target = (classes[:, None] == classes[None, :]).float()
    target = target / target.sum(1, keepdim=True)
    # The target is symmetric up to its normalisation, and classes are the same on both axes.
    return -(target * (F.log_softmax(similarity, 1) + F.log_softmax(similarity.T, 1))).sum(1).mean() / 2


def hard_dice(logits: Tensor, truth: Tensor, *, threshold: float = 0.5) -> Tensor:
    """Return the Dice (B,) of the thresholded probability; both empty is 1."""
    found = (logits.sigmoid() > threshold).flatten(1).float()
    target = truth.flatten(1)
    total = found.sum(1) + target.sum(1)
    return torch.where(total > 0, 2 * (found * target).sum(1) / total.clamp_min(1), torch.ones_like(total))
