import pytest
import torch

from usassist.core.models import torchvision_ops
from usassist.core.models.vit_block import Block


@pytest.mark.parametrize("training", [False, True])
def test_it_is_timms_block_with_its_names_its_start_and_its_gradients(training) -> None:
    torchvision_ops.prepare()
    from timm.models.vision_transformer import Block as Theirs

    torch.manual_seed(0)
    theirs = Theirs(32, 4, mlp_ratio=3.0, qkv_bias=True).train(training)
    torch.manual_seed(0)
    ours = Block(32, 4, mlp_ratio=3.0).train(training)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert all(torch.equal(tensor, theirs.state_dict()[name]) for name, tensor in ours.state_dict().items())
    x = torch.randn(2, 9, 32)
    assert torch.allclose(ours(x), theirs(x), atol=1e-6)
    for block in (ours, theirs):
        block(x).square().sum().backward()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(one.grad, other.grad, rtol=1e-4, atol=1e-4)


def test_the_halves_make_the_whole() -> None:
    block, x = Block(32, 4, mlp_ratio=2.0), torch.randn(1, 4, 32)
    assert torch.equal(block.mlp_half(block.attention_half(x)), block(x))
    assert not torch.allclose(block.attention_half(x), x)


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ValueError, match="3 heads do not divide a width of 32"):
        Block(32, 3, mlp_ratio=1.0)
