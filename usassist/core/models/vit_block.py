"""A ViT's pre-norm transformer block (Dosovitskiy et al. 2021), with timm's names for its tensors."""

from torch import Tensor, nn
from torch.nn import functional as F

_EPSILON = 1e-6


class Attention(nn.Module):
    """Multi-head attention of tokens (B, N, C) to each other."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        out: Tensor = self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return out


class Mlp(nn.Module):
    """Two linear layers with a GELU between them, token by token."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return out


class Block(nn.Module):
    """Attention and MLP, each behind a normalisation and beside a shortcut; tokens (B, N, C) in and out."""

    def __init__(self, width: int, heads: int, *, mlp_ratio: float) -> None:
        """Raise ValueError where the heads do not divide the width."""
        super().__init__()
        if width % heads:
            raise ValueError(f"{heads} heads do not divide a width of {width}")
        self.norm1 = nn.LayerNorm(width, eps=_EPSILON)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=_EPSILON)
        self.mlp = Mlp(width, int(width * mlp_ratio))

    def forward(self, x: Tensor) -> Tensor:
        return self.mlp_half(self.attention_half(x))

    def attention_half(self, x: Tensor) -> Tensor:
        """Return the tokens behind the attention's shortcut."""
        out: Tensor = x + self.attn(self.norm1(x))
        return out

    def mlp_half(self, x: Tensor) -> Tensor:
        """Return the tokens behind the MLP's shortcut."""
        out: Tensor = x + self.mlp(self.norm2(x))
        return out
