"""Variants of the Mona adapter: noise-gated, frequency, and both (Hybrid Tuning of NextGen-UIA, arXiv 2506.08849).

All start as the identity, as the baseline does.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from usassist.core.models.mona import Mona

Variant = Literal["baseline", "noise_gated", "frequency", "hybrid"]
_GATE_HIDDEN = 16
_KNOTS = 5


class NoiseGate(nn.Module):
    """Weights for the three convolutions of an adapter, from what the whole map looks like."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, _GATE_HIDDEN)
        self.excite = nn.Linear(_GATE_HIDDEN, 3)

    def forward(self, grid: Tensor) -> Tensor:
        """Return weights (B, 3), each row positive and of sum 1, for maps (B, channels, h, w)."""
        logits: Tensor = self.excite(F.relu(self.squeeze(grid.mean(dim=(2, 3)))))
        return logits.softmax(dim=1)


class FrequencyGain(nn.Module):
    """A learned gain for each channel and each spatial frequency, 1 everywhere at the start.

    `gain` (channels, 5, 5) holds the gains at the vertical and horizontal frequencies 0, 1/8, 1/4, 3/8 and 1/2 cycles a
    patch, interpolated between them: any grid size will do, and depth and width, which ultrasound resolves differently,
    are told apart. The published filter had one number a channel for all frequencies, which is no filter (P-N6).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels, _KNOTS, _KNOTS))

    def forward(self, grid: Tensor) -> Tensor:
        """Return the filtered maps (B, channels, h, w) float32; the filter is real, so nothing is shifted."""
        height, width = grid.shape[-2:]
        with torch.autocast(grid.device.type, enabled=False):  # it would round the gains to steps of 1/128
            spectrum = torch.fft.rfft2(grid.float(), norm="ortho")
            return torch.fft.irfft2(spectrum * self.response(height, width), s=(height, width), norm="ortho")

    def response(self, height: int, width: int) -> Tensor:
        """Return the gains (channels, height, width // 2 + 1) in the order of torch.fft.rfft2."""
        rows = _hats(torch.fft.fftfreq(height, device=self.gain.device))
        cols = _hats(torch.fft.rfftfreq(width, device=self.gain.device))
        return rows @ self.gain.float() @ cols.T


def _hats(frequencies: Tensor) -> Tensor:
    """Return how much each knot (N, 5) counts at some frequencies (N,) in cycles a sample, of either sign."""
    position = frequencies.abs() * 2 * (_KNOTS - 1)
    knots = torch.arange(_KNOTS, device=frequencies.device)
    return (1 - (position[:, None] - knots).abs()).clamp(min=0)


class NoiseGatedMona(Mona):
    """Mona whose three convolutions are weighted by a gate instead of averaged."""

    def __init__(self, width: int, *, bottleneck: int = 64, dropout: float = 0.1) -> None:
        super().__init__(width, bottleneck=bottleneck, dropout=dropout)
        self.gate = NoiseGate(bottleneck)

    def filtered(self, grid: Tensor) -> Tensor:
        weights = self.gate(grid)
        kernels, biases = self.kernels()
        batch, channels, height, width = grid.shape
        # Each image has kernels of its own; as groups of one wide image they are still one convolution.
        kernel = torch.einsum("bk,kcoyx->bcoyx", weights, kernels).flatten(0, 1)
        wide = grid.reshape(1, batch * channels, height, width)
        out = F.conv2d(wide, kernel, (weights @ biases).flatten(), padding=3, groups=batch * channels)
        return out.reshape(grid.shape)


class FrequencyMona(Mona):
    """Mona whose convolutions see the map through a learned frequency filter; the skip beside them does not."""

    def __init__(self, width: int, *, bottleneck: int = 64, dropout: float = 0.1) -> None:
        super().__init__(width, bottleneck=bottleneck, dropout=dropout)
        self.frequency = FrequencyGain(bottleneck)

    def filtered(self, grid: Tensor) -> Tensor:
        return super().filtered(self.frequency(grid))


class HybridMona(NoiseGatedMona):
    """Both: the gate and its convolutions see the filtered map."""

    def __init__(self, width: int, *, bottleneck: int = 64, dropout: float = 0.1) -> None:
        super().__init__(width, bottleneck=bottleneck, dropout=dropout)
        self.frequency = FrequencyGain(bottleneck)

    def filtered(self, grid: Tensor) -> Tensor:
        return super().filtered(self.frequency(grid))


VARIANTS: dict[Variant, type[Mona]] = {
    "baseline": Mona,
    "noise_gated": NoiseGatedMona,
    "frequency": FrequencyMona,
    "hybrid": HybridMona,
}
