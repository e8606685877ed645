import copy

import pytest
import torch
from torch import nn

from tests.core.models.towers import TRANSFORMERS, Model, Trunk, described, images, timm, wake
from usassist.core.errors import ModelError
from usassist.core.models import adapt
from usassist.core.models.config import AdapterConfig
from usassist.core.models.lora import merge
from usassist.core.models.precision import FrozenLinear, FrozenMatrix, lower, speeds

MONA = AdapterConfig(placement="both", bottleneck=8)
LOW = ("bf16", "int8")


def learner(config: AdapterConfig) -> Model:
    model = Model(config)
    wake(model)
    adapt.select_trainable(model, config, trainable="adapters")
    return model


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(((a - b).norm() / b.norm()).detach())


@pytest.mark.parametrize("kind", LOW)
@pytest.mark.parametrize("bias", [True, False])
def test_a_product_is_near_the_exact_one_and_so_is_its_gradient(kind, bias) -> None:
    torch.manual_seed(0)
    linear = nn.Linear(48, 80, bias=bias).requires_grad_(requires_grad=False)
    low = FrozenLinear(linear, low=FrozenMatrix(linear.weight, precision=kind))
    x = torch.randn(3, 200, 48, requires_grad=True)  # more rows than are done at a time
    back = torch.randn(3, 200, 80)
    assert relative(low(x), linear(x)) < (0.005 if kind == "bf16" else 0.02)
    (exact,), (found,) = (torch.autograd.grad(layer(x), x, back) for layer in (linear, low))
    assert relative(found, exact) < (0.005 if kind == "bf16" else 0.02)
    assert low(x).dtype == found.dtype == torch.float32


def test_int8_rows_do_not_depend_on_their_neighbours() -> None:
    """An image's answer is the same whatever else is in the batch, an outlier for instance."""
    linear = nn.Linear(16, 8).requires_grad_(requires_grad=False)
    low = FrozenLinear(linear, low=FrozenMatrix(linear.weight, precision="int8"))
    x = torch.randn(4, 16)
    alone = low(x[:1])
    x[3] *= 1e4
    assert torch.equal(low(x)[:1], alone)
    assert bool(low(torch.zeros(1, 16)).isfinite().all())
    assert bool(low(torch.full((1, 16), float("nan"))).isnan().all())  # a diverged run is seen


@pytest.mark.parametrize("kind", LOW)
@pytest.mark.parametrize("config", [MONA, AdapterConfig(kind="lora", rank=4), AdapterConfig(kind="none")])
def test_a_lowered_model_answers_nearly_alike(kind, config) -> None:
    model = learner(config)
    before = model(images())
    assert lower(model, kind) == 3 * 4  # q k v, out, and the two of the MLP in each block
    assert 0 < relative(model(images()), before) < 0.05


@pytest.mark.parametrize("layout", ["timm", "our trunk"])
def test_timms_blocks_are_lowered_too(layout) -> None:
    tower = TRANSFORMERS[layout]()
    adapt.insert(tower, MONA)
    wake(tower)
    model = nn.Module()
    model.encoder = nn.Module()
    model.encoder.clip = nn.Module()
    model.encoder.clip.visual = tower.eval().requires_grad_(requires_grad=False)
    before = tower(images())
    assert lower(model, "int8") == len(adapt.transformer_blocks(tower)) * 4
    assert 0 < relative(tower(images()), before) < 0.05


def test_fp32_and_trunks_without_transformer_blocks_stay_as_they_are() -> None:
    model = learner(MONA)
    before = model(images())
    assert lower(model, "fp32") == 0
    assert torch.equal(model(images()), before)
    model.encoder.clip.visual = Trunk(timm.create_model("resnet18"))
    assert lower(model, "bf16") == 0


@pytest.mark.parametrize("kind", LOW)
def test_training_leaves_names_and_frozen_bytes_as_they_were(kind) -> None:
    model = learner(MONA)
    before = copy.deepcopy(model.state_dict())
    lower(model, kind)
    assert list(model.state_dict()) == list(before)
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    for _ in range(2):
        adapt.training_mode(model)
        optimiser.zero_grad()
        model(images()).square().sum().backward()
        optimiser.step()
    own = adapt.owned_names(model, described(MONA, base="somewhere"))
    assert {name for name, p in model.named_parameters() if p.grad is not None} == own
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items() if name not in own)


@pytest.mark.parametrize("kind", LOW)
def test_adapters_learn_through_it_as_through_float32(kind) -> None:
    exact = learner(MONA)
    low = copy.deepcopy(exact)
    lower(low, kind)
    target = torch.randn(8, 2, generator=torch.Generator().manual_seed(3))
    losses = []
    for model in (exact, low):
        optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=3e-3)
        model.eval()  # dropout aside, the two see the same
        for _ in range(30):
            loss = (model(images(8)) - target).square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        losses.append(float(loss.detach()))
    start = float((learner(MONA)(images(8)) - target).square().mean().detach())
    assert losses[0] < start / 4
    assert losses[1] < start / 4


def test_other_weights_are_taken_over_when_they_are_loaded() -> None:
    model = learner(MONA)
    lower(model, "int8")
    torch.manual_seed(5)
    other = {name: torch.randn_like(tensor) * 0.1 for name, tensor in model.state_dict().items()}
    model.load_state_dict(other)
    fresh = learner(MONA)
    fresh.load_state_dict(other)
    assert relative(model(images()), fresh(images())) < 0.05


def test_at_work_the_float32_weights_can_be_given_away() -> None:
    model = learner(AdapterConfig(kind="lora", rank=4))
    merge(model)
    model.requires_grad_(requires_grad=False)
    before = model(images())
    assert lower(model, "int8", keep=False) == 12
    assert relative(model(images()), before) < 0.1
    gone = {name for name in before_names() if name not in model.state_dict()}
    assert len(gone) == 12
    assert all("resblocks" in name and name.endswith("weight") for name in gone)


def before_names() -> list[str]:
    return list(Model(AdapterConfig(kind="none")).state_dict())


def test_a_block_that_learns_is_not_lowered() -> None:
    config = AdapterConfig(kind="full", layers=(1,))
    model = Model(config)
    adapt.select_trainable(model, config, trainable="adapters")
    assert lower(model, "int8") == 8


def test_int8_elsewhere_than_on_a_cpu_is_refused() -> None:
    with pytest.raises(ModelError, match="int8 is for CPUs"):
        lower(learner(MONA).to("meta"), "int8")


def test_speeds_are_measured() -> None:
    found = speeds(rows=8, width=16, repeat=1)
    assert list(found) == ["fp32", "bf16", "int8"]
    assert all(0 < speed < float("inf") for speed in found.values())
