import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.core.models.phantoms import scenes, teach, tiny_config
from usassist.core.metrics.ranking import auc
from usassist.core.models.build import build_model
from usassist.core.models.clip import ImageFeatures
from usassist.core.models.config import HeadConfig
from usassist.core.models.pooled import PooledHead
from usassist.core.models.weights import fill, save_model


def _features() -> ImageFeatures:
    return ImageFeatures(torch.randn(2, 8), tuple(torch.randn(2, 12, 7, 7) for _ in range(3)))


def test_N12_the_first_version_is_a_convolution_and_then_the_mean() -> None:
    """v1 upsamples, convolves with 1x1 and averages: linear on the pooled map, which is what is done here."""
    torch.manual_seed(0)
    head = PooledHead((12, 12, 12), classes=2, width=16, fusion="sequential", dropout=0.0).eval()
    features = _features()
    linear = head.classify[-1]
    upsampled = F.interpolate(head.fuse(features.taps), size=(56, 56), mode="bilinear", align_corners=False)
    published = F.conv2d(upsampled, linear.weight[:, :, None, None], linear.bias).mean(dim=(2, 3))
    assert torch.allclose(head(features), published, atol=1e-3)


@pytest.mark.parametrize(
    ("hidden", "dropout", "expected"),
    [(512, 0.1, [nn.Linear, nn.ReLU, nn.Dropout, nn.Linear]), (0, 0.5, [nn.Dropout, nn.Linear])],
    ids=["OpenAI", "BiomedCLIP"],
)
def test_N12_the_later_versions(hidden, dropout, expected) -> None:
    head = PooledHead((12, 12), classes=2, width=512, fusion="parallel", hidden=hidden, dropout=dropout)
    assert [type(layer) for layer in head.classify] == expected
    assert next(layer.p for layer in head.classify if isinstance(layer, nn.Dropout)) == dropout


def _phantoms(count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw images of two classes: with a bright disc beside the dark one, or with a second dark one in its place."""
    batch = scenes(count, generator)
    kinds = (torch.rand(count, generator=generator) < 0.5).long()
    darkened = torch.where(batch.bright.bool(), batch.images - 2.0, batch.images)
    return torch.where(kinds[:, None, None, None] == 1, batch.images, darkened), kinds


def test_N12_it_learns_two_classes_of_phantoms_and_a_saved_model_says_the_same(tmp_path) -> None:
    torch.manual_seed(0)
    config = tiny_config(
        tmp_path, HeadConfig("pooled", width=32, hidden=16), task="classify", classes=("two cysts", "nodule")
    )
    model = build_model(config, folder=tmp_path)

    def loss(generator: torch.Generator) -> torch.Tensor:
        images, kinds = _phantoms(16, generator)
        return F.cross_entropy(model.classify(images), kinds)

    teach(model, loss, steps=40, lr=3e-3)
    images, kinds = _phantoms(64, torch.Generator().manual_seed(99))
    with torch.no_grad():
        logits = model.classify(images)
    assert auc((logits[:, 1] - logits[:, 0]).numpy(), kinds.bool().numpy()) >= 0.95
    save_model(model, tmp_path / "saved", config=config, clip_folder=tmp_path)
    again = build_model(config, folder=tmp_path / "saved").eval()
    fill(again, tmp_path / "saved" / "weights.safetensors")
    with torch.no_grad():
        assert torch.allclose(again.classify(images).softmax(1), logits.softmax(1), atol=5e-3)  # stored in half
