"""NextGen-UIA's light head on three levels of a frozen tower (arXiv 2506.08849): fuse, then one convolution."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from usassist.core.models.clip import ImageFeatures
from usassist.core.models.decoder import resized
from usassist.core.models.mask_head import PRESENCE_DROPOUT, MaskHead, Segmentation

Fusion = Literal["sequential", "parallel"]


class PyramidFusion(nn.Module):
    """Bring every tap to `width` channels and add them up at the size of the shallowest tap.

    Per tap a linear reduction and a block (LayerNorm, Linear, GELU, Linear). "sequential" is the publication's first
    version: from deep to shallow, each block sees the sum so far. "parallel" is its later one: the blocks see one tap
    each. A ViT's taps have one size; those of a convolutional trunk are resampled on the way.
    """

    def __init__(self, tap_channels: Sequence[int], *, width: int, fusion: Fusion) -> None:
        super().__init__()
        self.fusion = fusion
        self.reduce = nn.ModuleList(nn.Linear(channels, width) for channels in reversed(tap_channels))
        self.blocks = nn.ModuleList(_block(width) for _ in tap_channels)

    def forward(self, taps: Sequence[Tensor]) -> Tensor:
        """Return the fused map (B, width, h, w) of the taps, shallow to deep."""
        fused: Tensor | None = None
        for tap, reduce, block in zip(reversed(taps), self.reduce, self.blocks, strict=True):
            level = reduce(_channels_last(tap))
            if self.fusion == "parallel":
                out = _channels_first(block(level))
                fused = out if fused is None else resized(fused, out) + out
            else:
                before = None if fused is None else _channels_last(resized(fused, tap))
                fused = _channels_first(block(level if before is None else level + before))
        if fused is None:
            raise ValueError("A pyramid needs at least one tap.")
        return fused


class PyramidHead(MaskHead):
    """Logits (B, K + 1, size, size) for background and K objects (softmax, also for one object).

    The 1x1 convolution comes before the upsampling: the two commute, and so it costs a 256th of the memory. Takes no
    condition.
    """

    def __init__(
        self,
        tap_channels: tuple[int, ...],
        *,
        width: int,
        fusion: Fusion,
        size: int,
        objects: int = 1,
        presence_dropout: float = PRESENCE_DROPOUT,
    ) -> None:
        super().__init__(objects, presence_dropout=presence_dropout)
        self.size = size
        self.fuse = PyramidFusion(tap_channels, width=width, fusion=fusion)
        self.mask = nn.Conv2d(width, objects + 1, 1)
        self._add_confidence(deep=width, fine=width)

    def forward(self, features: ImageFeatures, condition: Tensor | None) -> Segmentation:
        fused = self.fuse(features.taps)
        small = self._judged(self.mask(fused), fine=fused, deep=fused)
        logits = F.interpolate(small.logits, size=(self.size, self.size), mode="bilinear", align_corners=False)
        return Segmentation(logits, small.presence, small.quality)


def _block(width: int) -> nn.Sequential:
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))


def _channels_last(x: Tensor) -> Tensor:
    # A linear layer over tokens that do not lie together takes several times as long on a CPU.
    return x.permute(0, 2, 3, 1).contiguous()


def _channels_first(x: Tensor) -> Tensor:
    return torch.permute(x, (0, 3, 1, 2))
