import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.core.models.phantoms import mask_loss, mean_dice, scenes, teach, tiny_config
from usassist.core.models.build import build_segmenter
from usassist.core.models.clip import ImageFeatures
from usassist.core.models.config import HeadConfig
from usassist.core.models.pyramid import PyramidFusion, PyramidHead


def _taps(channels: int = 768, side: int = 14, batch: int = 2) -> tuple[torch.Tensor, ...]:
    return tuple(torch.randn(batch, channels, side, side) for _ in range(3))


def _levels(fusion: PyramidFusion, taps: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
    """Return the reduced taps as tokens, deep to shallow, as the publication has them."""
    tokens = [tap.flatten(2).transpose(1, 2) for tap in reversed(taps)]
    return [reduce(t) for reduce, t in zip(fusion.reduce, tokens, strict=True)]


@pytest.mark.parametrize("kind", ["sequential", "parallel"])
def test_N13_both_fusions_are_the_published_sums(kind) -> None:
    torch.manual_seed(0)
    fusion, taps = PyramidFusion((768, 768, 768), width=512, fusion=kind), _taps()
    blocks, (deep, middle, shallow) = fusion.blocks, _levels(fusion, taps)
    if kind == "sequential":
        expected = blocks[2](shallow + blocks[1](middle + blocks[0](deep)))
    else:
        expected = blocks[0](deep) + blocks[1](middle) + blocks[2](shallow)
    expected = expected.transpose(1, 2).reshape(2, 512, 14, 14)
    assert torch.allclose(fusion(taps), expected, atol=1e-5)


def test_N13_a_block_is_norm_linear_gelu_linear_at_512() -> None:
    fusion = PyramidFusion((768, 768, 768), width=512, fusion="sequential")
    assert [type(layer) for layer in fusion.blocks[0]] == [nn.LayerNorm, nn.Linear, nn.GELU, nn.Linear]
    assert sum(p.numel() for p in fusion.parameters()) == 3 * (768 * 512 + 512 + 2 * 512 + 2 * (512 * 512 + 512))


def test_N13_logits_are_background_and_object_at_the_images_size() -> None:
    head = PyramidHead((768, 768, 768), width=512, fusion="sequential", size=224).eval()
    out = head(ImageFeatures(torch.randn(2, 512), _taps()), None)
    assert out.logits.shape == (2, 2, 224, 224)
    assert out.probability().shape == (2, 1, 224, 224)
    assert out.presence.shape == out.quality.shape == (2,)
    several = PyramidHead((768, 768, 768), width=64, fusion="parallel", size=224, objects=3).eval()
    assert several(ImageFeatures(torch.randn(2, 512), _taps()), None).logits.shape == (2, 4, 224, 224)


def test_N13_convolution_before_upsampling_equals_after() -> None:
    torch.manual_seed(0)
    head = PyramidHead((768, 768, 768), width=512, fusion="sequential", size=224).eval()
    features = ImageFeatures(torch.randn(1, 512), _taps(batch=1))
    with torch.no_grad():
        fused = head.fuse(features.taps)
        after = head.mask(F.interpolate(fused, size=(224, 224), mode="bilinear", align_corners=False))
        assert torch.allclose(head(features, None).logits, after, atol=1e-5)


@pytest.mark.parametrize("kind", ["sequential", "parallel"])
def test_N13_taps_of_a_convolutional_trunk_meet_at_the_shallowest_size(kind) -> None:
    taps = (torch.randn(1, 24, 32, 32), torch.randn(1, 40, 16, 16), torch.randn(1, 112, 8, 8))
    fusion = PyramidFusion((24, 40, 112), width=16, fusion=kind)
    assert fusion(taps).shape == (1, 16, 32, 32)
    for tap in taps:
        tap.requires_grad_()
    fusion(taps).square().sum().backward()
    assert all(tap.grad is not None and tap.grad.abs().sum() > 0 for tap in taps)


def test_N13_it_learns_a_phantom(tmp_path) -> None:
    torch.manual_seed(0)
    model = build_segmenter(tiny_config(tmp_path, HeadConfig("pyramid", width=64)), folder=tmp_path)

    def loss(generator: torch.Generator) -> torch.Tensor:
        batch = scenes(8, generator)
        return mask_loss(model.decode(model.encode(batch.images)).object_logits(), batch.dark)

    teach(model, loss, steps=80, lr=3e-3)
    test = scenes(32, torch.Generator().manual_seed(99))
    with torch.no_grad():
        assert mean_dice(model.decode(model.encode(test.images)).object_logits(), test.dark) >= 0.9


def test_the_head_ignores_what_is_asked() -> None:
    head = PyramidHead((8, 8), width=16, fusion="sequential", size=32)
    assert not head.is_conditioned
    assert head.condition(torch.randn(2, 8), None, batch=2) is None
