"""Each text is embedded once and by itself, and only by a tower that does not learn."""

import pytest
import torch

from tests.core.models.phantoms import tiny_config
from usassist.core.models.build import build_segmenter
from usassist.core.models.config import HeadConfig
from usassist.core.models.segmenter import Segmenter
from usassist.core.training.frozen_texts import FrozenTexts, text_is_frozen


@pytest.fixture
def model(tmp_path) -> Segmenter:
    torch.manual_seed(0)
    return build_segmenter(tiny_config(tmp_path, HeadConfig("film_skip", widths=(8,))), folder=tmp_path).eval()


def test_each_text_is_embedded_once_by_itself_and_in_the_order_asked(model, monkeypatch) -> None:
    asked: list[list[str]] = []
    embed = Segmenter.embed_texts
    monkeypatch.setattr(Segmenter, "embed_texts", lambda self, texts: asked.append(list(texts)) or embed(self, texts))
    texts = FrozenTexts()
    first = texts.embed(model, ["a cyst", "a nodule", "a cyst"])
    assert first.shape == (3, 32) and first.dtype == torch.float32 and not first.requires_grad
    assert torch.equal(first[0], first[2]) and not torch.equal(first[0], first[1])
    again = texts.embed(model, ["a nodule", "a lesion", "a cyst"])
    assert asked == [["a cyst"], ["a nodule"], ["a lesion"]]
    assert torch.equal(again[[2, 0]], first[:2]), "whatever they are asked with"


def test_a_tower_is_frozen_where_nothing_beside_the_images_learns(model) -> None:
    assert not text_is_frozen(model)
    clip = model.encoder.clip
    clip.requires_grad_(requires_grad=False)
    assert text_is_frozen(model)
    clip.visual.requires_grad_(requires_grad=True)
    assert text_is_frozen(model)
    clip.logit_scale.requires_grad_(requires_grad=True)
    assert not text_is_frozen(model)
