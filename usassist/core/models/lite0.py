"""EfficientNet-Lite0 (Tan and Le 2019; Google's "Lite" without squeeze-and-excitation) as a pyramid of maps.

Tensors have timm's names for `tf_efficientnet_lite0`, in which models are saved and ImageNet's weights are published.
timm itself would compute the same: importing it takes half a second.
"""

import math
from collections import OrderedDict
from typing import NamedTuple

from torch import Tensor, nn

from usassist.core.models.convolutions import PointwiseConv, SameConv


class _Stage(NamedTuple):
    kernel: int
    stride: int
    expansion: int
    channels: int
    repeats: int


_STEM = 32
_STAGES = (
    _Stage(3, 1, 1, 16, 1),
    _Stage(3, 2, 6, 24, 2),
    _Stage(5, 2, 6, 40, 2),
    _Stage(3, 2, 6, 80, 3),
    _Stage(5, 1, 6, 112, 3),
    _Stage(5, 2, 6, 192, 4),
    _Stage(3, 1, 6, 320, 1),
)
_LAST_OF_STRIDE = (0, 1, 2, 4, 6)
_EPSILON = 1e-3  # TensorFlow's


class Residual(nn.Sequential):
    """Layers in order; what went in is added to what comes out where the shape stays."""

    def __init__(self, layers: "OrderedDict[str, nn.Module]", *, adds: bool) -> None:
        super().__init__(layers)
        self.adds = adds

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = super().forward(x)
        return out + x if self.adds else out


class Lite0(nn.Sequential):
    """The network without its classifier: a stem and seven stages, run in order.

    Gives maps (B, C, h, w) at strides 2, 4, 8, 16 and 32, with C as in `channels`. It starts as timm's does: normal
    weights for the fan out.
    """

    conv_stem: nn.Conv2d
    bn1: nn.BatchNorm2d
    blocks: nn.Sequential

    def __init__(self) -> None:
        layers = _convolved("conv_stem", _spatial(3, _STEM, kernel=3, stride=2, groups=1), "bn1", "act1")
        stages, inputs = [], _STEM
        for stage in _STAGES:
            strides = (stage.stride, *(1 for _ in range(stage.repeats - 1)))
            widths = (inputs, *(stage.channels for _ in strides[1:]))
            stages.append(
                nn.Sequential(*(_block(width, stage, stride) for width, stride in zip(widths, strides, strict=True)))
            )
            inputs = stage.channels
        super().__init__(layers | OrderedDict(blocks=nn.Sequential(*stages)))
        self.channels = tuple(_STAGES[index].channels for index in _LAST_OF_STRIDE)
        self.feature_info = [
            {"module": f"blocks.{index}", "num_chs": _STAGES[index].channels} for index in _LAST_OF_STRIDE
        ]
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan_out = math.prod(module.kernel_size) * module.out_channels // module.groups
                nn.init.normal_(module.weight, 0, math.sqrt(2.0 / fan_out))

    def forward(self, x: Tensor) -> list[Tensor]:
        *stem, _ = self
        for layer in stem:
            x = layer(x)
        maps = []
        for index, stage in enumerate(self.blocks):
            x = stage(x)
            if index in _LAST_OF_STRIDE:
                maps.append(x)
        return maps


def _block(inputs: int, stage: _Stage, stride: int) -> Residual:
    """Return a depth-wise convolution between 1 x 1 ones; where nothing is expanded there is none before it."""
    inner = inputs * stage.expansion
    depthwise = _spatial(inner, inner, kernel=stage.kernel, stride=stride, groups=inner)
    narrow = PointwiseConv(inner, stage.channels, bias=False)
    if stage.expansion == 1:
        layers = _convolved("conv_dw", depthwise, "bn1", "act1") | _convolved("conv_pw", narrow, "bn2")
    else:
        wide = PointwiseConv(inputs, inner, bias=False)
        layers = _convolved("conv_pw", wide, "bn1", "act1") | _convolved("conv_dw", depthwise, "bn2", "act2")
        layers |= _convolved("conv_pwl", narrow, "bn3")
    return Residual(layers, adds=stride == 1 and inputs == stage.channels)


def _spatial(inputs: int, outputs: int, *, kernel: int, stride: int, groups: int) -> nn.Conv2d:
    if stride == 1:
        return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=False)
    return SameConv(inputs, outputs, kernel, stride=stride, groups=groups, bias=False)


def _convolved(name: str, conv: nn.Conv2d, norm: str, act: str | None = None) -> "OrderedDict[str, nn.Module]":
    """Return a convolution, its normalisation and, where it is named, its activation by their names."""
    layers = OrderedDict[str, nn.Module]({name: conv, norm: nn.BatchNorm2d(conv.out_channels, eps=_EPSILON)})
    if act is not None:
        layers[act] = nn.ReLU6(inplace=True)
    return layers
