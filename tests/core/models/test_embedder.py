import torch

from tests.core.models.phantoms import tiny_config
from usassist.core.models.build import build_model
from usassist.core.models.config import HeadConfig
from usassist.core.models.embedder import Embedder, freeze_for_inference


def _embedder(tmp_path) -> Embedder:
    model = build_model(tiny_config(tmp_path, HeadConfig("none"), task="embed"), folder=tmp_path)
    assert isinstance(model, Embedder)
    return model


def test_images_and_texts_get_embeddings_of_one_space_that_are_not_normalised(tmp_path) -> None:
    model = freeze_for_inference(_embedder(tmp_path))
    images, texts = model.embed_images(torch.randn(3, 3, 64, 64)), model.embed_texts(["a cyst", "a nodule"])
    assert images.shape == (3, 32) and texts.shape == (2, 32)
    assert not torch.allclose(images.norm(dim=1), torch.ones(3), atol=1e-2)


def test_the_factor_on_cosines_is_the_exponential_of_the_parameter_and_learns(tmp_path) -> None:
    model = _embedder(tmp_path)
    with torch.no_grad():
        model.encoder.clip.logit_scale.fill_(1.5)
    assert torch.allclose(model.logit_scale, torch.tensor(1.5).exp())
    model.logit_scale.backward()
    assert model.encoder.clip.logit_scale.grad is not None


def test_forward_is_both_towers_and_the_factor(tmp_path) -> None:
    model = _embedder(tmp_path).eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        a, b, scale = model(images, ["a cyst"])
        assert torch.equal(a, model.embed_images(images)) and torch.equal(b, model.embed_texts(["a cyst"]))
    assert scale == model.logit_scale
