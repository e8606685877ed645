import json
import logging

import pytest
import torch
from torch import nn

from usassist.core.errors import ModelError
from usassist.core.models import clip_settings
from usassist.core.models.clip import build_encoder, insert_mona
from usassist.core.models.config import AdapterConfig, EncoderConfig
from usassist.core.models.mona import Mona


def test_images_and_texts_share_one_embedding(small_model) -> None:
    features = small_model.encode(torch.randn(2, 3, 256, 256))
    text = small_model.embed_texts(["breast lesion", "fetal head"])
    assert features.embedding.shape == text.shape == (2, small_model.encoder.width)
    assert not torch.allclose(text[0], text[1])


def test_taps_are_a_pyramid(small_model) -> None:
    taps = small_model.encode(torch.randn(1, 3, 256, 256)).taps
    assert [tap.shape[-1] for tap in taps] == [128, 64, 32, 16, 8]
    assert tuple(tap.shape[1] for tap in taps) == small_model.encoder.tap_channels


def test_one_image_expands_to_many_prompts(small_model) -> None:
    features = small_model.encode(torch.randn(1, 3, 256, 256)).expand(3)
    assert features.embedding.shape[0] == 3
    assert all(tap.shape[0] == 3 for tap in features.taps)


def test_every_transformer_block_of_the_image_tower_has_an_adapter_and_no_text_block(small_model) -> None:
    names = [name for name, module in small_model.named_modules() if isinstance(module, Mona)]
    assert len(names) == 4
    assert all(".visual." in name for name in names)


def test_an_open_clip_vit_takes_the_same_adapters_and_stays_what_it_was() -> None:
    import open_clip

    torch.manual_seed(0)
    vit = open_clip.model.VisionTransformer(
        image_size=32, patch_size=8, width=32, layers=3, heads=2, mlp_ratio=2, output_dim=16
    ).eval()
    x = torch.randn(2, 3, 32, 32)
    before = vit(x)
    assert insert_mona(vit, bottleneck=8, dropout=0.0) == 3
    vit.eval()
    assert torch.allclose(vit(x), before, atol=1e-6)
    taps = vit.forward_intermediates(x, indices=[0, 2], output_fmt="NCHW")["image_intermediates"]
    assert [tuple(tap.shape) for tap in taps] == [(2, 32, 4, 4)] * 2


def test_a_tower_without_blocks_is_refused() -> None:
    with pytest.raises(ModelError, match="no transformer blocks"):
        insert_mona(nn.Linear(2, 2), bottleneck=8, dropout=0.0)


def test_an_unknown_configuration_is_a_sentence() -> None:
    with pytest.raises(ModelError, match="No open_clip configuration is called 'nothing'"):
        build_encoder(EncoderConfig("nothing", (0,)), AdapterConfig(), folder=None, image_size=64)


def test_open_clips_root_logging_stays_silent(small_config, caplog) -> None:
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    with caplog.at_level(logging.DEBUG):
        build_encoder(small_config.encoder, small_config.adapter, folder=None, image_size=64)
    assert not [record for record in caplog.records if record.name == "root"]
    assert (root.level, root.handlers) == (level, handlers)


@pytest.mark.parametrize(
    ("taps", "text"),
    [((0, 99), {}), ((0, 1), {"vocab_size": 10}), ((0, 1), {"heads": 7}), ((0, 1), {"width": "wide"})],
    ids=["taps beyond the tower", "vocabulary without room", "heads that do not divide", "a text for a number"],
)
def test_settings_that_open_clip_trips_over_are_a_sentence(tmp_path, taps, text) -> None:
    settings = json.loads(clip_settings.find("usassist-lite0", None).read_text())
    settings["text_cfg"] |= text
    (tmp_path / "odd.json").write_text(json.dumps(settings))
    with pytest.raises(ModelError, match="'odd' cannot be built"):
        build_encoder(EncoderConfig("odd", taps, (5, 9)), AdapterConfig(), folder=tmp_path, image_size=64)


def test_p_n11_no_adapter_stands_in_the_text_tower(small_model) -> None:
    assert not [n for n, _ in small_model.encoder.clip.named_parameters() if "adapter" in n and "visual" not in n]
