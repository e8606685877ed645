"""Convolution and what follows it as one step of oneDNN, for work on a CPU: a map is written once and not twice.

torch has the operator for its compiler and calls it private: where it is missing or not exact, the plain modules stay.
"""

import copy
import functools
import logging
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from usassist.core.models.adapt import ADAPTERS
from usassist.core.models.convolutions import SameConv
from usassist.core.models.embedder import ClipModel
from usassist.core.models.resnet import ResNetTrunk
from usassist.core.models.trunk import ContextTrunk
from usassist.core.models.unet import UNetTrunk

logger = logging.getLogger(__name__)

_Steps = tuple[str, list[float]]
_STEPS: dict[type[nn.Module], _Steps] = {
    nn.Identity: ("none", []),
    nn.ReLU: ("relu", []),
    nn.ReLU6: ("hardtanh", [0.0, 6.0]),
}


class FusedConv(nn.Module):
    """A frozen float32 convolution and its activation, for inference on a CPU; answers as the two modules do.

    Single images are what a person waits for: for their size the weights are kept a second time, in the order in which
    oneDNN reads them, which is made anew when the size or the number of threads changes.
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(self, conv: nn.Conv2d, activation: nn.Module) -> None:
        super().__init__()
        self._steps = _STEPS[type(activation)]
        self._stride, self._dilation, self._groups = list(conv.stride), list(conv.dilation), conv.groups
        self._same = isinstance(conv, SameConv)
        self._padding = [side // 2 for side in conv.kernel_size] if self._same else [int(p) for p in conv.padding]
        # "SAME" pads one more behind than in front where the map's side is even. A kernel with zeros in front does so
        # too when both sides are padded alike, and no padded copy of the map is needed.
        weight = F.pad(conv.weight.detach(), (1, 0, 1, 0)) if self._same else conv.weight.detach()
        self.register_buffer("weight", weight.contiguous(memory_format=torch.channels_last), persistent=False)
        self.register_buffer("bias", None if conv.bias is None else conv.bias.detach(), persistent=False)
        self._ordered: tuple[object, Tensor] | None = None
        self._cut: tuple[FusedConv, FusedConv] | None = None

    def cut(self, last: int) -> "tuple[FusedConv, FusedConv]":
        """Return two convolutions, of the input's first channels and of its `last` ones, that add up to this one.

        Give the second's answer to the first as `plus`: maps that stay while others change are looked at once. Only for
        a dense convolution with a ReLU or none. The two are kept, and do not follow a move to another device.
        """
        if self._cut is None or self._cut[1].weight.shape[1] != last:
            self._cut = (
                self._part(slice(-last), bias=None, steps=self._steps),
                self._part(slice(-last, None), bias=self.bias, steps=_STEPS[nn.Identity]),
            )
        return self._cut

    def _part(self, channels: slice, *, bias: Tensor | None, steps: _Steps) -> "FusedConv":
        part = copy.copy(self)
        weight = self.weight[:, channels].contiguous(memory_format=torch.channels_last)
        part._buffers = {"weight": weight, "bias": bias}
        part._steps, part._ordered = steps, None
        return part

    def forward(self, x: Tensor, plus: Tensor | None = None) -> Tensor:
        """Return the activated convolution of maps (B, C, H, W), channels last; `plus` is added before activating."""
        x = x.contiguous(memory_format=torch.channels_last)
        weight = self.weight
        if self._same:
            weight = weight[:, :, x.shape[2] % 2 :, x.shape[3] % 2 :]
        if x.shape[0] == 1:
            weight = self._in_order(weight, x)
        name, bounds = self._steps
        how = self._padding, self._stride, self._dilation, self._groups
        out: Tensor
        if plus is None:
            out = torch.ops.mkldnn._convolution_pointwise(x, weight, self.bias, *how, name, bounds, "")
        else:
            then = None if name == "none" else name
            out = torch.ops.mkldnn._convolution_pointwise.binary(
                x, plus, weight, self.bias, *how, "add", 1.0, then, bounds, ""
            )
        return out

    def _in_order(self, weight: Tensor, x: Tensor) -> Tensor:
        # The order suits one size and number of threads; with another, oneDNN may fall back on a much slower way.
        suits = (x.shape, torch.get_num_threads())
        known = self._ordered  # looked at once: another thread may replace it
        if known is not None and known[0] == suits:
            return known[1]
        ordered: Tensor = torch.ops.mkldnn._reorder_convolution_weight(
            weight, self._padding, self._stride, self._dilation, self._groups, list(x.shape)
        )
        self._ordered = suits, ordered
        return ordered


def fuse_convolutions(model: ClipModel) -> int:
    """Fuse the convolutions of our own trunks and heads in place, after batch normalisations are folded.

    Returns how many: 0 where oneDNN's operator is missing or not exact. Answers change by rounding alone. An image
    tower that we did not build is left as it is: its modules may run in another order.
    """
    if not fuses():
        return 0
    parts: list[nn.Module | None] = [getattr(model, "head", None)]
    trunk = getattr(model.encoder.clip.visual, "trunk", None)
    if isinstance(trunk, ContextTrunk | UNetTrunk | ResNetTrunk):
        parts.append(trunk)
    return sum(_fuse_part(part) for part in parts if part is not None)


def _fuse_part(parent: nn.Module) -> int:
    count = 0
    children = list(parent.named_children())
    for index, (name, child) in enumerate(children):
        if isinstance(child, ADAPTERS):  # they compute with the weights of their convolutions
            continue
        if not isinstance(child, nn.Conv2d):
            count += _fuse_part(child)
        elif _can_be_fused(child):
            follower = _activation_after(children[index + 1 :]) if isinstance(parent, nn.Sequential) else None
            setattr(parent, name, FusedConv(child, nn.Identity() if follower is None else follower[1]))
            if follower is not None:
                setattr(parent, follower[0], nn.Identity())
            count += 1
    return count


def _activation_after(followers: list[tuple[str, nn.Module]]) -> tuple[str, nn.Module] | None:
    """Return the activation that is the next to do anything, None where something else is."""
    active = (each for each in followers if not isinstance(each[1], nn.Identity))
    found = next(active, None)
    return found if found is not None and type(found[1]) in _STEPS else None


def _can_be_fused(conv: nn.Conv2d) -> bool:
    if conv.weight.dtype != torch.float32 or conv.padding_mode != "zeros" or isinstance(conv.padding, str):
        return False
    if isinstance(conv, SameConv):
        return tuple(conv.stride) == (2, 2) and tuple(conv.dilation) == (1, 1) and all(k % 2 for k in conv.kernel_size)
    return True


@functools.cache
def fuses() -> bool:
    """Return whether oneDNN's fused convolution is there, and exact on this processor; says so in the log if not."""
    if not (torch.backends.mkldnn.is_available() and _has_operators()):
        logger.info("This torch has no fused convolution; the plain one is used.")
        return False
    try:
        with torch.inference_mode():
            exact = all(_is_exact(conv, activation) for conv, activation in _probes())
    except (RuntimeError, AttributeError) as error:  # a private operator: other versions may want other arguments
        logger.info("torch's fused convolution does not run here (%s); the plain one is used.", error)
        return False
    if not exact:
        logger.info("torch's fused convolution is not exact on this processor; the plain one is used.")
    return exact


def _has_operators() -> bool:
    wanted = ("_convolution_pointwise", "_reorder_convolution_weight")
    return all(hasattr(torch.ops.mkldnn, name) for name in wanted)


def _probes() -> Iterator[tuple[nn.Conv2d, nn.Module]]:
    """Yield a dense, a pointwise and a depth-wise convolution: oneDNN has a way of its own for each."""
    yield nn.Conv2d(8, 16, 3, padding=1), nn.ReLU()
    yield nn.Conv2d(8, 16, 1), nn.Identity()
    yield SameConv(16, 16, 5, stride=2, groups=16, bias=True), nn.ReLU6()


def _is_exact(conv: nn.Conv2d, activation: nn.Module) -> bool:
    """Compare with the two modules on small whole numbers, which every order of summing adds up alike."""
    for parameter in conv.parameters():
        parameter.copy_((torch.arange(parameter.numel()) % 5 - 2).view_as(parameter))
    fused = FusedConv(conv, activation)
    for batch, side in ((1, 16), (2, 15)):
        x = (torch.arange(batch * conv.in_channels * side * side) % 7 - 3).float()
        x = x.view(batch, conv.in_channels, side, side).contiguous(memory_format=torch.channels_last)
        expected = activation(conv(x))
        if not torch.equal(fused(x), expected):
            return False
        if conv.groups == 1:
            first, last = fused.cut(3)
            if not torch.equal(first(x[:, :-3], plus=last(x[:, -3:])), expected):
                return False
    return True
