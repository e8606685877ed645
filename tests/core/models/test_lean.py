import pytest
import torch
from torch import nn

from tests.core.models.towers import images, open_clip, open_clip_vit
from usassist.core.errors import ModelError
from usassist.core.models.lean import QuickGelu, SelfAttention, replace_in


@pytest.mark.parametrize("batch_first", [True, False])
def test_a_lean_tower_is_the_same_function_with_the_same_parameters(batch_first: bool) -> None:
    tower, x = open_clip_vit(batch_first=batch_first), images()
    before, names = tower(x), list(tower.state_dict())
    tensors = {id(parameter) for parameter in tower.parameters()}
    assert replace_in(tower) == 3
    assert torch.allclose(tower(x), before, atol=1e-6)
    assert list(tower.state_dict()) == names
    assert {id(parameter) for parameter in tower.parameters()} == tensors
    assert not [m for m in tower.modules() if isinstance(m, nn.MultiheadAttention)]


def test_gradients_are_the_same_too() -> None:
    tower, x = open_clip_vit(), images()
    tower(x).square().sum().backward()
    expected = {name: parameter.grad for name, parameter in tower.named_parameters()}
    tower.zero_grad()
    replace_in(tower)
    tower(x).square().sum().backward()
    for name, parameter in tower.named_parameters():
        assert torch.allclose(parameter.grad, expected[name], rtol=1e-3, atol=1e-4), name


def test_quick_gelu_is_openais() -> None:
    x = torch.linspace(-8, 8, 101, dtype=torch.float64, requires_grad=True)
    ours, theirs = QuickGelu()(x), open_clip.transformer.QuickGELU()(x)
    assert torch.allclose(ours, theirs, atol=1e-12)
    slopes = (torch.autograd.grad(y.sum(), x)[0] for y in (ours, theirs))
    assert torch.allclose(*slopes, atol=1e-12)


def test_attention_between_two_sequences_is_left_alone() -> None:
    block = nn.Sequential(open_clip.transformer.ResidualAttentionBlock(8, 2, is_cross_attention=True))
    replace_in(block)
    assert type(block[0].attn) is nn.MultiheadAttention


def test_what_no_image_tower_asks_for_is_refused() -> None:
    attention = SelfAttention(nn.MultiheadAttention(8, 2, batch_first=True))
    x = torch.randn(1, 3, 8)
    with pytest.raises(ModelError, match="attend to each other"):
        attention(x, x.clone(), x)
    with pytest.raises(ModelError, match="without a mask"):
        attention(x, x, x, attn_mask=torch.zeros(3, 3))
