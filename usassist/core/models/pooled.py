"""NextGen-UIA's classification head: the pyramid's fused map, pooled, and one or two linear layers."""

from torch import Tensor, nn

from usassist.core.models.clip import ImageFeatures
from usassist.core.models.pyramid import Fusion, PyramidFusion


class PooledHead(nn.Module):
    """Class logits (B, K) from the mean of the fused map.

    `hidden` 0 is one linear layer behind dropout: the publication's first version (there a 1x1 convolution and then
    the mean, which is the same) and its BiomedCLIP form (dropout 0.5). With `hidden` units it is its later OpenAI form:
    Linear, ReLU, dropout, Linear.
    """

    def __init__(
        self,
        tap_channels: tuple[int, ...],
        *,
        classes: int,
        width: int,
        fusion: Fusion,
        hidden: int = 0,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.fuse = PyramidFusion(tap_channels, width=width, fusion=fusion)
        self.classify = (
            nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, classes))
            if hidden
            else nn.Sequential(nn.Dropout(dropout), nn.Linear(width, classes))
        )

    def forward(self, features: ImageFeatures) -> Tensor:
        """Return the class logits (B, K) of B images."""
        out: Tensor = self.classify(self.fuse(features.taps).mean(dim=(2, 3)))
        return out
