import dataclasses

import pytest
import torch

from usassist.core.errors import ModelError
from usassist.core.models.build import build_segmenter
from usassist.core.models.config import AdapterConfig, EncoderConfig, HeadConfig, ModelConfig, PreprocessConfig


def test_encoder_adapter_and_head_compose_for_a_plain_vit(tmp_path) -> None:
    """A ViT that a user brings is the same classes with other numbers."""
    (tmp_path / "tiny-vit.json").write_text(
        '{"embed_dim": 16, "vision_cfg": {"image_size": 32, "layers": 3, "width": 64, "head_width": 32, '
        '"patch_size": 8}, "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 32, "heads": 2, '
        '"layers": 1}}'
    )
    config = ModelConfig(
        "v",
        "V",
        EncoderConfig("tiny-vit", (0, 1, 2)),
        AdapterConfig("mona", bottleneck=8),
        HeadConfig(widths=(8, 8)),
        PreprocessConfig(size=32),
    )
    model = build_segmenter(config, folder=tmp_path).eval()
    assert model.encoder.tap_channels == (64, 64, 64)
    out = model.decode(model.encode(torch.randn(1, 3, 32, 32)), model.embed_texts(["a lesion"]))
    assert out.logits.shape == (1, 1, 4, 4)


def test_a_head_that_does_not_fit_is_a_sentence(small_config) -> None:
    config = dataclasses.replace(small_config, head=HeadConfig(widths=(8,)))
    with pytest.raises(ModelError, match="5 taps need 4 widths"):
        build_segmenter(config)


def test_an_unknown_head_is_a_sentence(small_config) -> None:
    config = dataclasses.replace(small_config, head=HeadConfig(kind="nothing"))  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="no head 'nothing'"):
        build_segmenter(config)
