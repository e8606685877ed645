import torch
from torch import nn

from usassist.core.models.staged import StagedTrunk


def _trunk() -> StagedTrunk:
    torch.manual_seed(0)
    stages = (nn.Conv2d(3, 4, 2, stride=2), nn.Conv2d(4, 6, 2, stride=2), nn.Conv2d(6, 8, 2, stride=2))
    return StagedTrunk(stages, channels=(4, 6, 8), size=32)


def test_each_stage_reads_the_map_of_the_one_before() -> None:
    trunk, x = _trunk(), torch.randn(2, 3, 16, 16)
    deepest, maps = trunk.forward_intermediates(x)
    first = trunk.stages[0](x)
    assert torch.equal(maps[0], first)
    assert torch.equal(maps[1], trunk.stages[1](first))
    assert [tuple(m.shape) for m in maps] == [(2, 4, 8, 8), (2, 6, 4, 4), (2, 8, 2, 2)]
    assert deepest is maps[-1]


def test_only_the_maps_that_are_named_come_in_their_order() -> None:
    trunk, x = _trunk(), torch.randn(1, 3, 16, 16)
    _, every = trunk.forward_intermediates(x)
    deepest, (chosen,) = trunk.forward_intermediates(x, indices=[1])
    assert torch.equal(chosen, every[1])
    assert torch.equal(deepest, every[2])


def test_the_features_are_the_mean_of_the_deepest_map_and_timm_learns_the_sizes() -> None:
    trunk, x = _trunk(), torch.randn(1, 3, 16, 16)
    deepest, _ = trunk.forward_intermediates(x)
    assert torch.allclose(trunk(x), deepest.mean(dim=(2, 3)))
    assert (trunk.num_features, trunk.embed_dim) == (8, 8)
    assert trunk.default_cfg == {"input_size": (3, 32, 32)}
    trunk.reset_classifier(10)
    assert trunk(x).shape == (1, 8)
