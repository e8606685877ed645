from pathlib import Path

import pytest
import torch

from tests.core.models.phantoms import BRIGHT, DARK, Scenes, mask_loss, mean_dice, scenes, teach, tiny_config
from usassist.core.models.build import build_segmenter
from usassist.core.models.config import HeadConfig
from usassist.core.models.segmenter import Segmenter


def test_encode_then_decode_is_forward(small_model) -> None:
    images = torch.randn(2, 3, 256, 256)
    ids = small_model.encoder.tokenizer(["breast lesion", "lesion"])
    with torch.inference_mode():
        whole, _, _ = small_model(images, ids, torch.tensor([True, True]))
        parts = small_model.decode(small_model.encode(images), small_model.embed_texts(["breast lesion", "lesion"]))
    assert torch.allclose(whole.logits, parts.logits, atol=1e-5)


def test_the_shipped_architecture_fits_16_mb_in_half_precision(small_model) -> None:
    assert small_model.parameter_count() * 2 < 16_000_000


def test_inference_needs_no_gradients(small_model) -> None:
    assert not any(p.requires_grad for p in small_model.parameters())
    assert not small_model.training


def _taught(folder: Path, head: HeadConfig, *, size: int, steps: int, lr: float) -> Segmenter:
    """Teach a small model to find what is asked for: half of a batch by a text, half by a support image."""
    torch.manual_seed(0)
    model = build_segmenter(tiny_config(folder, head, size=size), folder=folder)

    def loss(generator: torch.Generator) -> torch.Tensor:
        batch = scenes(8, generator, size=size)
        is_dark = (torch.rand(8, 1, generator=generator) < 0.5).float()
        maps = is_dark[..., None, None]
        truth = maps * batch.dark + (1 - maps) * batch.bright
        # The support is another image of the batch, with the mask of the object that is asked for.
        support = maps * batch.dark.roll(1, 0) + (1 - maps) * batch.bright.roll(1, 0)
        shown = model.embed_support(batch.images.roll(1, 0)[:4], support[:4])
        dark, bright = model.embed_texts([DARK, BRIGHT])
        said = is_dark[4:] * dark + (1 - is_dark[4:]) * bright
        return mask_loss(model.decode(model.encode(batch.images), torch.cat([shown, said])).logits, truth)

    teach(model, loss, steps=steps, lr=lr)
    return model


@pytest.fixture(scope="module")
def clipseg(tmp_path_factory) -> Segmenter:
    head = HeadConfig("clipseg", width=32, dropout=0.0)
    return _taught(tmp_path_factory.mktemp("clipseg"), head, size=48, steps=180, lr=2e-3)


@pytest.fixture(scope="module")
def film_skip(tmp_path_factory) -> Segmenter:
    head = HeadConfig("film_skip", widths=(32,))
    return _taught(tmp_path_factory.mktemp("film_skip"), head, size=64, steps=80, lr=3e-3)


@pytest.fixture(params=["clipseg", "film_skip"])
def taught(request) -> Segmenter:
    model: Segmenter = request.getfixturevalue(request.param)
    return model


def _unseen(model: Segmenter, seed: int) -> Scenes:
    return scenes(16, torch.Generator().manual_seed(seed), size=model.config.preprocess.size)


def _require_selects(model: Segmenter, asked: torch.Tensor, query: Scenes, *, dark: bool) -> None:
    odds = model.decode(model.encode(query.images), asked).object_logits()
    wanted, other = (query.dark, query.bright) if dark else (query.bright, query.dark)
    assert mean_dice(odds, wanted) > 0.6
    assert mean_dice(odds, other) < 0.1


@torch.no_grad()
def test_P1_two_prompts_select_different_objects_of_one_image(taught) -> None:
    query, (dark, bright) = _unseen(taught, 99), taught.embed_texts([DARK, BRIGHT])
    _require_selects(taught, dark[None], query, dark=True)
    _require_selects(taught, bright[None], query, dark=False)


@torch.no_grad()
def test_P2_the_support_of_an_object_segments_it_in_a_query(taught) -> None:
    query, support = _unseen(taught, 99), _unseen(taught, 7)
    _require_selects(taught, taught.embed_support(support.images, support.dark), query, dark=True)
    _require_selects(taught, taught.embed_support(support.images, support.bright), query, dark=False)


@torch.no_grad()
def test_P2_one_support_case_serves_many_queries(taught) -> None:
    query, support = _unseen(taught, 99), _unseen(taught, 7)
    one = taught.embed_support(support.images[:1], support.bright[:1])
    assert one.shape == (1, taught.encoder.width)
    _require_selects(taught, one, query, dark=False)
