import json

import pytest
import torch

from tests.core.models.phantoms import MEAN, STD, mask_loss, mean_dice, scenes, teach
from usassist.core.models import clip_settings
from usassist.core.models.build import build_segmenter
from usassist.core.models.clip import ImageFeatures
from usassist.core.models.config import AdapterConfig, EncoderConfig, HeadConfig, ModelConfig, PreprocessConfig
from usassist.core.models.unet import UNetHead, UNetTrunk


def _config(encoder: str, widths: tuple[int, ...], *, taps=(0, 1, 2, 3, 4), classes=()) -> ModelConfig:
    return ModelConfig(
        *("baseline", "Baseline", EncoderConfig(encoder, taps, (320,)), AdapterConfig("none")),
        HeadConfig("unet", widths=widths),
        PreprocessConfig(size=64, mean=(MEAN,), std=(STD,)),
        classes=classes,
    )


def test_N18_the_trunk_halves_the_size_and_doubles_the_channels() -> None:
    trunk = UNetTrunk(base=4).eval()
    deep, maps = trunk.forward_intermediates(torch.randn(1, 3, 64, 96))
    assert [tuple(m.shape[1:]) for m in maps] == [(4, 64, 96), (8, 32, 48), (16, 16, 24), (32, 8, 12), (64, 4, 6)]
    assert deep is maps[-1] and trunk.forward_head(deep).shape == (1, trunk.num_features)
    _, some = trunk.forward_intermediates(torch.randn(1, 3, 64, 64), indices=[0, 3])
    assert [m.shape[1] for m in some] == [4, 32]


def test_N18_as_published_it_has_as_many_parameters_in_the_contracting_path() -> None:
    """Two 3x3 convolutions a level at 64 to 1024 channels; no bias, since each is normalised."""
    widths = (64, 128, 256, 512, 1024)
    convolutions = sum(9 * (a * b + b * b) for a, b in zip((3, *widths[:-1]), widths, strict=True))
    norms = sum(4 * b for b in widths)
    assert sum(p.numel() for p in UNetTrunk(base=64).parameters()) == convolutions + norms


def test_N18_the_head_climbs_back_to_full_size() -> None:
    head = UNetHead((4, 8, 16), widths=(8, 4), objects=2).eval()
    taps = (torch.randn(2, 4, 33, 47), torch.randn(2, 8, 16, 23), torch.randn(2, 16, 8, 11))  # odd sizes meet too
    out = head(ImageFeatures(torch.randn(2, 8), taps), None)
    assert out.logits.shape == (2, 3, 33, 47) and out.presence.shape == (2, 2)


def test_widths_must_match_the_taps() -> None:
    with pytest.raises(ValueError, match="3 taps need 2 widths"):
        UNetHead((4, 8, 16), widths=(8,))


@pytest.mark.parametrize("encoder", ["usassist-unet", "usassist-resnet18"])
def test_N18_the_baselines_are_built_like_any_other_model(encoder) -> None:
    model = build_segmenter(_config(encoder, (32, 16, 8, 8), classes=("nerve", "artery"))).eval()
    with torch.no_grad():
        out = model.decode(model.encode(torch.randn(2, 3, 64, 64)), model.embed_texts(["nerve"]))
    assert out.logits.shape[:2] == (2, 3) and out.presence.shape == (2, 2)


def test_N18_a_u_net_learns_a_phantom(tmp_path) -> None:
    torch.manual_seed(0)
    settings = clip_settings.settings_of("usassist-unet")
    settings["vision_cfg"]["timm_model_name"] = "usassist_unet_16"  # a quarter of the work
    (tmp_path / "small-unet.json").write_text(json.dumps(settings))
    model = build_segmenter(_config("small-unet", (16, 16), taps=(0, 1, 2)), folder=tmp_path)

    def loss(generator: torch.Generator) -> torch.Tensor:
        batch = scenes(4, generator, size=32)
        return mask_loss(model.decode(model.encode(batch.images)).object_logits(), batch.dark)

    teach(model, loss, steps=60, lr=1e-2)
    test = scenes(16, torch.Generator().manual_seed(99), size=32)
    with torch.no_grad():
        assert mean_dice(model.decode(model.encode(test.images)).object_logits(), test.dark) >= 0.9
