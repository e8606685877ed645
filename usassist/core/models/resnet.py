"""A plain ResNet-18 (He et al. 2016) as trunk: a baseline for classes and, under a climbing head, for masks."""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from usassist.core.models.staged import StagedTrunk

_WIDTHS = (64, 128, 256, 512)


class ResNetTrunk(StagedTrunk):
    """A 7x7 stem and four stages of two basic blocks; maps at strides 2, 4, 8, 16 and 32.

    11,176,512 parameters, as many as torchvision's without its classifier.
    """

    def __init__(self) -> None:
        stem = nn.Sequential(nn.Conv2d(3, _WIDTHS[0], 7, stride=2, padding=3, bias=False), _norm(_WIDTHS[0]), nn.ReLU())
        first = nn.Sequential(nn.MaxPool2d(3, stride=2, padding=1), *_blocks(_WIDTHS[0], _WIDTHS[0], stride=1))
        rest = (nn.Sequential(*_blocks(a, b, stride=2)) for a, b in pairwise(_WIDTHS))
        super().__init__([stem, first, *rest], channels=(_WIDTHS[0], *_WIDTHS), size=224)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut, which is a strided 1x1 convolution where the size changes."""

    def __init__(self, inputs: int, width: int, *, stride: int) -> None:
        super().__init__()
        self.path = nn.Sequential(
            nn.Conv2d(inputs, width, 3, stride=stride, padding=1, bias=False),
            _norm(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            _norm(width),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != width:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, width, 1, stride=stride, bias=False), _norm(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.path(x) + self.shortcut(x))


def _blocks(inputs: int, width: int, *, stride: int) -> list[BasicBlock]:
    return [BasicBlock(inputs, width, stride=stride), BasicBlock(width, width, stride=1)]


def _norm(width: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width)
