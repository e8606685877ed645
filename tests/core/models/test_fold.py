import copy
import dataclasses

import torch
from torch import nn

from usassist.core.models.build import build_segmenter
from usassist.core.models.config import AdapterConfig, EncoderConfig, HeadConfig, ModelConfig, PreprocessConfig
from usassist.core.models.embedder import freeze_for_inference
from usassist.core.models.fold import fold_batch_norms


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


def test_a_trunk_with_adapters_behind_its_stages_is_folded_around_them(small_config) -> None:
    torch.manual_seed(0)
    adapter = AdapterConfig("mona", placement="stages", bottleneck=8)
    model = _lived_in(build_segmenter(dataclasses.replace(small_config, adapter=adapter)).eval())
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".adapter." in name:
                parameter.add_(torch.randn_like(parameter) * 0.05)
        image = torch.randn(1, 3, 128, 128)
        before = model.encode(image)
        assert fold_batch_norms(model) == 52
        after = model.encode(image)
    assert all(torch.allclose(a, b, atol=1e-3, rtol=1e-3) for a, b in zip(before.taps, after.taps, strict=True))
    assert torch.allclose(before.embedding, after.embedding, atol=1e-3, rtol=1e-3)
