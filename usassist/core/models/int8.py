"""Products with frozen int8 weights on a CPU: rows are rounded to int8 too, each by its own scale.

The frozen half of SwitchBack (Wortsman et al. 2023, arXiv 2304.13013), made for training CLIP: what learns stays in
float32, and so does every sum.
"""

import functools
import platform
from typing import Any

import torch
from torch import Tensor, nn

# Rows of a product done at a time: quantised, multiplied and scaled while they lie in the processor's cache.
_ROWS = 256


def quantised(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return a scale for each output (out), and the weight (out, in) in int8."""
    scale = weight.float().abs().amax(1).clamp_min(1e-30) / 127
    return scale, (weight.float() / scale[:, None]).round_().to(torch.int8).contiguous()


def _peak(rows: Tensor) -> Tensor:
    """Return each row's largest magnitude (N, 1), never 0."""
    return torch.maximum(rows.amax(1, keepdim=True), -rows.amin(1, keepdim=True)).clamp_min_(1e-30)


class Int8Product(torch.autograd.Function):
    """x @ (copy * scale).T + bias with `copy` (out, in) int8; the gradient's product with it is one of int8 too."""

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
        peak = _peak(wide)
        whole = (wide * (127 / peak)).round_().to(torch.int8)
        target.copy_(torch._int_mm(whole, matrix)).mul_(peak / 127)
        if bias is not None and scale is not None:
            torch.addcmul(bias, target, scale, out=target)
        elif scale is not None:
            target.mul_(scale)
    return out.view(*x.shape[:-1], matrix.shape[1]).to(x.dtype)


class PackedMatrix(nn.Module):
    """A frozen weight (out, in) as oneDNN keeps an int8 one: for work alone, without a gradient.

    oneDNN scales and widens each product while it writes it, which saves two passes over the widest maps. It keeps the
    weight in a form of its own, so this can be neither copied nor pickled.
    """

    packed: Tensor
    scale: Tensor
    zero: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        scale, whole = quantised(weight)
        self.register_buffer("packed", torch.ops.onednn.qlinear_prepack(whole, None), persistent=False)
        self.register_buffer("scale", scale, persistent=False)
        self.register_buffer("zero", torch.zeros(len(scale), dtype=torch.int64), persistent=False)

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Return x @ weight.T + bias, float32."""
        rows = x.reshape(-1, x.shape[-1])
        whole = torch.empty(rows.shape, dtype=torch.int8)
        scale = torch.empty(len(rows), 1)
        for part, target, peak in zip(*(each.split(_ROWS) for each in (rows, whole, scale)), strict=True):
            torch.div(_peak(part), 127, out=peak)
            target.copy_((part * (1 / peak)).round_())
        out = _onednn_product(whole, self.packed, self.scale, self.zero)
        out = out.mul_(scale) if bias is None else torch.addcmul(bias, out, scale, out=out)
        return out.view(*x.shape[:-1], len(self.scale))


def _onednn_product(whole: Tensor, packed: Tensor, scale: Tensor, zero: Tensor) -> Tensor:
    """Return whole @ matrix.T * scale in float32. `whole` int8 is given away."""
    # oneDNN is fast with unsigned rows alone: flipping the sign bit adds 128, which then stands for 0.
    unsigned = whole.view(torch.uint8).bitwise_xor_(128)
    out: Tensor = torch.ops.onednn.qlinear_pointwise(
        unsigned, 1.0, 128, packed, scale, zero, None, 1.0, 0, torch.float32, "none", [], ""
    )
    return out


@functools.cache
def multiplies_packed() -> bool:
    """Return whether oneDNN's packed int8 product is there, and exact on this processor."""
    if platform.machine().lower() not in ("x86_64", "amd64") or not hasattr(torch.ops.onednn, "qlinear_pointwise"):
        return False
    whole, matrix = torch.full((1, 64), 127, dtype=torch.int8), torch.full((1, 64), 127, dtype=torch.int8)
    packed = torch.ops.onednn.qlinear_prepack(matrix, None)
    found = _onednn_product(whole, packed, torch.ones(1), torch.zeros(1, dtype=torch.int64))
    return bool(found.item() == 64 * 127 * 127)


@functools.cache
def multiplies_int8() -> bool:
    """Return whether int8 products are exact here: old processors add pairs of them in 16 bits, which is too few."""
    large = torch.full((32, 64), 127, dtype=torch.int8)
    return bool((torch._int_mm(large, large.T) == 64 * 127 * 127).all())
