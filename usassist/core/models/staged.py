"""A trunk of stages one behind the other, each giving a map."""

from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor, nn


class StagedTrunk(nn.Module):
    """Stages that turn a map into the next, smaller one; without a classifier.

    `channels` are those of the maps (C), shallow to deep.
    """

    def __init__(self, stages: Iterable[nn.Module], *, channels: tuple[int, ...], size: int) -> None:
        """Take the stages in order; `size` is the side in pixels of the images that are usual for the trunk."""
        super().__init__()
        self.channels = channels
        self.stages = nn.ModuleList(stages)
        self.num_features = self.embed_dim = channels[-1]
        self.default_cfg: dict[str, Any] = {"input_size": (3, size, size)}

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Do nothing: the trunk has no classifier; open_clip adds its own projection."""

    def forward_intermediates(
        self, x: Tensor, *, indices: Sequence[int] | None = None, **options: object
    ) -> tuple[Tensor, list[Tensor]]:
        """Return (the deepest map, the maps that `indices` names, all where None), each (B, C, h, w)."""
        maps: list[Tensor] = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return x, maps if indices is None else [maps[index] for index in indices]

    def forward_head(self, deepest: Tensor) -> Tensor:
        """Return the pooled features (B, C) of the deepest map."""
        return deepest.mean(dim=(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        deepest, _ = self.forward_intermediates(x)
        return self.forward_head(deepest)
