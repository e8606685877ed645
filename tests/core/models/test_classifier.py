import torch

from tests.core.models.phantoms import tiny_config
from usassist.core.models.build import build_model
from usassist.core.models.classifier import Classifier
from usassist.core.models.config import HeadConfig


def test_N12_logits_are_one_a_class_and_the_towers_still_embed(tmp_path) -> None:
    classes = ("normal", "benign", "malignant")
    config = tiny_config(tmp_path, HeadConfig("pooled", width=16), task="classify", classes=classes)
    model = build_model(config, folder=tmp_path).eval()
    assert isinstance(model, Classifier)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        logits = model.classify(images)
        assert torch.equal(model(images), logits)
        assert torch.equal(model.head(model.encode(images)), logits)  # from features that are there already
    assert logits.shape == (2, 3)
    assert model.embed_texts(["benign"]).shape == (1, model.encoder.width)
