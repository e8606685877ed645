import copy

import pytest
import torch
from torch import nn

from usassist.core.models import torchvision_ops
from usassist.core.models.convolutions import PointwiseConv, SameConv


@pytest.mark.parametrize("kernel", [2, 3, 5])
@pytest.mark.parametrize("side", [15, 16, 17])
def test_same_pads_as_timm_and_tensorflow_do(kernel, side) -> None:
    torchvision_ops.prepare()
    from timm.layers import Conv2dSame

    ours = SameConv(4, 6, kernel, stride=2, groups=2)
    theirs = Conv2dSame(4, 6, kernel, stride=2, groups=2)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 4, side, 20)
    assert torch.equal(ours(x), theirs(x))
    assert ours(x).shape[2:] == (-(-side // 2), 10)


def test_1x1_convolutions_as_products_give_the_same_answers_and_gradients() -> None:
    torch.manual_seed(0)
    fast = nn.Sequential(PointwiseConv(3, 5), PointwiseConv(5, 4, bias=False))
    plain = nn.Sequential(nn.Conv2d(3, 5, 1), nn.Conv2d(5, 4, 1, bias=False))
    plain.load_state_dict(copy.deepcopy(fast.state_dict()))
    images = torch.randn(2, 3, 8, 8)
    for part in (plain, fast):
        part(images).square().sum().backward()
    assert torch.allclose(plain(images), fast(images), atol=1e-5)
    for one, other in zip(plain.parameters(), fast.parameters(), strict=True):
        assert torch.allclose(one.grad, other.grad, atol=1e-4)
    with torch.no_grad():
        assert torch.equal(plain(images), fast(images))
