"""The small image trunk of the shipped model: EfficientNet-Lite0 with a few transformer blocks at stride 32.

Registered with timm, so open_clip builds it like any other timm image tower.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from usassist.core.models import torchvision_ops

torchvision_ops.prepare()

import timm  # noqa: E402  # only importable on a CPU-only machine after prepare()
from timm.models import register_model  # noqa: E402
from timm.models.vision_transformer import Block  # noqa: E402

STRIDES = (2, 4, 8, 16, 32)


class ContextTrunk(nn.Module):
    """A convolutional pyramid whose deepest level is refined by transformer blocks.

    `forward_intermediates` gives maps at strides 2, 4, 8, 16 and 32; the last is the transformer's output.
    """

    def __init__(self, *, width: int = 256, depth: int = 4, heads: int = 4, mlp_ratio: float = 3.0) -> None:
        super().__init__()
        self.stages = timm.create_model("tf_efficientnet_lite0", features_only=True, pretrained=False)
        self.channels = (*(int(c) for c in self.stages.feature_info.channels()[:-1]), width)
        self.project = nn.Conv2d(int(self.stages.feature_info.channels()[-1]), width, 1)
        self.pos_embed = nn.Parameter(torch.randn(1, width, 8, 8) * 0.02)
        self.blocks = nn.ModuleList(Block(width, heads, mlp_ratio=mlp_ratio, qkv_bias=True) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.num_features = self.embed_dim = width
        self.default_cfg: dict[str, Any] = {"input_size": (3, 256, 256)}

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Do nothing: the trunk has no classifier; open_clip adds its own projection."""

    def forward_intermediates(
        self, x: Tensor, *, indices: Sequence[int] | None = None, **options: object
    ) -> tuple[Tensor, list[Tensor]]:
        """Return (the deepest map, the maps at the strides that `indices` names, all where None), each (B, C, h, w)."""
        *skips, deep = self.stages(x)
        deep = self.project(deep)
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

    def forward_head(self, deepest: Tensor) -> Tensor:
        """Return the pooled features (B, C) of the deepest map."""
        return deepest.mean(dim=(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        deepest, _ = self.forward_intermediates(x)
        return self.forward_head(deepest)


@register_model  # type: ignore[untyped-decorator]
def usassist_lite0_context(pretrained: bool = False, **kwargs: object) -> ContextTrunk:
    """Build the trunk; its ImageNet start is loaded by the recipe, never here."""
    return ContextTrunk()


def load_imagenet_start(trunk: ContextTrunk, state: dict[str, Tensor]) -> int:
    """Fill the convolutional stages from an EfficientNet-Lite0 state dict with foreign names.

    The published file's tensors stand in timm's order and have timm's shapes; both are checked. Returns how many
    tensors were taken. Raises ValueError where a shape differs.
    """
    reference = timm.create_model("tf_efficientnet_lite0", pretrained=False).state_dict()
    if len(state) != len(reference):
        raise ValueError(f"Expected the {len(reference)} tensors of EfficientNet-Lite0, found {len(state)}.")
    renamed: dict[str, Tensor] = {}
    for (name, ours), (other, tensor) in zip(reference.items(), state.items(), strict=True):
        if ours.shape != tensor.shape:
            raise ValueError(f"{other} has the shape {tuple(tensor.shape)}, {name} needs {tuple(ours.shape)}.")
        renamed[name] = tensor
    own = trunk.stages.state_dict()
    taken = {name: renamed[name] for name in own if name in renamed}
    if len(taken) != len(own):
        raise ValueError(f"{len(own) - len(taken)} tensors of the trunk have no counterpart in the file.")
    trunk.stages.load_state_dict(taken)
    return len(taken)
