"""Mona adapters (Yin et al. 2024; NextGen-UIA, arXiv 2506.08849): small trainable filters beside a frozen backbone."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from usassist.core.errors import ModelError
from usassist.core.models.foreign import imported_classes
from usassist.core.models.vit_block import Block


class Mona(nn.Module):
    """One adapter over a grid of visual features.

    Works on tokens (B, prefix + h*w, C) and keeps the prefix (class) tokens untouched, or on maps (B, C, h, w).
    The up-projection starts at zero, so a fresh adapter is the identity: a random start would turn the pretrained
    features by about 50 degrees. 111,872 parameters at width 768 and bottleneck 64. The parameters stay in float32
    where the features are bfloat16: the answer has the features' type.
    """

    def __init__(self, width: int, *, bottleneck: int = 64, dropout: float = 0.1) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((width,), 1e-6))
        self.gammax = nn.Parameter(torch.ones(width))
        self.norm = nn.LayerNorm(width)
        self.down = nn.Linear(width, bottleneck)
        self.conv3, self.conv5, self.conv7 = (
            nn.Conv2d(bottleneck, bottleneck, size, padding=size // 2, groups=bottleneck) for size in (3, 5, 7)
        )
        self.mix = nn.Conv2d(bottleneck, bottleneck, 1)
        self.dropout = nn.Dropout(dropout)
        self.up = nn.Linear(bottleneck, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor, *, grid: tuple[int, int] | None = None) -> Tensor:
        """Return the adapted features in the shape of `x`; `grid` is (h, w) of the tokens, square if not given."""
        if x.ndim == 4:
            height, width = x.shape[-2:]
            tokens = x.flatten(2).transpose(1, 2)
            return self._adapt(tokens, height, width).transpose(1, 2).reshape(x.shape)
        if grid is None:
            side = math.isqrt(x.shape[1])
            grid = (side, side)
        return self._adapt(x, *grid)

    def _adapt(self, tokens: Tensor, height: int, width: int) -> Tensor:
        """Adapt the last height x width tokens.

        All stays in the layout (B, tokens, channels), which convolutions read as channels last: nothing is copied to
        be turned round, and the class tokens are cut off where there are 64 channels, not 768.
        """
        kind = tokens.dtype
        prefix = tokens.shape[1] - height * width
        scale, shift = (self.norm.weight * self.gamma).to(kind), (self.norm.bias * self.gamma).to(kind)
        normed = F.layer_norm(tokens, self.norm.normalized_shape, scale, shift, self.norm.eps)
        scaled = torch.addcmul(normed, tokens, self.gammax.to(kind))
        reduced = F.linear(scaled, self.down.weight.to(kind), self.down.bias.to(kind))[:, prefix:]
        # The convolution is small and stays in float32, under autocast too: bfloat16 makes its gradient slow on a CPU,
        # and has no number between 1 and 1.0078 for a gain.
        with torch.autocast(tokens.device.type, enabled=False):
            grid = reduced.float().unflatten(1, (height, width)).permute(0, 3, 1, 2)
            mixed = (self.filtered(grid) + grid).permute(0, 2, 3, 1).flatten(1, 2)
            mixed = mixed + F.linear(mixed, self.mix.weight.flatten(1), self.mix.bias)
        hidden = self.dropout(F.gelu(mixed)).to(kind)
        change = F.linear(hidden, self.up.weight.to(kind), self.up.bias.to(kind))
        return tokens + (F.pad(change, (0, 0, prefix, 0)) if prefix else change)

    def filtered(self, grid: Tensor) -> Tensor:
        """Return the mean of the three depth-wise convolutions of a map (B, bottleneck, h, w) float32."""
        kernels, biases = self.kernels()
        return F.conv2d(grid, kernels.mean(0), biases.mean(0), padding=3, groups=grid.shape[1])

    def kernels(self) -> tuple[Tensor, Tensor]:
        """Return the three convolutions as 7 x 7 kernels (3, bottleneck, 1, 7, 7) and biases (3, bottleneck).

        Convolving is linear: a weighted sum of the three is one convolution with the same sum of their kernels.
        """
        convs = (self.conv3, self.conv5, self.conv7)
        kernels = [F.pad(conv.weight, [(7 - conv.kernel_size[0]) // 2] * 4) for conv in convs]
        return torch.stack(kernels), torch.stack([conv.bias for conv in convs if conv.bias is not None])


class AdaptedBlock(nn.Module):
    """A transformer block and the adapter behind it.

    `prefix` counts the class tokens before the patches; `batch_first` is False for blocks that take (tokens, batch,
    width). Raises ModelError where the patches form no square.
    """

    def __init__(self, block: nn.Module, adapter: Mona, *, prefix: int, batch_first: bool = True) -> None:
        super().__init__()
        self.block = block
        self.adapter = adapter
        self.prefix = prefix
        self.batch_first = batch_first

    def forward(self, x: Tensor, *args: object, **kwargs: object) -> Tensor:
        out: Tensor = self.block(x, *args, **kwargs)
        return _adapt_patches(self.adapter, out, prefix=self.prefix, batch_first=self.batch_first)


class TwiceAdaptedBlock(nn.Module):
    """A transformer block with an adapter behind the attention's residual and one behind the MLP's.

    The placement of NextGen-UIA; without `mlp_adapter` one adapter serves both, as in the publication's code. `block`
    is one that `has_known_halves`. The rest is as in AdaptedBlock.
    """

    def __init__(self, block: nn.Module, adapters: Sequence[Mona], *, prefix: int, batch_first: bool = True) -> None:
        super().__init__()
        self.block = block
        names = ("shared_adapter",) if len(adapters) == 1 else ("attention_adapter", "mlp_adapter")
        for name, adapter in zip(names, adapters, strict=True):
            self.add_module(name, adapter)
        self._names = (names[0], names[-1])
        self.prefix = prefix
        self.batch_first = batch_first

    def forward(self, x: Tensor, *masks: object, **named_masks: object) -> Tensor:
        if any(mask is not None for mask in (*masks, *named_masks.values())):
            raise ModelError("A block with two Mona adapters was given a mask; the image tower has none.")
        for name, half in zip(self._names, (attention_half, mlp_half), strict=True):
            adapter = self.get_submodule(name)
            x = _adapt_patches(adapter, half(self.block, x), prefix=self.prefix, batch_first=self.batch_first)
        return x


class AdaptedStage(nn.Module):
    """A stage of a trunk that is no ViT and the adapter behind it.

    `channels_last` where the stage gives (B, h, w, C).
    """

    def __init__(self, stage: nn.Module, adapter: Mona, *, channels_last: bool = False) -> None:
        super().__init__()
        self.stage = stage
        self.adapter = adapter
        self.channels_last = channels_last

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.stage(x)
        if not self.channels_last:
            return self.adapter(out)
        tokens: Tensor = self.adapter(out.flatten(1, 2), grid=(out.shape[1], out.shape[2]))
        return tokens.reshape(out.shape)


def has_known_halves(block: nn.Module) -> bool:
    """Return whether a block's two residual halves can be run apart: ours, open_clip's plain one, and timm's."""
    plain = imported_classes("open_clip.transformer.ResidualAttentionBlock", "timm.models.vision_transformer.Block")
    return type(block) in (Block, *plain)


def attention_half(block: Any, x: Tensor) -> Tensor:
    """Return the tokens behind the attention's residual, of a block that `has_known_halves`."""
    out: Tensor
    if isinstance(block, Block):
        out = block.attention_half(x)
    elif hasattr(block, "ln_1"):  # open_clip's
        out = x + block.ls_1(block.attention(block.ln_1(x)))
    else:
        out = x + block.drop_path1(block.ls1(block.attn(block.norm1(x))))
    return out


def mlp_half(block: Any, x: Tensor) -> Tensor:
    """Return the tokens behind the MLP's residual, of a block that `has_known_halves`."""
    out: Tensor
    if isinstance(block, Block):
        out = block.mlp_half(x)
    elif hasattr(block, "ln_1"):
        out = x + block.ls_2(block.mlp(block.ln_2(x)))
    else:
        out = x + block.drop_path2(block.ls2(block.mlp(block.norm2(x))))
    return out


def _adapt_patches(adapter: nn.Module, x: Tensor, *, prefix: int, batch_first: bool) -> Tensor:
    tokens = x if batch_first else x.transpose(0, 1)
    patches = tokens.shape[1] - prefix
    side = math.isqrt(max(0, patches))
    if side * side != patches:
        raise ModelError(
            f"A Mona adapter found {patches} patch tokens, which form no square; use square images, and no patch "
            f"dropout in the encoder's configuration."
        )
    out: Tensor = adapter(tokens, grid=(side, side))
    return out if batch_first else out.transpose(0, 1)
