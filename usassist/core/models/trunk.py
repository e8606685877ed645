"""The small image trunk of the shipped model: EfficientNet-Lite0 with a few transformer blocks at stride 32.

Registered with timm, so open_clip builds it like any other timm image tower.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from usassist.core.errors import ModelError
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
        use_products(self.stages)
        self.channels = (*(int(c) for c in self.stages.feature_info.channels()[:-1]), width)
        self.project = nn.Conv2d(int(self.stages.feature_info.channels()[-1]), width, 1)
        self.pos_embed = nn.Parameter(torch.randn(1, width, 8, 8) * 0.02)
        self.blocks = nn.ModuleList(Block(width, heads, mlp_ratio=mlp_ratio, qkv_bias=True) for _ in range(depth))
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


class PointwiseConv(nn.Conv2d):
    """A 1 x 1 convolution that is a matrix product where gradients are wanted: torch's own is slow there on a CPU."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  torch's name
        if not torch.is_grad_enabled() or input.device.type != "cpu":
            return super().forward(input)
        return F.linear(input.permute(0, 2, 3, 1), self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)


def use_products(part: nn.Module) -> int:
    """Turn the plain 1 x 1 convolutions inside a module into matrix products, in place; returns how many.

    Parameters stay the same objects under the same names.
    """
    count = 0
    for module in part.modules():
        plain = type(module) is nn.Conv2d and module.kernel_size == module.stride == (1, 1)
        if plain and module.groups == 1 and module.padding == (0, 0):
            module.__class__ = PointwiseConv
            count += 1
    return count


@register_model  # type: ignore[untyped-decorator]
def usassist_lite0_pooled(pretrained: bool = False, **kwargs: object) -> PooledTrunk:
    """Build the trunk; its ImageNet start is loaded by the recipe, never here."""
    return PooledTrunk()


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
