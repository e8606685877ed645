"""Segmentation heads that climb from deep features to shallow ones, modulated by a text."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from usassist.core.models.clip import ImageFeatures
from usassist.core.models.film import Film
from usassist.core.models.mask_head import PRESENCE_DROPOUT, MaskHead, Segmentation, channels_of


class ClimbingHead(MaskHead):
    """Climbs from the deepest tap to the shallowest; a condition modulates every level.

    Without a condition a learned null condition takes its place. Dense 3x3 convolutions throughout: on a CPU their
    backward pass is far quicker than that of depth-wise ones.
    """

    scales_condition = True

    def __init__(
        self,
        tap_channels: tuple[int, ...],
        *,
        condition: int,
        widths: tuple[int, ...],
        objects: int = 1,
        presence_dropout: float = PRESENCE_DROPOUT,
        doubled: int = 0,
    ) -> None:
        """Give the first `doubled` levels two convolutions.

        Raises ValueError where `widths` does not name one width fewer than there are taps.
        """
        super().__init__(objects, condition=condition, presence_dropout=presence_dropout)
        require_widths(tap_channels, widths)
        self.film = nn.ModuleList(Film(condition, channels) for channels in (tap_channels[-1], *widths))
        below = (tap_channels[-1], *widths[:-1])
        skips = tap_channels[-2::-1]
        self.fuse = nn.ModuleList(
            _fuse(lower + skip, width, twice=level < doubled)
            for level, (lower, skip, width) in enumerate(zip(below, skips, widths, strict=True))
        )


class FilmSkipDecoder(ClimbingHead):
    """The plain climb, modulated by a text. Logits have the size of the shallowest tap."""

    def __init__(
        self,
        tap_channels: tuple[int, ...],
        *,
        condition: int,
        widths: tuple[int, ...],
        objects: int = 1,
        presence_dropout: float = PRESENCE_DROPOUT,
    ) -> None:
        """Raise ValueError where `widths` does not name one width fewer than there are taps."""
        super().__init__(
            tap_channels, condition=condition, widths=widths, objects=objects, presence_dropout=presence_dropout
        )
        self.mask = nn.Conv2d(widths[-1], channels_of(objects), 1)
        self._add_confidence(deep=tap_channels[-1], fine=widths[-1])

    def forward(self, features: ImageFeatures, condition: Tensor | None) -> Segmentation:
        if condition is None:
            condition = self.condition(None, None, batch=features.batch)
        deep = self.film[0](features.taps[-1], condition)
        x = deep
        for film, fuse, skip in zip(self.film[1:], self.fuse, reversed(features.taps[:-1]), strict=True):
            x = F.relu(film(fuse(torch.cat([resized(x, skip), skip], dim=1)), condition))
        return self._judged(self.mask(x), fine=x, deep=deep)


def require_widths(tap_channels: tuple[int, ...], widths: tuple[int, ...]) -> None:
    """Raise ValueError where the levels of a climbing head do not match the taps."""
    if len(widths) != len(tap_channels) - 1:
        raise ValueError(
            f"{len(tap_channels)} taps need {len(tap_channels) - 1} widths, found {len(widths)}: set head.widths to as "
            f"many numbers, or choose other encoder.taps."
        )


def resized(x: Tensor, like: Tensor) -> Tensor:
    """Return the map `x` bilinearly resampled to the height and width of `like`; itself where they are equal."""
    if x.shape[-2:] == like.shape[-2:]:
        return x
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


def _fuse(inputs: int, width: int, *, twice: bool) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(inputs, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)]
    if twice:
        layers += [nn.ReLU(inplace=True), nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)]
    return nn.Sequential(*layers)
