"""What every head for masks shares: its answer, its condition, and how it judges itself."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from usassist.core.models.clip import ImageFeatures


@dataclass(frozen=True)
class Segmentation:
    """Raw outputs of a head for masks, for K objects.

    `logits` (B, C, h, w): C = 1 is one object against the rest (sigmoid); otherwise channel 0 is the background and
    the K = C - 1 objects follow it (softmax). `presence` and `quality` are logits (B,) for one object, (B, K) for more:
    each object is judged by itself.
    """

    logits: Tensor
    presence: Tensor
    quality: Tensor

    def probability(self) -> Tensor:
        """Return the probability (B, K, h, w) of each object at each pixel, float32, 0 to 1."""
        logits = self.logits.float()
        return logits.sigmoid() if logits.shape[1] == 1 else logits.softmax(1)[:, 1:]

    def object_logits(self) -> Tensor:
        """Return the log-odds (B, K, h, w) of each object against everything else; their sigmoid is `probability`."""
        return log_odds(self.logits)

    def split(self, count: int) -> "tuple[Segmentation, Segmentation]":
        """Return the answers about the first `count` images and about the others."""
        parts = ((x[:count], x[count:]) for x in (self.logits, self.presence, self.quality))
        first, second = zip(*parts, strict=True)
        return Segmentation(*first), Segmentation(*second)

    @property
    def peak(self) -> Tensor:
        """Return the mean of the highest 1/400 of an object's log-odds, (B,) or (B, K): how sure its core is."""
        flat = self.object_logits().float().flatten(2)
        top = flat.topk(max(1, flat.shape[2] // 400), dim=2).values.mean(2)
        return top.squeeze(1) if top.shape[1] == 1 else top


def log_odds(logits: Tensor) -> Tensor:
    """Return the log-odds (B, K, h, w) of each object against the rest from logits (B, C, h, w)."""
    channels = logits.shape[1]
    if channels == 1:
        return logits
    if channels == 2:
        return logits[:, 1:] - logits[:, :1]
    rest = [logits[:, [j for j in range(channels) if j != k]].logsumexp(1) for k in range(1, channels)]
    return logits[:, 1:] - torch.stack(rest, dim=1)


def uncontested(probability: Tensor) -> Tensor:
    """Return the probabilities (..., K, h, w) of K objects with 0 wherever another object is likelier.

    What exceeds a threshold of at least 0 is then each object's mask, and no pixel belongs to two; calibration and the
    engine both decide this way. For one object nothing changes.
    """
    if probability.shape[-3] == 1:
        return probability
    winner = probability.argmax(-3, keepdim=True)
    objects = torch.arange(probability.shape[-3], device=probability.device)[:, None, None]
    return torch.where(winner == objects, probability, 0)


Seen = tuple[Tensor, Tensor]
"""The mean of features inside a mask, (B, C), and four numbers (B, 4) on the mask itself (`seen_inside`)."""

PRESENCE_DROPOUT = 0.2
"""What drops out before the last layer that judges presence, where a description says nothing else."""


class MaskHead(nn.Module):
    """A head for masks of `objects` kinds. Subclasses compute the maps; presence and quality are learned here.

    With `condition` > 0 the head follows an embedding of that size, a text's or a support image's; a learned null
    condition takes its place where nothing is asked. With 0 it looks for what it was trained on, whatever is asked.
    """

    scales_condition = False
    """Whether conditions are brought to one length first; CLIPSeg takes them as they are."""
    takes_maps = False
    """Whether `forward` takes maps of spatial prompts too."""
    presence_sees_masks = False
    """Whether the presence logit is judged from the found masks too, so that their peak says nothing new."""

    def __init__(self, objects: int, *, condition: int = 0, presence_dropout: float = PRESENCE_DROPOUT) -> None:
        super().__init__()
        self.objects = objects
        self._presence_dropout = presence_dropout
        self.null_condition = nn.Parameter(torch.zeros(condition)) if condition else None

    @property
    def is_conditioned(self) -> bool:
        """Return whether the answer depends on what is asked."""
        return self.null_condition is not None

    def condition(self, asked: Tensor | None, given: Tensor | None, *, batch: int) -> Tensor | None:
        """Return the conditions (B, D): what is asked where `given` (B,) bool is true, else the null condition.

        None for a head that takes no condition.
        """
        if self.null_condition is None:
            return None
        null = self.null_condition.expand(batch, -1)
        if asked is None:
            return null
        ready = asked.float()
        if self.scales_condition:
            ready = F.normalize(ready, dim=-1) * (asked.shape[-1] ** 0.5)
        ready = ready.expand(batch, -1)
        return ready if given is None else torch.where(given[:, None], ready, null)

    def forward(self, features: ImageFeatures, condition: Tensor | None) -> Segmentation:
        """Return the raw outputs for the features of B images and B conditions."""
        raise NotImplementedError

    def _add_confidence(self, *, deep: int, fine: int) -> None:
        """Create what judges presence (from `deep` channels) and quality (from `fine` + `deep` channels)."""
        drop = nn.Dropout(self._presence_dropout)
        self.presence = nn.Sequential(nn.Linear(2 * deep, 64), nn.GELU(), drop, nn.Linear(64, self.objects))
        self.quality = nn.Sequential(nn.Linear(fine + deep + 4, 64), nn.GELU(), nn.Linear(64, 1))

    def _judged(self, logits: Tensor, *, fine: Tensor, deep: Tensor) -> Segmentation:
        """Return `logits` with presence and quality; `fine` are the features they were made of, `deep` the deepest."""
        odds = log_odds(logits)
        seen = [seen_inside(fine, odds[:, k : k + 1]) for k in range(self.objects)]
        mean = deep.float().mean(dim=(2, 3))
        presence = self._presence(torch.cat([mean, deep.amax(dim=(2, 3))], dim=1), seen)
        quality = torch.cat([self._quality(mean, each) for each in seen], dim=1)
        if self.objects == 1:
            return Segmentation(logits, presence.squeeze(1), quality.squeeze(1))
        return Segmentation(logits, presence, quality)

    def _presence(self, pooled: Tensor, seen: Sequence[Seen]) -> Tensor:
        """Return the presence logits (B, K); here from the deepest features' mean and maximum (B, 2 C) alone."""
        out: Tensor = self.presence(pooled)
        return out

    def _quality(self, mean: Tensor, seen: Seen) -> Tensor:
        """Return the quality logit (B, 1) of one object from the deepest features' mean and what its mask shows."""
        inside, shape = seen
        # Detached: predicting the Dice must not make the mask worse to be more predictable.
        out: Tensor = self.quality(torch.cat([inside.detach().float(), mean.detach().float(), shape], dim=1))
        return out


def seen_inside(x: Tensor, odds: Tensor) -> Seen:
    """Return the mean of features (B, C, h, w) inside a mask, (B, C), and four numbers (B, 4) on the mask itself.

    The mask is (B, 1, H, W) log-odds, and no gradient reaches it. The numbers are its doubt, certainty, area and peak.
    """
    probability = odds.detach().float().sigmoid()
    if x.shape[-2:] != probability.shape[-2:]:
        probability = F.adaptive_avg_pool2d(probability, (x.shape[-2], x.shape[-1]))
    total = probability.sum(dim=(2, 3)).clamp_min(1e-3)
    with torch.autocast(x.device.type, enabled=False):
        mean_inside = (x.flatten(2).float() @ probability.flatten(2).transpose(1, 2)).squeeze(2) / total
    doubt = (probability * (1 - probability)).sum(dim=(2, 3)) / total
    certain = (probability * probability).sum(dim=(2, 3)) / total
    shape = torch.cat([doubt, certain, probability.mean(dim=(2, 3)), probability.amax(dim=(2, 3))], dim=1)
    return mean_inside, shape


def channels_of(objects: int) -> int:
    """Return how many logits a pixel needs: 1 for one object, one more than the objects (the background) for several.

    >>> channels_of(1), channels_of(2)
    (1, 3)
    """
    return 1 if objects == 1 else objects + 1
