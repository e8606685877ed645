"""Frozen weights in a lower precision: what an image tower's blocks multiply with, in training and at work.

Only the large products change: those of frozen linear layers inside transformer blocks. Adapters, normalisations,
softmax, heads and everything that learns stay in float32, and so does the stream of tokens. `torch.autocast` is no
substitute: it turns frozen weights round again for every batch, which on a CPU costs more than it saves.
"""

import time
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from usassist.core.errors import ModelError
from usassist.core.models.adapt import ADAPTERS, transformer_blocks
from usassist.core.models.lean import SelfAttention

Precision = Literal["fp32", "bf16", "int8"]

# Rows of a product done at a time: quantised, multiplied and scaled while they lie in the processor's cache.
_ROWS = 256


class FrozenMatrix(nn.Module):
    """A copy of a frozen weight (out, in) in bfloat16, or in int8 with a scale for each output.

    int8 is the frozen half of SwitchBack (Wortsman et al. 2023, arXiv 2304.13013), made for training CLIP: each row of
    what it meets is scaled to -127..127, in the forward product and in that of the gradient. The copy is no part of the
    state dict.
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
        self.scale = weight.float().abs().amax(1).clamp_min(1e-30) / 127
        self.copy = (weight.float() / self.scale[:, None]).round_().to(torch.int8).contiguous()

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Return x @ weight.T + bias, of x's type; the gradient reaches x alone."""
        if self.precision == "bf16":
            added = None if bias is None else bias.to(torch.bfloat16)
            return F.linear(x.to(torch.bfloat16), self.copy, added).to(x.dtype)
        out: Tensor = _Int8Product.apply(x, self.copy, self.scale, bias)
        return out


class _Int8Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, copy: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(copy, scale)
        return _multiply(x, copy.T, scale=scale, bias=bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        copy, scale = ctx.saved_tensors
        return _multiply(gradients[0], copy, before=scale), None, None, None


def _multiply(
    x: Tensor, matrix: Tensor, *, before: Tensor | None = None, scale: Tensor | None = None, bias: Tensor | None = None
) -> Tensor:
    """Return (x * before) @ matrix * scale + bias, with an int8 matrix (in, out) and rows of x rounded to int8."""
    rows = x.reshape(-1, x.shape[-1])
    out = torch.empty(rows.shape[0], matrix.shape[1], dtype=torch.float32, device=x.device)
    for part, target in zip(rows.split(_ROWS), out.split(_ROWS), strict=True):
        wide = part.float() if before is None else part * before
        peak = torch.maximum(wide.amax(1, keepdim=True), -wide.amin(1, keepdim=True)).clamp_min_(1e-30)
        whole = (wide * (127 / peak)).round_().to(torch.int8)
        target.copy_(torch._int_mm(whole, matrix)).mul_(peak / 127)
        if bias is not None and scale is not None:
            torch.addcmul(bias, target, scale, out=target)
        elif scale is not None:
            target.mul_(scale)
    return out.view(*x.shape[:-1], -1).to(x.dtype)


class FrozenLinear(nn.Linear):
    """A frozen linear layer that multiplies with a copy of its weight; its parameters keep their names."""

    def __init__(self, given: nn.Linear, *, precision: Precision) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = given.in_features, given.out_features
        self.weight, self.bias = given.weight, given.bias
        self.low = FrozenMatrix(given.weight, precision=precision)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.low(x, self.bias)
        return out

    def _load_from_state_dict(self, *args: Any) -> None:
        super()._load_from_state_dict(*args)
        self.low.refresh(self.weight)


def lower(model: nn.Module, precision: Precision, *, keep: bool = True) -> int:
    """Let the frozen linear layers of a model's image blocks multiply in a lower precision; returns how many do.

    For training, call it after `adapt.select_trainable`: names and values in the state dict stay as they were. At work,
    `keep=False` gives the float32 weights away: less memory, but the model can be neither saved nor trained. 0 for
    "fp32" and for trunks without transformer blocks. Raises ModelError for int8 on another device than the CPU.
    """
    visual = model.get_submodule("encoder.clip.visual")
    if precision == "fp32":
        return 0
    if precision == "int8" and next(visual.parameters()).device.type != "cpu":
        raise ModelError("int8 is for CPUs; on this device use bf16.")
    layers = _frozen_layers(visual)
    count = len(layers)
    while layers:  # each float32 weight goes before the next copy is made
        parent, name, layer = layers.pop()
        if isinstance(layer, SelfAttention):
            layer.low = FrozenMatrix(layer.in_proj_weight, precision=precision)
            if not keep:
                layer.in_proj_weight = None  # type: ignore[assignment]
            continue
        lowered = FrozenLinear(layer, precision=precision)
        setattr(parent, name, lowered)
        if not keep:
            lowered.weight = None  # type: ignore[assignment]
    return count


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
    layers: Sequence[tuple[Precision, nn.Module]] = (
        ("fp32", linear),
        ("bf16", FrozenLinear(linear, precision="bf16")),
        ("int8", FrozenLinear(linear, precision="int8")),
    )
    best = dict.fromkeys((precision for precision, _ in layers), float("inf"))
    with torch.inference_mode():
        for turn in range(repeat + 1):
            for precision, layer in layers:
                started = time.perf_counter()
                layer(x)
                if turn:  # the first turn warms up
                    best[precision] = min(best[precision], time.perf_counter() - started)
    return {precision: 8 * rows * width**2 / seconds / 1e9 for precision, seconds in best.items()}
