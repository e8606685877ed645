import copy

import torch
from torch import nn

from usassist.core.models.build import build_segmenter
from usassist.core.models.config import AdapterConfig, EncoderConfig, HeadConfig, ModelConfig, PreprocessConfig
from usassist.core.models.fold import fold_batch_norms
from usassist.core.models.segmenter import freeze_for_inference


def _lived_in(model: nn.Module) -> nn.Module:
    """Give every normalisation statistics of its own, as training does."""
    torch.manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.7, 1.3)
            nn.init.uniform_(module.bias, -0.2, 0.2)
    return model


def test_a_folded_model_answers_the_same_in_fewer_steps(small_model) -> None:
    model = _lived_in(copy.deepcopy(small_model))
    image = torch.randn(1, 3, 256, 256)
    with torch.inference_mode():
        before = model.decode(model.encode(image), model.embed_texts(["breast lesion"]))
        assert fold_batch_norms(model) == 52
        after = model.decode(model.encode(image), model.embed_texts(["breast lesion"]))
    assert not [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    assert torch.allclose(before.logits, after.logits, atol=1e-3, rtol=1e-3)
    assert torch.allclose(before.presence, after.presence, atol=1e-3, rtol=1e-3)
    assert torch.allclose(before.quality, after.quality, atol=1e-3, rtol=1e-3)


def test_a_foreign_tower_is_left_as_it_is(tmp_path) -> None:
    (tmp_path / "tiny-resnet.json").write_text(
        '{"embed_dim": 16, "vision_cfg": {"image_size": 64, "timm_model_name": "resnet10t", "timm_pool": "avg", '
        '"timm_proj": "linear"}, "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 32, "heads": 2, '
        '"layers": 1}}'
    )
    config = ModelConfig(
        "r",
        "R",
        EncoderConfig("tiny-resnet", (1, 2)),
        AdapterConfig("none"),
        HeadConfig(widths=(8,)),
        PreprocessConfig(64),
    )
    model = freeze_for_inference(build_segmenter(config, folder=tmp_path))
    count = sum(isinstance(module, nn.BatchNorm2d) for module in model.encoder.modules())
    assert fold_batch_norms(model) == 1
    assert sum(isinstance(module, nn.BatchNorm2d) for module in model.encoder.modules()) == count > 0
