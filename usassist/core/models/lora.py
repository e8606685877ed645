"""Low-rank adaptation of attention (LoRA, Hu et al. 2021; rank-stabilised scale, Kalajdzievski 2023)."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from usassist.core.errors import ModelError
from usassist.core.models.lean import SelfAttention, require_self_attention


class LowRank(nn.Module):
    """What is added to one linear projection: scale * up(down(dropout(x))) with scale = alpha / sqrt(rank).

    `down` (rank, in) starts random and `up` (out, rank) at zero, so a fresh one adds nothing.
    """

    def __init__(self, features_in: int, features_out: int, *, rank: int, alpha: float, dropout: float) -> None:
        super().__init__()
        self.down = nn.Parameter(torch.empty(rank, features_in))
        self.up = nn.Parameter(torch.zeros(features_out, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))
        self.dropout = nn.Dropout(dropout)
        self.scale = alpha / math.sqrt(rank)

    def forward(self, x: Tensor) -> Tensor:
        kind = x.dtype
        return F.linear(F.linear(self.dropout(x), self.down.to(kind)), self.up.to(kind)) * self.scale

    def delta(self) -> Tensor:
        """Return what a weight (out, in) gains when this is merged into it."""
        return self.up @ self.down * self.scale


class LoraLinear(nn.Module):
    """A frozen linear layer and what LoRA adds to equal parts of its output, in the order of `parts`."""

    def __init__(self, base: nn.Linear, parts: Sequence[str], *, rank: int, alpha: float, dropout: float) -> None:
        super().__init__()
        self.base = base
        size = base.out_features // len(parts)
        self.parts = nn.ModuleDict(
            {name: LowRank(base.in_features, size, rank=rank, alpha=alpha, dropout=dropout) for name in parts}
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.base(x)
        return out + torch.cat([part(x) for part in self.parts.values()], dim=-1)

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """Return the linear layer with everything added to its weight."""
        self.base.weight.add_(torch.cat([_delta(part) for part in self.parts.values()]))
        return self.base


class LoraAttention(nn.Module):
    """The attention of open_clip's image tower with LoRA on q, k, v and the output."""

    def __init__(self, base: SelfAttention, *, rank: int, alpha: float, dropout: float) -> None:
        super().__init__()
        self.base = base
        width = base.out_proj.in_features
        self.parts = nn.ModuleDict(
            {name: LowRank(width, width, rank=rank, alpha=alpha, dropout=dropout) for name in ("q", "k", "v", "out")}
        )

    def forward(self, query: Tensor, key: Tensor, value: Tensor, **options: Any) -> tuple[Tensor, None]:
        """Return the attended tokens in the layout of `query`, and None where torch's would return weights."""
        require_self_attention(query, key, value, **options)
        x = query if self.base.batch_first else query.transpose(0, 1)
        projected = zip("qkv", self.base.project(x), strict=True)
        mixed = self.base.attend(*(given + self.parts[name](x) for name, given in projected))
        out: Tensor = self.base.out_proj(mixed) + self.parts["out"](mixed)
        return (out if self.base.batch_first else out.transpose(0, 1)), None

    @torch.no_grad()
    def merged(self) -> SelfAttention:
        """Return the attention with everything added to its weights."""
        self.base.in_proj_weight.add_(torch.cat([_delta(self.parts[name]) for name in "qkv"]))
        self.base.out_proj.weight.add_(_delta(self.parts["out"]))
        return self.base


def _delta(part: nn.Module) -> Tensor:
    if not isinstance(part, LowRank):
        raise TypeError(f"expected LowRank, found {type(part).__name__}")
    return part.delta()


def insert_lora(block: nn.Module, *, rank: int, alpha: float, dropout: float) -> None:
    """Put LoRA on q, k, v and out of a transformer block's attention: open_clip's or timm's. Raises ModelError."""
    attention = getattr(block, "attn", None)
    if isinstance(attention, SelfAttention):
        block.attn = LoraAttention(attention, rank=rank, alpha=alpha, dropout=dropout)
        return
    qkv, proj = getattr(attention, "qkv", None), getattr(attention, "proj", None)
    if attention is None or not isinstance(qkv, nn.Linear) or not isinstance(proj, nn.Linear):
        raise ModelError(
            f"LoRA knows the attention of open_clip's plain blocks and timm's qkv and proj; found "
            f"{type(attention).__name__} in a {type(block).__name__}. Choose the adapter kind 'mona'."
        )
    attention.qkv = LoraLinear(qkv, ("q", "k", "v"), rank=rank, alpha=alpha, dropout=dropout)
    attention.proj = LoraLinear(proj, ("out",), rank=rank, alpha=alpha, dropout=dropout)


def merge(model: nn.Module) -> int:
    """Add every LoRA of a model to the weights it stands beside, in place; returns how many places.

    For inference only: the answers change by rounding alone and cost nothing more, but the tensors are no longer those
    of the model's file. A merged model is neither saved nor trained.
    """
    count = 0
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, LoraLinear | LoraAttention):
                setattr(parent, name, child.merged())
                count += 1
    return count
