import pytest
import torch
from torch import nn

from usassist.core.models.mona import AdaptedBlock, Mona


def test_111_872_parameters_at_width_768_and_bottleneck_64() -> None:
    assert sum(p.numel() for p in Mona(768).parameters()) == 111_872


@pytest.mark.parametrize("shape", [(2, 197, 32), (2, 196, 32), (2, 32, 5, 7)])
def test_p_n5_a_fresh_adapter_is_the_identity(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    assert torch.equal(Mona(32, bottleneck=8).eval()(x), x)


def _awake(width: int) -> Mona:
    mona = Mona(width, bottleneck=8).eval()
    nn.init.normal_(mona.up.weight)
    return mona


def test_p_n1_the_class_token_passes_untouched_and_is_not_doubled() -> None:
    x = torch.randn(2, 17, 32)
    out = _awake(32)(x)
    assert torch.equal(out[:, 0], x[:, 0])
    assert not torch.allclose(out[:, 1:], x[:, 1:])


def test_maps_and_tokens_are_adapted_alike() -> None:
    mona = _awake(32)
    grid = torch.randn(2, 32, 4, 4)
    tokens = grid.flatten(2).transpose(1, 2)
    assert torch.allclose(mona(grid), mona(tokens).transpose(1, 2).reshape(grid.shape), atol=1e-6)


def test_a_grid_that_is_not_square_is_given() -> None:
    mona = _awake(32)
    grid = torch.randn(1, 32, 2, 6)
    tokens = grid.flatten(2).transpose(1, 2)
    assert torch.allclose(mona(grid).flatten(2).transpose(1, 2), mona(tokens, grid=(2, 6)), atol=1e-6)


def test_it_follows_the_published_formula() -> None:
    mona = _awake(16)
    x = torch.randn(1, 16, 3, 3)
    tokens = x.flatten(2).transpose(1, 2)
    u = mona.norm(tokens) * mona.gamma + tokens * mona.gammax
    d = mona.down(u).transpose(1, 2).reshape(1, 8, 3, 3)
    m = (mona.conv3(d) + mona.conv5(d) + mona.conv7(d)) / 3 + d
    p = m + mona.mix(m)
    expected = tokens + mona.up(torch.nn.functional.gelu(p).flatten(2).transpose(1, 2))
    assert torch.allclose(mona(tokens), expected, atol=1e-6)


def test_both_token_layouts_give_the_same() -> None:
    mona, x = _awake(16), torch.randn(2, 5, 16)
    first = AdaptedBlock(nn.Identity(), mona)(x)
    last = AdaptedBlock(nn.Identity(), mona, batch_first=False)(x.transpose(0, 1)).transpose(0, 1)
    assert torch.allclose(first, last)
