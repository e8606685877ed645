"""A plain ResNet-18 (He et al. 2016) as trunk: a baseline for classes and, under a climbing head, for masks."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from usassist.core.models import torchvision_ops

torchvision_ops.prepare()

from timm.models import register_model  # noqa: E402  # only importable on a CPU-only machine after prepare()

_WIDTHS = (64, 128, 256, 512)


class ResNetTrunk(nn.Module):
    """A 7x7 stem and four stages of two basic blocks; maps at strides 2, 4, 8, 16 and 32.

    11,176,512 parameters, as many as torchvision's without its classifier. Made for open_clip's timm tower.
    """

    def __init__(self) -> None:
        super().__init__()
        self.channels = (_WIDTHS[0], *_WIDTHS)
        stem = nn.Sequential(nn.Conv2d(3, _WIDTHS[0], 7, stride=2, padding=3, bias=False), _norm(_WIDTHS[0]), nn.ReLU())
        first = nn.Sequential(nn.MaxPool2d(3, stride=2, padding=1), *_blocks(_WIDTHS[0], _WIDTHS[0], stride=1))
        rest = (nn.Sequential(*_blocks(a, b, stride=2)) for a, b in pairwise(_WIDTHS))
        self.stages = nn.ModuleList([stem, first, *rest])
        self.num_features = self.embed_dim = _WIDTHS[-1]
        self.default_cfg: dict[str, Any] = {"input_size": (3, 224, 224)}
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Do nothing: the trunk has no classifier; open_clip adds its own projection."""

    def forward_intermediates(
        self, x: Tensor, *, indices: Sequence[int] | None = None, **options: object
    ) -> tuple[Tensor, list[Tensor]]:
        """Return (the deepest map, the maps that `indices` names, all where None), each (B, C, h, w)."""
        maps: list[Tensor] = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return x, maps if indices is None else [maps[index] for index in indices]

    def forward_head(self, deepest: Tensor) -> Tensor:
        """Return the pooled features (B, C) of the deepest map."""
        return deepest.mean(dim=(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        deepest, _ = self.forward_intermediates(x)
        return self.forward_head(deepest)


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


@register_model  # type: ignore[untyped-decorator]
def usassist_resnet18(pretrained: bool = False, **kwargs: object) -> ResNetTrunk:
    """Build the trunk with random weights; an ImageNet start is the recipe's business."""
    return ResNetTrunk()
