"""Our EfficientNet-Lite0 is timm's: names, answers, statistics, gradients, and the numbers it starts from."""

import pytest
import torch
from torch import Tensor, nn

from usassist.core.models import torchvision_ops
from usassist.core.models.lite0 import Lite0


def _timms() -> nn.Module:
    torchvision_ops.prepare()
    import timm

    return timm.create_model("tf_efficientnet_lite0", features_only=True, pretrained=False)


@pytest.fixture(scope="module")
def both() -> tuple[nn.Module, Lite0]:
    """The two with the same tensors, normalisations as training leaves them."""
    torch.manual_seed(0)
    theirs, ours = _timms(), Lite0()
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.7, 1.3)
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


def test_tensors_have_timms_names_and_order(both) -> None:
    theirs, ours = both
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert [name for name, _ in ours.named_parameters()] == [name for name, _ in theirs.named_parameters()]
    assert ours.channels == tuple(theirs.feature_info.channels())
    assert [row["module"] for row in ours.feature_info] == [row["module"] for row in theirs.feature_info.get_dicts()]


@pytest.mark.parametrize("size", [(64, 64), (63, 81)])
def test_maps_are_timms_at_work(both, size) -> None:
    images = torch.randn(2, 3, *size)
    with torch.no_grad():
        theirs, ours = (network.eval()(images) for network in both)
    assert len(ours) == len(theirs) == 5
    for one, other in zip(ours, theirs, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-5)


def test_statistics_and_gradients_are_timms_in_training(both) -> None:
    images, found = torch.randn(3, 3, 64, 64), []
    for network in both:
        network.train().zero_grad()
        sum(level.square().mean() for level in network(images)).backward()
        gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
        found.append((gradients, dict(network.named_buffers())))
    for theirs, ours in zip(*found, strict=True):
        for name, tensor in theirs.items():
            assert torch.allclose(ours[name].float(), tensor.float(), rtol=1e-3, atol=1e-4), name
    assert all(m.momentum == 0.1 and m.eps == 1e-3 for m in both[1].modules() if isinstance(m, nn.BatchNorm2d))


def test_it_starts_from_the_same_distributions(monkeypatch) -> None:
    """timm draws a few numbers more on the way, so a seed gives others; what is asked for is the same."""
    normal, asked = nn.init.normal_, []

    def remembered(tensor: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
        asked.append((tuple(tensor.shape), mean, std))
        return normal(tensor, mean, std)

    monkeypatch.setattr(nn.init, "normal_", remembered)
    _timms()
    theirs = asked.copy()
    asked.clear()
    ours = Lite0()
    assert asked == theirs and len(asked) == 48
    norms = [module for module in ours.modules() if isinstance(module, nn.BatchNorm2d)]
    assert all(bool((norm.weight == 1).all()) and not norm.bias.any() for norm in norms)
