"""Feature-wise linear modulation (Perez et al. 2018), as CLIPSeg conditions its decoder on a text."""

from torch import Tensor, nn


class Film(nn.Module):
    """Scale and shift the channels of a map (B, C, h, w) by a condition (B, D); starts as the identity."""

    def __init__(self, condition: int, channels: int) -> None:
        super().__init__()
        self.scale = nn.Linear(condition, channels)
        self.shift = nn.Linear(condition, channels)
        for layer in (self.scale, self.shift):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        return x * (1 + self.scale(condition)[..., None, None]) + self.shift(condition)[..., None, None]
