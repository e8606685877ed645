from pathlib import Path

import pytest
import torch

from tests.core.models.phantoms import BRIGHT, DARK, Scenes, mask_loss, mean_dice, scenes, teach, tiny_config
from usassist.core.models.build import build_segmenter
from usassist.core.models.config import HeadConfig, Precision
from usassist.core.models.prompt_maps import SpatialPrompt, prompt_maps
from usassist.core.models.segmenter import Segmenter
from usassist.core.models.work import make_ready


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


def _pointing(folder: Path) -> tuple[Segmenter, torch.Tensor, torch.Tensor]:
    """Return a model whose random decoder follows texts and clicks, images, and maps of clicks, a box and a mask."""
    torch.manual_seed(0)
    model = build_segmenter(tiny_config(folder, HeadConfig("promptable", widths=(16,))), folder=folder).eval()
    for name, parameter in model.head.named_parameters():
        if name.startswith("prompts.add") or "film" in name:
            torch.nn.init.normal_(parameter, std=3.0 if name.startswith("prompts") else 0.3)
    previous = torch.rand(20, 20, generator=torch.Generator().manual_seed(1)).numpy()
    prompts = [
        SpatialPrompt(positive=((0.3, 0.4), (0.7, 0.2)), negative=((0.5, 0.9),)),
        SpatialPrompt(box=(0.1, 0.2, 0.6, 0.7), previous=previous),
    ]
    images = scenes(2, torch.Generator().manual_seed(3)).images
    return model, images, prompt_maps(prompts, side=8)


@pytest.mark.parametrize(("precision", "most"), [("fp32", 1e-4), ("bf16", 0.03), ("int8", 0.1)])
@torch.inference_mode()
def test_made_ready_in_any_precision_it_answers_clicks_as_in_float32(tmp_path, precision: Precision, most) -> None:
    model, images, maps = _pointing(tmp_path)
    asked = model.embed_texts([DARK, BRIGHT])
    free, exact = (model.decode(model.encode(images), asked, maps=given) for given in (None, maps))
    ready = make_ready(model, precision=precision)
    assert ready.precision == precision
    features = ready.encode(images)
    found = ready.decode(features, asked, maps=maps)
    begun = ready.answer(ready.begin(features, asked), maps)
    spread = float(exact.logits.std())
    assert float((exact.logits - free.logits).abs().mean()) > 0.2 * spread, "the clicks matter"
    for answer in (found, begun):
        assert float((answer.logits - exact.logits).abs().mean()) < most * spread
        assert torch.allclose(answer.presence, exact.presence, atol=3 * most)
        assert torch.allclose(answer.quality, exact.quality, atol=3 * most)
