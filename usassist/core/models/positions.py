"""Position embeddings of another grid: bicubic, as CLIP models are moved to other image sizes."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def is_position_table(name: str) -> bool:
    """Return whether a tensor of an image tower is a table of positions, by its name in the state dict."""
    return name.endswith(("visual.positional_embedding", "visual.attnpool.positional_embedding", "trunk.pos_embed"))


def resize_positions(table: Tensor, rows: int) -> Tensor:
    """Return a table of positions (N, C) or (1, N, C) for `rows` positions instead of N, bicubic with antialiasing.

    Both N and `rows` count a square grid and perhaps one class token before it, which keeps its row. A table of `rows`
    positions is returned as it is. Raises ValueError where a count is neither.
    """
    batched = table if table.ndim == 3 else table[None]
    count = batched.shape[1]
    if count == rows:
        return table
    before, after = _split(count), _split(rows)
    if before[0] != after[0]:
        raise ValueError(f"{count} positions and {rows} do not have the same number of class tokens.")
    prefix, side = before
    grid = batched[:, prefix:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
    resized = F.interpolate(grid.float(), size=(after[1], after[1]), mode="bicubic", antialias=True)
    patches = resized.to(table.dtype).permute(0, 2, 3, 1).reshape(1, rows - prefix, -1)
    out = torch.cat([batched[:, :prefix], patches], dim=1)
    return out if table.ndim == 3 else out[0]


def _split(count: int) -> tuple[int, int]:
    """Return (class tokens, side of the grid)."""
    for prefix in (1, 0):
        side = math.isqrt(count - prefix)
        if side * side == count - prefix and side > 0:
            return prefix, side
    raise ValueError(f"{count} positions are no square grid, with or without a class token.")
