"""Clicks, a box and a previous mask as maps that a decoder reads beside the image's features."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from usassist.core.geometry.resize import resized

Floats = npt.NDArray[np.float32]
Point = tuple[float, float]

PROMPT_CHANNELS = 6
"""Positive clicks near and wide, negative clicks near and wide, the box, the previous mask."""
NEAR, WIDE = 0.02, 0.08
"""Standard deviations of a click's two discs, as shares of the image's side."""
MOST_POINTS = 256
"""Of more clicks of one kind the latest count: nobody makes as many, and a file may hold any number."""


@dataclass(frozen=True, eq=False)
class SpatialPrompt:
    """What a person points at, in shares of the image's width and height: 0 is the left or upper border, 1 the other.

    `positive` and `negative` are clicks (x, y), `box` is (left, top, right, bottom), `previous` an HxW float32 map of
    probabilities, 0 to 1, of any size.
    """

    positive: tuple[Point, ...] = ()
    negative: tuple[Point, ...] = ()
    box: tuple[float, float, float, float] | None = None
    previous: Floats | None = None

    @property
    def is_empty(self) -> bool:
        """Return whether nothing is pointed at."""
        return not self.positive and not self.negative and self.box is None and self.previous is None


def prompt_maps(prompts: Sequence[SpatialPrompt], *, side: int) -> Tensor:
    """Return maps (B, PROMPT_CHANNELS, side, side) float32; all 0 for a prompt that points at nothing.

    Clicks are discs from 1 in the middle to 0; the box is 1 inside and -1 outside; the previous mask goes from -1
    (certainly outside) to 1.
    """
    if not prompts:
        return torch.zeros(0, PROMPT_CHANNELS, side, side)
    return torch.from_numpy(np.stack([_maps(prompt, side) for prompt in prompts]))


def _maps(prompt: SpatialPrompt, side: int) -> Floats:
    out = np.zeros((PROMPT_CHANNELS, side, side), dtype=np.float32)
    for channel, points in ((0, prompt.positive), (2, prompt.negative)):
        if points:
            out[channel], out[channel + 1] = _discs(points, side, NEAR), _discs(points, side, WIDE)
    if prompt.box is not None:
        left, top, right, bottom = prompt.box
        out[4] = 2 * np.outer(_covered(top, bottom, side), _covered(left, right, side)) - 1
    if prompt.previous is not None:
        out[5] = 2 * resized(prompt.previous, side) - 1
    return out


def _discs(points: Sequence[Point], side: int, spread: float) -> Floats:
    centres = (np.arange(side, dtype=np.float32) + 0.5) / side
    x, y = np.asarray(points[-MOST_POINTS:], dtype=np.float32).T
    across, down = (np.exp(-0.5 * ((centres[None] - at[:, None]) / spread) ** 2) for at in (x, y))
    out = np.zeros((side, side), dtype=np.float32)
    for column, row in zip(down, across, strict=True):  # one at a time: 256 maps at once take 268 MB at a side of 512
        np.maximum(out, column[:, None] * row[None], out=out)
    return out


def _covered(low: float, high: float, side: int) -> Floats:
    """Return which share of each of `side` cells lies between two places."""
    edges = np.arange(side + 1, dtype=np.float32) / side
    return np.clip(np.minimum(edges[1:], high) - np.maximum(edges[:-1], low), 0, None) * side
