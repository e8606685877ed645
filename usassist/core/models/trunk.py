"""The small image trunk of the shipped model: EfficientNet-Lite0 with a few transformer blocks at stride 32.

`trunks` names them. Tensors have the names of timm's `tf_efficientnet_lite0` and of its ViT's blocks.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from usassist.core.errors import ModelError
from usassist.core.models.lite0 import Lite0
from usassist.core.models.vit_block import Block

# What a published EfficientNet-Lite0 has behind the stages, in its order: the classifier.
_CLASSIFIER = {
    "conv_head.weight": (1280, 320, 1, 1),
    **{f"bn2.{name}": (1280,) for name in ("weight", "bias", "running_mean", "running_var")},
    "bn2.num_batches_tracked": (),
    "classifier.weight": (1000, 1280),
    "classifier.bias": (1000,),
}


class ContextTrunk(nn.Module):
    """A convolutional pyramid whose deepest level is refined by transformer blocks.

    `forward_intermediates` gives maps at strides 2, 4, 8, 16 and 32; the last is the transformer's output.
    """

    def __init__(self, *, width: int = 256, depth: int = 4, heads: int = 4, mlp_ratio: float = 3.0) -> None:
        super().__init__()
        self.stages = Lite0()
        self.channels = (*self.stages.channels[:-1], width)
        self.project = nn.Conv2d(self.stages.channels[-1], width, 1)
        self.pos_embed = nn.Parameter(torch.randn(1, width, 8, 8) * 0.02)
        self.blocks = nn.ModuleList(Block(width, heads, mlp_ratio=mlp_ratio) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.num_features = self.embed_dim = width
        self.default_cfg: dict[str, Any] = {"input_size": (3, 256, 256)}

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Do nothing: the trunk has no classifier; open_clip adds its own projection."""

    def early(self, count: int) -> list[nn.Module]:
        """Return the stem and the first `count` stages: what a recipe may leave as ImageNet taught it.

        Raises ModelError where there are not so many.
        """
        stages = list(self.stages.blocks)
        if count > len(stages):
            raise ModelError(
                f"frozen_stages = {count}, but the image trunk has {len(stages)} stages; choose 0 to {len(stages)}."
            )
        return [self.stages.conv_stem, self.stages.bn1, *stages[:count]]

    def forward_intermediates(
        self, x: Tensor, *, indices: Sequence[int] | None = None, **options: object
    ) -> tuple[Tensor, list[Tensor]]:
        """Return (the deepest map, the maps at the strides that `indices` names, all where None), each (B, C, h, w)."""
        *skips, deep = self.stages(x)
        deep = self._projected(deep, skips)
        position: Tensor = self.pos_embed
        if position.shape[-2:] != deep.shape[-2:]:
            position = F.interpolate(position, size=deep.shape[-2:], mode="bicubic", align_corners=False)
        batch, channels, height, width = deep.shape
        tokens = (deep + position).flatten(2).transpose(1, 2)
        for block in self.blocks:
            tokens = block(tokens)
        tokens = self.norm(tokens)
        context = tokens.transpose(1, 2).reshape(batch, channels, height, width)
        maps = [*skips, context]
        return context, maps if indices is None else [maps[index] for index in indices]

    def _projected(self, deep: Tensor, skips: Sequence[Tensor]) -> Tensor:
        """Return the convolutional pyramid's deepest level (B, width, h, w), before the transformer blocks."""
        out: Tensor = self.project(deep)
        return out

    def forward_head(self, deepest: Tensor) -> Tensor:
        """Return the pooled features (B, C) of the deepest map."""
        return deepest.mean(dim=(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        deepest, _ = self.forward_intermediates(x)
        return self.forward_head(deepest)


class PooledTrunk(ContextTrunk):
    """The trunk whose embedding sees detail: stride 16 joins the deepest level, and attention pools beside the mean.

    A lesion is a small part of a frame; the mean alone says little about its margin.
    """

    def __init__(self, *, depth: int = 3, pooling_heads: int = 4) -> None:
        super().__init__(depth=depth)
        width = self.embed_dim
        self.finer = nn.Conv2d(self.channels[-2], width, 2, stride=2)
        self.attend = nn.Linear(width, pooling_heads)
        self.num_features = 3 * width

    def _projected(self, deep: Tensor, skips: Sequence[Tensor]) -> Tensor:
        finer = self.finer(skips[-1])
        if finer.shape[-2:] != deep.shape[-2:]:  # a side that 32 does not divide
            finer = F.interpolate(finer, size=deep.shape[-2:], mode="bilinear", align_corners=False)
        out: Tensor = self.project(deep) + finer
        return out

    def forward_head(self, deepest: Tensor) -> Tensor:
        """Return the mean, the maximum and the attended features, (B, 3 C), of the deepest map."""
        tokens = deepest.flatten(2).transpose(1, 2)
        weights = self.attend(tokens).softmax(1)
        parts = tokens.unflatten(2, (weights.shape[2], -1))
        attended = (parts * weights[..., None]).sum(1).flatten(1)
        return torch.cat([tokens.mean(1), tokens.amax(1), attended], dim=1)


def load_imagenet_start(trunk: ContextTrunk, state: dict[str, Tensor]) -> int:
    """Fill the convolutional stages from an EfficientNet-Lite0 state dict with foreign names.

    The published file's tensors stand in timm's order and have timm's shapes; both are checked. Returns how many
    tensors were taken. Raises ValueError where a shape differs.
    """
    own = {name: tuple(tensor.shape) for name, tensor in trunk.stages.state_dict().items()}
    expected = own | _CLASSIFIER
    if len(state) != len(expected):
        raise ValueError(f"Expected the {len(expected)} tensors of EfficientNet-Lite0, found {len(state)}.")
    taken: dict[str, Tensor] = {}
    for (name, shape), (other, tensor) in zip(expected.items(), state.items(), strict=True):
        if shape != tuple(tensor.shape):
            raise ValueError(f"{other} has the shape {tuple(tensor.shape)}, {name} needs {shape}.")
        if name in own:
            taken[name] = tensor
    trunk.stages.load_state_dict(taken)
    return len(taken)
