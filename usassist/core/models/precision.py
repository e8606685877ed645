"""Frozen weights in a lower precision: what an image tower's blocks multiply with, in training and at work.

Only the large products change: those of frozen linear layers inside transformer blocks. Adapters, normalisations,
softmax, heads and everything that learns stay in float32, and so does the stream of tokens. `torch.autocast` is no
substitute: it turns frozen weights round again for every batch, which on a CPU costs more than it saves.
"""

import time
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from usassist.core.errors import ModelError
from usassist.core.models.adapt import ADAPTERS, transformer_blocks
from usassist.core.models.config import Precision
from usassist.core.models.int8 import Int8Product, PackedMatrix, multiplies_int8, multiplies_packed, quantised
from usassist.core.models.lean import SelfAttention


class FrozenMatrix(nn.Module):
    """A copy of a frozen weight (out, in) in bfloat16, or in int8 with a scale for each output (`int8.py`).

    The copy is no part of the state dict.
    """

    copy: Tensor
    scale: Tensor

    def __init__(self, weight: Tensor, *, precision: Precision) -> None:
        super().__init__()
        self.precision = precision
        self.register_buffer("copy", None, persistent=False)
        self.register_buffer("scale", None, persistent=False)
        self.refresh(weight)

    @torch.no_grad()
    def refresh(self, weight: Tensor) -> None:
        """Take the copy anew, as after loading."""
        if self.precision == "bf16":
            self.copy, self.scale = weight.to(torch.bfloat16), weight.new_ones(())
            return
        self.scale, self.copy = quantised(weight)

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Return x @ weight.T + bias, of x's type; the gradient reaches x alone."""
        if self.precision == "bf16":
            added = None if bias is None else bias.to(torch.bfloat16)
            return F.linear(x.to(torch.bfloat16), self.copy, added).to(x.dtype)
        out: Tensor = Int8Product.apply(x, self.copy, self.scale, bias)
        return out


class FrozenLinear(nn.Linear):
    """A frozen linear layer that multiplies with a copy of its weight; its parameters keep their names."""

    def __init__(self, given: nn.Linear, *, low: FrozenMatrix | PackedMatrix) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = given.in_features, given.out_features
        self.weight, self.bias = given.weight, given.bias
        self.low = low

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.low(x, self.bias)
        return out

    def _load_from_state_dict(self, *args: Any) -> None:
        super()._load_from_state_dict(*args)
        if isinstance(self.low, FrozenMatrix):
            self.low.refresh(self.weight)


def lower(model: nn.Module, precision: Precision, *, keep: bool = True) -> int:
    """Let the frozen linear layers of a model's image blocks multiply in a lower precision; returns how many do.

    For training, call it after `adapt.select_trainable`: names and values in the state dict stay as they were. At work,
    `keep=False` gives the float32 weights away: less memory, but the model can be neither saved nor trained. 0 for
    "fp32" and for trunks without transformer blocks. Raises ModelError for int8 without exact products of it.
    """
    visual = model.get_submodule("encoder.clip.visual")
    if precision == "fp32":
        return 0
    if precision == "int8":
        _require_int8(next(visual.parameters()).device)
    layers = _frozen_layers(visual)
    count = len(layers)
    while layers:  # each float32 weight goes before the next copy is made
        parent, name, layer = layers.pop()
        if isinstance(layer, SelfAttention):
            layer.low = _matrix(layer.in_proj_weight, precision=precision, keep=keep)
            if not keep:
                layer.in_proj_weight = None  # type: ignore[assignment]
            continue
        lowered = FrozenLinear(layer, low=_matrix(layer.weight, precision=precision, keep=keep))
        setattr(parent, name, lowered)
        if not keep:
            lowered.weight = None  # type: ignore[assignment]
    return count


def _matrix(weight: Tensor, *, precision: Precision, keep: bool) -> FrozenMatrix | PackedMatrix:
    if precision == "int8" and not keep and multiplies_packed():
        return PackedMatrix(weight)
    return FrozenMatrix(weight, precision=precision)


def _require_int8(device: torch.device) -> None:
    if device.type != "cpu":
        raise ModelError("int8 is for CPUs; on this device use bf16.")
    if not multiplies_int8():
        raise ModelError("This processor rounds int8 products (it has no VNNI or dot product); use fp32.")


def _frozen_layers(visual: nn.Module) -> list[tuple[nn.Module, str, nn.Linear | SelfAttention]]:
    """Return the frozen linear layers and projections of the blocks, adapters left out, with where they hang."""
    found: list[tuple[nn.Module, str, nn.Linear | SelfAttention]] = []
    waiting: list[nn.Module] = list(transformer_blocks(visual))
    while waiting:
        parent = waiting.pop()
        for name, child in parent.named_children():
            if isinstance(child, ADAPTERS):
                continue
            waiting.append(child)
            plain = type(child) in (nn.Linear, nn.modules.linear.NonDynamicallyQuantizableLinear)
            if (plain or isinstance(child, SelfAttention)) and not any(
                parameter.requires_grad for parameter in child.parameters(recurse=False)
            ):
                found.append((parent, name, child))  # type: ignore[arg-type]
    return found


def speeds(*, rows: int = 788, width: int = 768, repeat: int = 5) -> dict[Precision, float]:
    """Return how many billion operations a second this CPU does in each precision, on a ViT-B's largest product.

    Takes a fraction of a second. bfloat16 is the fastest where the processor has AMX or Arm's BF16 instructions; with
    AVX-512's alone it may be slower than float32.
    """
    x, linear = torch.randn(rows, width), nn.Linear(width, 4 * width).requires_grad_(requires_grad=False)
    kinds: list[Precision] = ["bf16", "int8"] if multiplies_int8() else ["bf16"]
    layers: dict[Precision, nn.Module] = {"fp32": linear}
    layers |= {kind: FrozenLinear(linear, low=_matrix(linear.weight, precision=kind, keep=False)) for kind in kinds}
    best = dict.fromkeys(layers, float("inf"))
    with torch.inference_mode():
        for turn in range(repeat + 1):
            for precision, layer in layers.items():
                started = time.perf_counter()
                layer(x)
                if turn:  # the first turn warms up
                    best[precision] = min(best[precision], time.perf_counter() - started)
    return {precision: 8 * rows * width**2 / seconds / 1e9 for precision, seconds in best.items()}
