"""A plain U-Net (Ronneberger et al. 2015) as trunk and head: the baseline that every adapter has to beat."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from usassist.core.models.clip import ImageFeatures
from usassist.core.models.decoder import require_widths, resized
from usassist.core.models.mask_head import PRESENCE_DROPOUT, MaskHead, Segmentation, channels_of
from usassist.core.models.staged import StagedTrunk

_LEVELS = 5


class UNetTrunk(StagedTrunk):
    """The contracting path: double convolutions with pooling between them, maps at strides 1, 2, 4, 8 and 16.

    `base` channels at the first level, twice as many at each further one.
    """

    def __init__(self, *, base: int = 32) -> None:
        channels = tuple(base * 2**level for level in range(_LEVELS))
        stages = (
            nn.Sequential(*([nn.MaxPool2d(2)] if level else []), *double_convolution(inputs, width))
            for level, (inputs, width) in enumerate(pairwise((3, *channels)))
        )
        super().__init__(stages, channels=channels, size=256)


class UNetHead(MaskHead):
    """The expanding path: upsample, concatenate, double convolution at each level, then a 1x1 convolution.

    Works over the taps of any trunk, those of one size too. Logits have the size of the shallowest tap. Takes no
    condition.
    """

    def __init__(
        self,
        tap_channels: tuple[int, ...],
        *,
        widths: tuple[int, ...],
        objects: int = 1,
        presence_dropout: float = PRESENCE_DROPOUT,
    ) -> None:
        """Raise ValueError where `widths` does not name one width fewer than there are taps."""
        super().__init__(objects, presence_dropout=presence_dropout)
        require_widths(tap_channels, widths)
        below = (tap_channels[-1], *widths[:-1])
        self.fuse = nn.ModuleList(
            nn.Sequential(*double_convolution(below[level] + skip, width))
            for level, (skip, width) in enumerate(zip(reversed(tap_channels[:-1]), widths, strict=True))
        )
        self.mask = nn.Conv2d(widths[-1], channels_of(objects), 1)
        self._add_confidence(deep=tap_channels[-1], fine=widths[-1])

    def forward(self, features: ImageFeatures, condition: Tensor | None) -> Segmentation:
        deep = x = features.taps[-1]
        for fuse, skip in zip(self.fuse, reversed(features.taps[:-1]), strict=True):
            x = fuse(torch.cat([resized(x, skip), skip], dim=1))
        return self._judged(self.mask(x), fine=x, deep=deep)


def double_convolution(inputs: int, width: int) -> list[nn.Module]:
    """Return two 3x3 convolutions, each normalised over the batch and rectified, with He's start."""
    layers: list[nn.Module] = []
    for channels in (inputs, width):
        convolution = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
        layers += [convolution, nn.BatchNorm2d(width), nn.ReLU()]
    return layers
