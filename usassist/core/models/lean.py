"""The same functions with fewer passes over memory, for the transformer blocks of open_clip's image tower."""

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from usassist.core.errors import ModelError
from usassist.core.models.foreign import imported_classes

if TYPE_CHECKING:
    from usassist.core.models.int8 import PackedMatrix
    from usassist.core.models.precision import FrozenMatrix

# Tokens that an MLP takes at a time: at width 768 their hidden values fill a core's second-level cache.
_ROWS = 256

QUICK_GELU_GAIN = 1.702


def replace_in(visual: nn.Module) -> int:
    """Replace torch's attention and QuickGELU in open_clip's plain blocks, in place; returns in how many blocks.

    Parameters stay the same objects under the same names, and answers change by rounding alone.
    """
    plain = imported_classes("open_clip.transformer.ResidualAttentionBlock")
    blocks: list[Any] = [block for block in visual.modules() if type(block) in plain]
    for block in blocks:
        # A block that attends from one sequence to another normalises the other one too.
        if type(block.attn) is nn.MultiheadAttention and not hasattr(block, "ln_1_kv"):
            block.attn = SelfAttention(block.attn)
        if type(block.mlp.gelu) in imported_classes("open_clip.transformer.QuickGELU"):
            block.mlp.gelu = QuickGelu()
        block.mlp = ChunkedMlp(OrderedDict(block.mlp.named_children()))
    return len(blocks)


class SelfAttention(nn.Module):
    """torch's MultiheadAttention of one sequence with itself, without dropout, under its parameter names.

    torch turns tokens and batch round first; where gradients are wanted, it then projects token by token, and a
    training step of a ViT-B/16 takes twice as long on a CPU. `low` is what projects in a lower precision, if anything
    does (`precision.lower`).
    """

    low: "FrozenMatrix | PackedMatrix | None"

    def __init__(self, given: nn.MultiheadAttention) -> None:
        """Take over the parameters of torch's."""
        super().__init__()
        self.in_proj_weight, self.in_proj_bias, self.out_proj = given.in_proj_weight, given.in_proj_bias, given.out_proj
        self.num_heads, self.batch_first = given.num_heads, given.batch_first
        self.low = None

    def forward(self, query: Tensor, key: Tensor, value: Tensor, **options: Any) -> tuple[Tensor, None]:
        """Return what each token gathered, in the layout of `query`, and None where torch's may return weights."""
        require_self_attention(query, key, value, **options)
        x = query if self.batch_first else query.transpose(0, 1)
        out: Tensor = self.out_proj(self.attend(*self.project(x)))
        return (out if self.batch_first else out.transpose(0, 1)), None

    def _load_from_state_dict(self, *args: Any) -> None:
        super()._load_from_state_dict(*args)
        refresh = getattr(self.low, "refresh", None)  # nothing is loaded into what was packed for work
        if refresh is not None:
            refresh(self.in_proj_weight)

    def project(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return queries, keys and values, each (B, N, C), of tokens (B, N, C)."""
        if self.low is not None:
            out: Tensor = self.low(x, self.in_proj_bias)
            return out.chunk(3, dim=-1)
        return F.linear(x, self.in_proj_weight, self.in_proj_bias).chunk(3, dim=-1)

    def attend(self, *projected: Tensor) -> Tensor:
        """Return what each token gathered, (B, N, C), from queries, keys and values of that shape."""
        q, k, v = (part.unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for part in projected)
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


def require_self_attention(
    query: Tensor, key: Tensor, value: Tensor, *, need_weights: bool = False, attn_mask: object = None
) -> None:
    """Raise ModelError for what no image tower asks for: another sequence, a mask, the weights."""
    if key is not query or value is not query or need_weights or attn_mask is not None:
        raise ModelError("An image tower's tokens attend to each other, without a mask and without giving weights.")


class ChunkedMlp(nn.Sequential):
    """A block's MLP; where no gradient is wanted it runs through some tokens at a time.

    What is four times as wide as the tokens then stays in the processor's cache, and is never there as a whole.
    """

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled() or x.device.type != "cpu":
            out: Tensor = super().forward(x)
            return out
        rows = x.flatten(0, -2)
        return torch.cat([super(ChunkedMlp, self).forward(part) for part in rows.chunk(-(-len(rows) // _ROWS))]).view(
            x.shape
        )


class QuickGelu(nn.Module):
    """OpenAI's x * sigmoid(1.702 x), as a SiLU: for the gradient it keeps one map instead of two."""

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(x * QUICK_GELU_GAIN, inplace=not torch.is_grad_enabled()).div_(QUICK_GELU_GAIN)
