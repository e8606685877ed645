"""The decoder of the shipped model: follows a text, clicks, a box and a previous mask; one pass answers each click."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from usassist.core.models.clip import ImageFeatures
from usassist.core.models.decoder import ClimbingHead, resized
from usassist.core.models.film import Modulation, modulated
from usassist.core.models.fused_conv import FusedConv
from usassist.core.models.mask_head import PRESENCE_DROPOUT, Seen, Segmentation, channels_of
from usassist.core.models.prompt_maps import PROMPT_CHANNELS

_PROMPT_WIDTHS = (24, 48, 64)
_FINER = 2


class PromptableDecoder(ClimbingHead):
    """A climb that spatial prompts are added to at every level.

    They enter here and nowhere earlier, so the image is encoded once and each further click costs one pass of this
    decoder. Their encoder has neither biases nor normalisations: without prompts it adds exactly nothing. Logits have
    twice the size of the shallowest tap (sub-pixel convolution, Shi et al. 2016).
    """

    presence_sees_masks = True

    def __init__(
        self,
        tap_channels: tuple[int, ...],
        *,
        condition: int,
        widths: tuple[int, ...],
        objects: int = 1,
        dropout: float = 0.0,
        presence_dropout: float = PRESENCE_DROPOUT,
    ) -> None:
        """Let whole channels drop out before each level; raise ValueError unless there is one width a tap but one."""
        super().__init__(
            tap_channels,
            condition=condition,
            widths=widths,
            objects=objects,
            presence_dropout=presence_dropout,
            doubled=len(widths) - 1,
        )
        self.drop = nn.Dropout2d(dropout)
        # Several objects are told apart by channel; a click would not say which of them is meant.
        self.prompts = _PromptEncoder(widths) if objects == 1 else None
        self.takes_maps = self.prompts is not None
        self.mask = nn.Conv2d(widths[-1], channels_of(objects) * _FINER**2, 3, padding=1)
        self._add_confidence(deep=tap_channels[-1], fine=widths[-1])

    def forward(self, features: ImageFeatures, condition: Tensor | None, maps: Tensor | None = None) -> Segmentation:
        """Return the raw outputs; `maps` (B, PROMPT_CHANNELS, h, w) are spatial prompts, of the shallowest tap's size.

        Images of the batch without any have maps that are 0.
        """
        return self.finish(self.begin(features, condition), maps)

    def begin(self, features: ImageFeatures, condition: Tensor | None) -> "Begun":
        """Return what no click changes: the deepest features, the first level above them, what the skips add."""
        if condition is None:
            condition = self.condition(None, None, batch=features.batch)
        first, *others = (film.modulation(condition) for film in self.film)  # type: ignore[operator]
        deep = modulated(features.taps[-1], first)
        skips = features.taps[-2::-1]
        lasting = tuple(self._lasting(level, skip) for level, skip in enumerate(skips))
        return Begun(deep, self._level(0, deep, skips[0], others[0], lasting[0]), skips, lasting, tuple(others))

    def finish(self, begun: "Begun", maps: Tensor | None = None) -> Segmentation:
        """Return the raw outputs for what was begun and spatial prompts."""
        skips = begun.skips
        pointed: Sequence[Tensor | None] = [None] * len(skips)
        if maps is not None and self.prompts is not None:
            pointed = self.prompts(resized(maps, skips[-1]), skips)
        x = _activated(begun.first, pointed[0])
        for level, (skip, added) in enumerate(zip(skips[1:], pointed[1:], strict=True), start=1):
            x = self._level(level, x, skip, begun.modulations[level], begun.lasting[level])
            x = _activated(x, added)
        logits = F.pixel_shuffle(self.mask(x), _FINER)
        return self._judged(logits, fine=x, deep=begun.deep)

    def _level(self, level: int, x: Tensor, skip: Tensor, modulation: Modulation, lasting: Tensor | None) -> Tensor:
        """Return a level of the climb before its prompts and its activation."""
        x = resized(x, skip)
        first, *others = self._layers(level)
        if lasting is not None and isinstance(first, FusedConv):
            x = first.cut(skip.shape[1])[0](x, plus=lasting)
        else:
            x = first(self.drop(torch.cat([x, skip], dim=1)))
        for layer in others:
            x = layer(x)
        return modulated(x, modulation)

    def _layers(self, level: int) -> list[nn.Module]:
        return list(self.fuse[level].children())

    def _lasting(self, level: int, skip: Tensor) -> Tensor | None:
        """Return what a skip adds to its level's first convolution, for a single image at work; None elsewhere."""
        first = self._layers(level)[0]
        return first.cut(skip.shape[1])[1](skip) if isinstance(first, FusedConv) and skip.shape[0] == 1 else None

    def _add_confidence(self, *, deep: int, fine: int) -> None:
        super()._add_confidence(deep=deep, fine=fine)
        drop = nn.Dropout(self._presence_dropout)
        self.presence = nn.Sequential(nn.Linear(fine + 2 * deep + 4, 64), nn.GELU(), drop, nn.Linear(64, 1))

    def _presence(self, pooled: Tensor, seen: Sequence[Seen]) -> Tensor:
        """Return the presence logits (B, K) from the deepest features and from what the found masks look like.

        A mask on normal tissue is seldom as certain as one on a lesion; what lies inside says more than the frame does.
        """
        return torch.cat([self.presence(torch.cat([pooled, *each], dim=1)) for each in seen], dim=1)


@dataclass(frozen=True, eq=False)
class Begun:
    """An image and a question on their way through the decoder, up to where clicks come in."""

    deep: Tensor
    first: Tensor
    skips: tuple[Tensor, ...]
    lasting: tuple[Tensor | None, ...]
    modulations: tuple[Modulation, ...]


def _activated(x: Tensor, added: Tensor | None) -> Tensor:
    return F.relu(x) if added is None else F.relu(x + added, inplace=True)  # `x` may be kept for the next click


class _PromptEncoder(nn.Module):
    """From maps of prompts at the shallowest tap's size to what is added at each level, the deepest first."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        inner = [_PROMPT_WIDTHS[min(level, len(_PROMPT_WIDTHS) - 1)] for level in range(len(widths))]
        self.look = nn.ModuleList()
        self.add = nn.ModuleList()
        before = PROMPT_CHANNELS
        for own, width in zip(inner, reversed(widths), strict=True):
            self.look.append(nn.Conv2d(before, own, 3, padding=1, bias=False))
            self.add.append(nn.Conv2d(own, width, 3, padding=1, bias=False))
            nn.init.zeros_(self.add[-1].weight)  # type: ignore[arg-type]  # a fresh encoder changes no answer
            before = own

    def forward(self, maps: Tensor, skips: tuple[Tensor, ...]) -> list[Tensor]:
        added: list[Tensor] = []
        x = maps
        for look, add, skip in zip(self.look, self.add, reversed(skips), strict=True):
            if x.shape[-2:] != skip.shape[-2:]:
                x = F.adaptive_avg_pool2d(x, (skip.shape[-2], skip.shape[-1]))
            x = F.relu(look(x))
            added.append(add(x))
        return added[::-1]
