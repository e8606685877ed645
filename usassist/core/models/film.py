"""Feature-wise linear modulation (Perez et al. 2018), as CLIPSeg conditions its decoder on a text."""

import torch
from torch import Tensor, nn

Modulation = tuple[Tensor, Tensor]


class Film(nn.Module):
    """Scale and shift the channels of maps (B, C, h, w) or sequences (B, C, n) by a condition (B, D).

    Starts as the identity.
    """

    def __init__(self, condition: int, channels: int) -> None:
        super().__init__()
        self.scale = nn.Linear(condition, channels)
        self.shift = nn.Linear(condition, channels)
        for layer in (self.scale, self.shift):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Return `x` modulated, in its own shape."""
        return modulated(x, self.modulation(condition))

    def modulation(self, condition: Tensor) -> Modulation:
        """Return what a condition (B, D) does to maps, whatever they are: the factor and the shift, each (B, C)."""
        return 1 + self.scale(condition), self.shift(condition)


def modulated(x: Tensor, modulation: Modulation) -> Tensor:
    """Return maps (B, C, h, w) or sequences (B, C, n) scaled and shifted."""
    factor, shift = (part.unflatten(-1, (-1, *(1,) * (x.ndim - 2))) for part in modulation)
    return torch.addcmul(shift, x, factor)
