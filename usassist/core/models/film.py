"""Feature-wise linear modulation (Perez et al. 2018), as CLIPSeg conditions its decoder on a text."""

from torch import Tensor, nn


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
        places = (1,) * (x.ndim - 2)
        scale, shift = (layer(condition).unflatten(-1, (-1, *places)) for layer in (self.scale, self.shift))
        return x * (1 + scale) + shift
