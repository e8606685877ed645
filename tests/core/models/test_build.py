import dataclasses

import pytest
import torch

from usassist.core.errors import ModelError
from usassist.core.models.build import build_model, build_segmenter
from usassist.core.models.config import AdapterConfig, EncoderConfig, HeadConfig, ModelConfig, PreprocessConfig
from usassist.core.models.fold import fold_batch_norms


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


@pytest.mark.parametrize(
    ("task", "head", "classes", "words"),
    [
        ("segment", "pooled", (), "does not answer with masks"),
        ("segment", "none", (), "does not answer with masks"),
        ("classify", "pyramid", ("a", "b"), "does not answer with classes"),
        ("classify", "pooled", ("a",), "at least 2 classes"),
        ("embed", "film_skip", (), "does not answer with embeddings"),
    ],
)
def test_parts_that_do_not_go_together_are_a_sentence(small_config, task, head, classes, words) -> None:
    config = dataclasses.replace(small_config, task=task, head=HeadConfig(head), classes=classes)
    with pytest.raises(ModelError, match=words):
        build_model(config)


def test_a_segmenter_is_not_built_from_another_tasks_description(small_config) -> None:
    config = dataclasses.replace(small_config, task="embed", head=HeadConfig("none"))
    with pytest.raises(ModelError, match="a model for embeddings only"):
        build_segmenter(config)


@pytest.mark.parametrize("encoder", ["usassist-lite0", "usassist-unet", "usassist-resnet18"])
@pytest.mark.parametrize("head", ["film_skip", "unet", "pyramid", "clipseg"])
def test_every_head_for_masks_stands_on_every_trunk(encoder, head) -> None:
    """And a folded model answers as the trained one does."""
    torch.manual_seed(0)
    classes = () if encoder == "usassist-lite0" else ("nerve", "artery")
    config = ModelConfig(
        *("m", "M", EncoderConfig(encoder, (2, 3, 4), (320,)), AdapterConfig("none")),
        HeadConfig(head, widths=(16, 8), width=16),
        PreprocessConfig(size=64),
        classes=classes,
    )
    model = build_segmenter(config).eval()
    images, objects = torch.randn(2, 3, 64, 64), max(1, len(classes))
    with torch.no_grad():
        asked = model.embed_texts(["nerve", "artery"])
        out = model.decode(model.encode(images), asked, given=torch.tensor([True, False]))
        assert out.probability().shape[:2] == (2, objects)
        assert out.presence.numel() == out.quality.numel() == out.peak.numel() == 2 * objects
        before = out.probability()
        fold_batch_norms(model)
        after = model.decode(model.encode(images), asked, given=torch.tensor([True, False])).probability()
    assert torch.allclose(before, after, atol=1e-5)


def test_the_dropout_of_the_presence_is_the_descriptions(small_config) -> None:
    """Where an older description says nothing it is what it was."""
    assert build_segmenter(small_config).head.presence[2].p == 0.2
    for kind in ("film_skip", "unet", "pyramid", "clipseg"):
        taps = dataclasses.replace(small_config.encoder, taps=(2, 3, 4))
        head = HeadConfig(kind, widths=(8, 8), width=32, presence_dropout=0.0)
        model = build_segmenter(dataclasses.replace(small_config, encoder=taps, head=head))
        assert model.head.presence[2].p == 0.0
