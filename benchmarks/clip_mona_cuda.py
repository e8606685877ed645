"""What clip_mona_step.py measures on a CUDA device: the share of the bf16 matrix peak, and one image's latency.

Good: at least 35 % of the peak in a training step of ViT-B/16 + Mona + pyramid head at batch 64, at most 4 ms for one
image with a captured graph. The peak is what this device reaches on one large bf16 product, not a data sheet's number;
the operations of a step are counted by torch. On a CPU the same functions run small, so that they are tested.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from common import table, verdict
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from usassist.core.models import adapt, precision
from usassist.core.models.build import build_segmenter
from usassist.core.models.config import ModelConfig
from usassist.core.models.segmenter import Segmenter
from usassist.core.training import losses

_SHARE, _LATENCY_MS = 0.35, 4.0


def measure(config: ModelConfig, *, device: str = "cuda", batch: int = 64, repeat: int = 20) -> dict[str, Any]:
    """Measure, print and return both."""
    target = torch.device(device)
    peak = matrix_peak(target, size=8192 if target.type == "cuda" else 256, repeat=repeat)
    seconds, operations = training_step(config, target, batch=batch, repeat=repeat)
    milliseconds, how = latency(config, target, repeat=10 * repeat)
    share = operations / seconds / peak
    rows = [
        ("training, TFLOP/s", operations / seconds / 1e12, "", ""),
        ("bf16 matrix peak, TFLOP/s", peak / 1e12, "", ""),
        ("share of the peak", share, f">= {_SHARE}", "ok" if share >= _SHARE else "MISSED"),
        ("images/s in training", batch / seconds, "", ""),
        (f"latency of one image, ms, {how}", milliseconds, f"<= {_LATENCY_MS}", verdict(milliseconds, _LATENCY_MS)),
    ]
    name = torch.cuda.get_device_name(target) if target.type == "cuda" else "CPU"
    table(f"{name}, batch {batch}", ("what", "measured", "target", ""), rows)
    return {"device": name, "share_of_peak": share, "latency_ms": milliseconds, "images_s": batch / seconds}


def matrix_peak(device: torch.device, *, size: int, repeat: int) -> float:
    """Return the operations a second of a size x size bf16 product, the best of several."""
    left, right = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    return 2 * size**3 / min(_seconds(lambda: left @ right, device, repeat))


def training_step(config: ModelConfig, device: torch.device, *, batch: int, repeat: int) -> tuple[float, float]:
    """Return the median seconds of a step as `usassist-train segment --set precision=bf16` takes it, and its FLOPs."""
    model = build_segmenter(config).to(device)
    adapt.select_trainable(model, config.adapter, trainable="adapters")
    precision.lower(model, "bf16")
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    size = config.preprocess.size
    images, truth = torch.randn(batch, 3, size, size, device=device), torch.rand(batch, size, size, device=device) > 0.5
    adapt.training_mode(model)

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16):
            logits = _logits(model, images).float()
        loss = losses.class_dice_loss(logits, truth.long(), squared=True) + losses.cross_entropy(logits, truth.long())
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    with FlopCounterMode(display=False) as counter:
        step()
    return float(np.median(_seconds(step, device, repeat))), float(counter.get_total_flops())


def latency(config: ModelConfig, device: torch.device, *, repeat: int) -> tuple[float, str]:
    """Return the median ms from one image to its logits, and how they were computed."""
    model = build_segmenter(config).to(device).eval().requires_grad_(requires_grad=False)
    precision.lower(model, "bf16", keep=False)
    image = torch.randn(1, 3, config.preprocess.size, config.preprocess.size, device=device)
    with torch.inference_mode():
        if device.type != "cuda":
            return float(np.median(_seconds(lambda: _logits(model, image), device, repeat))) * 1e3, "no graph"
        graph = torch.cuda.CUDAGraph()
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):  # libraries choose their kernels before anything is captured
            for _ in range(3):
                _logits(model, image)
        torch.cuda.current_stream().wait_stream(aside)
        with torch.cuda.graph(graph):
            _logits(model, image)
        return float(np.median(_seconds(graph.replay, device, repeat))) * 1e3, "captured graph"


def _logits(model: Segmenter, images: Tensor) -> Tensor:
    return model.decode(model.encode(images)).logits


def _seconds(work: Callable[[], object], device: torch.device, repeat: int) -> list[float]:
    """Return how long each call took until the device had finished it, after a few to warm up."""
    taken = []
    for turn in range(repeat + 3):
        started = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        if turn >= 3:
            taken.append(time.perf_counter() - started)
    return taken
