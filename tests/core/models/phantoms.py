"""Speckle with discs in it, and a tower small enough to learn about them in seconds."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from usassist.core.models.config import AdapterConfig, EncoderConfig, HeadConfig, ModelConfig, PreprocessConfig

MEAN, STD = 0.45, 0.25
DARK, BRIGHT = "a cyst", "calcified nodule with bright echoes"


@dataclass(frozen=True)
class Scenes:
    """Images (B, 3, S, S), preprocessed, each with a dark and a bright disc on random sides; masks (B, 1, S, S)."""

    images: Tensor
    dark: Tensor
    bright: Tensor


def scenes(count: int, generator: torch.Generator, *, size: int = 64) -> Scenes:
    """Draw scenes: discs of 12 to 19 % of the side in radius, which never touch."""
    speckle = 0.45 * sum(torch.rand(2, count, 1, size, size, generator=generator))
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    first_left = torch.rand(count, generator=generator) < 0.5
    discs = []
    for left in (first_left, ~first_left):
        shift = 0.125 * torch.rand(count, generator=generator) - 0.0625
        centre_x = size * (torch.where(left, 0.25, 0.75) + shift)
        centre_y = size * (0.22 + 0.56 * torch.rand(count, generator=generator))
        radius = size * (0.125 + 0.0625 * torch.rand(count, generator=generator))
        inside = (x - centre_x[:, None, None]) ** 2 + (y - centre_y[:, None, None]) ** 2 < radius[:, None, None] ** 2
        discs.append(inside[:, None].float())
    dark, bright = discs
    grey = speckle * (1 - 0.8 * dark - 0.5 * bright) + 0.6 * bright
    return Scenes(((grey - MEAN) / STD).expand(-1, 3, -1, -1).contiguous(), dark, bright)


def tiny_config(folder: Path, head: HeadConfig, *, patch: int = 8, size: int = 64, **options: object) -> ModelConfig:
    """Describe a model on a ViT of two blocks, whose open_clip configuration is written to `folder`."""
    vision = {"image_size": size, "layers": 2, "width": 48, "head_width": 24, "patch_size": patch}
    text = {"context_length": 12, "vocab_size": 600, "width": 32, "heads": 2, "layers": 1}
    settings = {"embed_dim": 32, "vision_cfg": vision, "text_cfg": text}
    (folder / f"tiny-vit-{patch}.json").write_text(json.dumps(settings))
    return ModelConfig(
        *("phantom", "Phantom", EncoderConfig(f"tiny-vit-{patch}", (0, 1), (320,)), AdapterConfig("none"), head),
        PreprocessConfig(size=size, mean=(MEAN,), std=(STD,)),
        **options,  # type: ignore[arg-type]
    )


def teach(model: nn.Module, loss: Callable[[torch.Generator], Tensor], *, steps: int, lr: float) -> None:
    """Minimise what `loss` returns, a new batch at each step, then put the model into evaluation mode."""
    generator = torch.Generator().manual_seed(1)
    optimiser = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.01)
    model.train()
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = lr * min(1, (step + 1) / 20) * 0.5 * (1 + cos(pi * step / steps))
        optimiser.zero_grad()
        loss(generator).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    model.eval()


def mask_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Return soft Dice plus binary cross entropy of one object's log-odds at any size."""
    odds = F.interpolate(logits, size=truth.shape[-2:], mode="bilinear", align_corners=False)
    p = odds.sigmoid()
    dice = (2 * (p * truth).sum((1, 2, 3)) + 1) / (p.sum((1, 2, 3)) + truth.sum((1, 2, 3)) + 1)
    return (1 - dice).mean() + F.binary_cross_entropy_with_logits(odds, truth)


def mean_dice(odds: Tensor, truth: Tensor) -> float:
    """Return the mean Dice of the mask where the log-odds of one object are positive."""
    resized = F.interpolate(odds, size=truth.shape[-2:], mode="bilinear", align_corners=False)
    found = (resized > 0).float()
    return float((2 * (found * truth).sum((1, 2, 3)) / (found.sum((1, 2, 3)) + truth.sum((1, 2, 3)))).mean())
