import math

import pytest
import torch
from torch import nn

from tests.core.models.towers import TRANSFORMERS, Model, images, wake
from usassist.core.errors import ModelError
from usassist.core.models import adapt
from usassist.core.models.config import AdapterConfig
from usassist.core.models.lora import LoraLinear, LowRank, insert_lora, merge

LORA = AdapterConfig(kind="lora", rank=4, alpha=8.0)


@pytest.mark.parametrize("layout", TRANSFORMERS)
def test_N5_lora_changes_nothing_at_the_start(layout: str) -> None:
    tower, x = TRANSFORMERS[layout](), images()
    before = tower(x)
    assert adapt.insert(tower, LORA) == (2 if layout == "our trunk" else 3)
    assert torch.allclose(tower.eval()(x), before, atol=1e-6)


@pytest.mark.parametrize("layout", TRANSFORMERS)
def test_N5_every_attention_has_it_on_q_k_v_and_out(layout: str) -> None:
    tower = TRANSFORMERS[layout]()
    count = adapt.insert(tower, LORA)
    names = [name.rpartition(".")[2] for name, module in tower.named_modules() if isinstance(module, LowRank)]
    assert sorted(names) == sorted(["q", "k", "v", "out"] * count)


@pytest.mark.parametrize("layout", TRANSFORMERS)
def test_merged_lora_answers_alike_and_leaves_no_trace(layout: str) -> None:
    tower, x = TRANSFORMERS[layout](), images()
    plain, names = tower(x), list(tower.state_dict())
    adapt.insert(tower, LORA)
    wake(tower)
    learned = tower.eval()(x)
    assert merge(tower) > 0
    assert not torch.allclose(learned, plain, atol=1e-3)
    assert torch.allclose(tower(x), learned, atol=1e-5)
    assert list(tower.state_dict()) == names
    assert merge(tower) == 0


def test_what_is_added_is_scaled_by_alpha_over_the_root_of_the_rank() -> None:
    part, x = LowRank(6, 5, rank=4, alpha=32.0, dropout=0.1).eval(), torch.randn(3, 6)
    nn.init.normal_(part.up)
    assert torch.allclose(part(x), x @ part.down.T @ part.up.T * 32 / math.sqrt(4), atol=1e-5)
    assert torch.allclose(x @ part.delta().T, part(x), atol=1e-5)


def test_the_parts_of_a_stacked_projection_stand_in_their_order() -> None:
    layer = LoraLinear(nn.Linear(4, 6, bias=False), ("q", "k", "v"), rank=2, alpha=1.0, dropout=0.0)
    x = torch.randn(1, 4)
    before = layer(x)
    nn.init.normal_(layer.parts["k"].up)
    changed = (layer(x) - before).abs()[0] > 0
    assert changed.tolist() == [False, False, True, True, False, False]


def test_only_the_two_factors_learn_through_a_frozen_layer() -> None:
    model = Model(LORA)
    wake(model)
    adapt.select_trainable(model, LORA, trainable="adapters")
    adapt.training_mode(model)
    model(images()).square().sum().backward()
    with_gradient = {name for name, p in model.named_parameters() if p.grad is not None}
    assert with_gradient == {n for n, _ in model.named_parameters() if n.endswith((".down", ".up")) or "head" in n}


def test_an_unknown_attention_is_a_sentence() -> None:
    block = nn.Module()
    block.attn = nn.Linear(2, 2)
    with pytest.raises(ModelError, match="found Linear in a Module"):
        insert_lora(block, rank=2, alpha=1.0, dropout=0.0)
