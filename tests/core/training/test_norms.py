import torch
from torch import nn

from usassist.core.models import adapt, torchvision_ops
from usassist.core.training.norms import SyncedBatchNorm, as_at_work, synchronise_norms


def test_a_model_that_computes_as_at_work_moves_no_statistics_and_has_gradients() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(0.5), nn.BatchNorm1d(3).eval())
    model[1].running_mean.fill_(2.0)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    x = torch.randn(4, 3)
    with as_at_work(model):
        out = model(x)
        assert torch.equal(out, model(x))
    out.sum().backward()
    assert model[0].weight.grad is not None
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert [module.training for module in model] == [True, True, True, False]


def test_what_stays_as_at_work_is_the_same_after_normalisations_were_synchronised() -> None:
    """Frozen ones, with the dropout and activation that timm puts inside, and those without weights of their own."""
    torchvision_ops.prepare()
    from timm.layers import BatchNormAct2d

    def flags(*, synchronised: bool) -> list[bool]:
        frozen = nn.Sequential(nn.Conv2d(1, 2, 1), BatchNormAct2d(2)).requires_grad_(requires_grad=False)
        model = nn.Sequential(frozen, nn.BatchNorm2d(2), nn.BatchNorm2d(2, affine=False), nn.Conv2d(2, 1, 1))
        if synchronised:
            synchronise_norms(model)
        adapt.training_mode(model)
        kinds = (nn.BatchNorm2d, SyncedBatchNorm)
        return [module.training for module in model.modules() if isinstance(module, kinds)]

    assert flags(synchronised=False) == flags(synchronised=True) == [False, True, False]
