"""Mona adapters (Yin et al. 2024; NextGen-UIA, arXiv 2506.08849): small trainable filters beside a frozen backbone."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Mona(nn.Module):
    """One adapter over a grid of visual features.

    Works on tokens (B, prefix + h*w, C) and keeps the prefix (class) tokens untouched, or on maps (B, C, h, w).
    The up-projection starts at zero, so a fresh adapter is the identity: a random start would turn the pretrained
    features by about 50 degrees. 111,872 parameters at width 768 and bottleneck 64.
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
        prefix = x.shape[1] - grid[0] * grid[1]
        adapted = self._adapt(x[:, prefix:], *grid)
        return torch.cat([x[:, :prefix], adapted], dim=1) if prefix else adapted

    def _adapt(self, tokens: Tensor, height: int, width: int) -> Tensor:
        scaled = self.norm(tokens) * self.gamma + tokens * self.gammax
        grid = self.down(scaled).transpose(1, 2).reshape(tokens.shape[0], -1, height, width)
        mixed = (self.conv3(grid) + self.conv5(grid) + self.conv7(grid)) / 3 + grid
        mixed = mixed + self.mix(mixed)
        out: Tensor = self.up(self.dropout(F.gelu(mixed)).flatten(2).transpose(1, 2))
        return tokens + out


class AdaptedBlock(nn.Module):
    """A transformer block and its adapter; `batch_first` is False for blocks that take (tokens, batch, width)."""

    def __init__(self, block: nn.Module, adapter: Mona, *, batch_first: bool = True) -> None:
        super().__init__()
        self.block = block
        self.adapter = adapter
        self.batch_first = batch_first

    def forward(self, x: Tensor, *args: object, **kwargs: object) -> Tensor:
        out: Tensor = self.block(x, *args, **kwargs)
        if self.batch_first:
            return self.adapter(out)
        return self.adapter(out.transpose(0, 1)).transpose(0, 1)
