import copy

import pytest
import torch

from tests.core.models.towers import Model, images, wake
from usassist.core.errors import ModelError
from usassist.core.models import work
from usassist.core.models.config import AdapterConfig
from usassist.core.models.lean import QuickGelu, replace_in
from usassist.core.models.work import fold_quick_gelu, make_ready


def quick(config: AdapterConfig) -> Model:
    """Return a tower as OpenAI's, with QuickGELU, and adapters that do something."""
    model = Model(config)
    wake(model)
    for block in model.modules():
        if hasattr(block, "mlp") and hasattr(block.mlp, "gelu"):
            block.mlp.gelu = QuickGelu()
    replace_in(model.encoder.clip.visual)
    return model.eval()


@pytest.mark.parametrize("config", [AdapterConfig(kind="none"), AdapterConfig(placement="both", bottleneck=8)])
def test_a_folded_quick_gelu_is_the_same_function(config) -> None:
    model = quick(config)
    before = model(images()).detach()
    assert fold_quick_gelu(model) == 3
    assert not [module for module in model.encoder.clip.visual.modules() if isinstance(module, QuickGelu)]
    with torch.inference_mode():
        assert torch.allclose(model(images()), before, atol=1e-5)
    assert fold_quick_gelu(model) == 0


@pytest.mark.parametrize("kind", ["mona", "lora", "none"])
def test_a_model_at_work_answers_as_it_was_trained(kind) -> None:
    model = quick(AdapterConfig(kind=kind, placement="both", bottleneck=8, rank=4))
    ready = make_ready(copy.deepcopy(model))
    with torch.inference_mode():
        assert torch.allclose(ready(images()), model(images()), atol=1e-5)
    assert not [parameter for parameter in ready.parameters() if parameter.requires_grad]


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_below_float32_it_answers_nearly_so_and_gives_the_weights_away(precision) -> None:
    model = quick(AdapterConfig(kind="lora", rank=4))
    ready = make_ready(copy.deepcopy(model), precision=precision)
    with torch.inference_mode():
        found, exact = ready(images()), model(images())
    assert 0 < float((found - exact).norm() / exact.norm()) < 0.1
    assert not [name for name in ready.state_dict() if "visual" in name and "c_fc.weight" in name]
    assert ready.precision == precision


def test_an_unknown_device_is_said() -> None:
    with pytest.raises(ModelError, match="no device"):
        work.make_ready(quick(AdapterConfig(kind="none")), device="abacus")


def test_our_own_trunk_has_short_steps_and_a_foreign_one_has_not(small_model) -> None:
    assert work.has_short_steps(small_model)
    assert not work.has_short_steps(Model(AdapterConfig(kind="none")))
