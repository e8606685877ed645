"""The text-conditioned, skip-connected segmentation head."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from usassist.core.models.clip import ImageFeatures
from usassist.core.models.film import Film


@dataclass(frozen=True)
class Segmentation:
    """Raw outputs: `logits` (B, 1, h, w) at the shallowest tap, `presence` and `quality` logits (B,)."""

    logits: Tensor
    presence: Tensor
    quality: Tensor

    @property
    def peak(self) -> Tensor:
        """Return the mean of the highest 1/400 of the mask's logits (B,): how sure the mask is of its core."""
        flat = self.logits.float().flatten(1)
        return flat.topk(max(1, flat.shape[1] // 400), dim=1).values.mean(1)


class FilmSkipDecoder(nn.Module):
    """Climb from the deepest tap to the shallowest; a text embedding modulates every level.

    Without a text a learned null condition takes its place. Dense 3x3 convolutions throughout: on a CPU their
    backward pass is far quicker than that of depth-wise ones.
    """

    def __init__(self, tap_channels: tuple[int, ...], *, condition: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        if len(widths) != len(tap_channels) - 1:
            raise ValueError(f"{len(tap_channels)} taps need {len(tap_channels) - 1} widths, found {len(widths)}.")
        self.null_condition = nn.Parameter(torch.zeros(condition))
        self.film = nn.ModuleList(Film(condition, channels) for channels in (tap_channels[-1], *widths))
        self.fuse = nn.ModuleList()
        below = tap_channels[-1]
        for skip, width in zip(reversed(tap_channels[:-1]), widths, strict=True):
            self.fuse.append(_fuse_block(below + skip, width))
            below = width
        self.mask = nn.Conv2d(below, 1, 1)
        deep = tap_channels[-1]
        self.presence = nn.Sequential(nn.Linear(2 * deep, 64), nn.GELU(), nn.Dropout(0.2), nn.Linear(64, 1))
        self.quality = nn.Sequential(nn.Linear(below + deep + 4, 64), nn.GELU(), nn.Linear(64, 1))

    def condition(self, text: Tensor | None, given: Tensor | None, *, batch: int) -> Tensor:
        """Return (B, D) unit conditions: the text's where `given` (B,) bool is true, else the null condition."""
        null = self.null_condition.expand(batch, -1)
        if text is None:
            return null
        unit = F.normalize(text.float(), dim=-1) * (text.shape[-1] ** 0.5)
        return unit if given is None else torch.where(given[:, None], unit, null)

    def forward(self, features: ImageFeatures, condition: Tensor) -> Segmentation:
        deep = self.film[0](features.taps[-1], condition)
        x = deep
        for film, fuse, skip in zip(self.film[1:], self.fuse, reversed(features.taps[:-1]), strict=True):
            if x.shape[-2:] != skip.shape[-2:]:
                x = F.interpolate(x, size=skip.shape[-2:], mode="bilinear", align_corners=False)
            x = F.relu(film(fuse(torch.cat([x, skip], dim=1)), condition))
        logits = self.mask(x)
        pooled = torch.cat([deep.mean(dim=(2, 3)), deep.amax(dim=(2, 3))], dim=1)
        return Segmentation(logits, self.presence(pooled).squeeze(1), self._quality(x, logits, deep))

    def _quality(self, x: Tensor, logits: Tensor, deep: Tensor) -> Tensor:
        # Detached: predicting the Dice must not make the mask worse to be more predictable.
        x, probability, deep = x.detach().float(), logits.detach().float().sigmoid(), deep.detach().float()
        inside = probability.sum(dim=(2, 3)).clamp_min(1e-3)
        mean_inside = (x * probability).sum(dim=(2, 3)) / inside
        doubt = (probability * (1 - probability)).sum(dim=(2, 3)) / inside
        certain = (probability * probability).sum(dim=(2, 3)) / inside
        area = probability.mean(dim=(2, 3))
        peak = probability.amax(dim=(2, 3))
        out: Tensor = self.quality(torch.cat([mean_inside, deep.mean(dim=(2, 3)), doubt, certain, area, peak], dim=1))
        return out.squeeze(1)


def _fuse_block(inputs: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
    )
