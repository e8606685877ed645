import torch
from torch import nn

from usassist.core.models.resnet import BasicBlock, ResNetTrunk


def test_N18_it_has_as_many_parameters_as_resnet_18_without_its_classifier() -> None:
    assert sum(p.numel() for p in ResNetTrunk().parameters()) == 11_176_512


def test_N18_maps_come_at_strides_2_to_32() -> None:
    trunk = ResNetTrunk().eval()
    deep, maps = trunk.forward_intermediates(torch.randn(1, 3, 64, 96))
    sizes = [(64, 32, 48), (64, 16, 24), (128, 8, 12), (256, 4, 6), (512, 2, 3)]
    assert [tuple(m.shape[1:]) for m in maps] == sizes
    assert deep is maps[-1] and trunk(torch.randn(1, 3, 64, 64)).shape == (1, trunk.num_features)


def test_N18_it_computes_what_torchvisions_does() -> None:
    """The same tensors in the same order give the same features."""
    from usassist.core.models import torchvision_ops

    torchvision_ops.prepare()
    from torchvision.models import resnet18

    torch.manual_seed(0)
    theirs, ours = resnet18(weights=None).eval(), ResNetTrunk().eval()
    state = {name: tensor for name, tensor in theirs.state_dict().items() if not name.startswith("fc.")}
    assert len(state) == len(ours.state_dict())
    # Where the shortcut is a convolution theirs stands behind the path, as ours does.
    ours.load_state_dict(dict(zip(ours.state_dict(), state.values(), strict=True)))
    theirs.fc = nn.Identity()
    x = torch.randn(2, 3, 96, 64)
    with torch.no_grad():
        assert torch.allclose(ours(x), theirs(x), atol=1e-5)


def test_a_block_of_equal_size_keeps_its_shortcut_free() -> None:
    assert isinstance(BasicBlock(8, 8, stride=1).shortcut, nn.Identity)
    assert BasicBlock(8, 16, stride=2)(torch.randn(1, 8, 8, 8)).shape == (1, 16, 4, 4)
