import numpy as np
import torch

from usassist.core.models.clip import ImageFeatures
from usassist.core.models.mask_head import Segmentation
from usassist.core.models.prompt_maps import PROMPT_CHANNELS
from usassist.core.training.corrected import corrections_of
from usassist.core.training.sections import ClickConfig

_BOXES = ClickConfig(from_answer=0.0, from_blank=0.0, from_mask=0.0, most=2)


class Painter(torch.nn.Module):
    """A model that answers with everything as soon as it is pointed anywhere, and counts how often it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.head = torch.nn.Identity()
        self.asked: list[torch.Tensor | None] = []

    def decode(self, features, asked, *, given=None, maps=None) -> Segmentation:
        self.asked.append(maps)
        full = torch.full((features.batch, 1, 32, 32), -9.0 if maps is None else 9.0)
        return Segmentation(full, torch.zeros(features.batch), torch.zeros(features.batch))


def _maps(clicks: ClickConfig, seeds: range) -> tuple[torch.Tensor, Painter]:
    model, shown = Painter(), torch.zeros(len(seeds), 64, 64, dtype=torch.uint8)
    shown[:, 20:40, 24:44] = 1
    features = ImageFeatures(torch.zeros(len(seeds), 4), (torch.zeros(len(seeds), 3, 16, 16),))
    rngs = [np.random.default_rng(seed) for seed in seeds]
    return corrections_of(model, features, None, None, shown, clicks=clicks, rngs=rngs), model


def test_the_first_click_after_a_box_corrects_the_answer_to_the_box() -> None:
    """The answer is everything, so what is too much is clicked: never the object itself."""
    maps, _ = _maps(_BOXES, range(24))
    assert maps.shape == (24, PROMPT_CHANNELS, 16, 16)
    clicked = maps[:, :4].flatten(1).any(1)
    assert 4 < clicked.sum() < 20
    assert maps[clicked, 2].flatten(1).any(1).all() and not maps[:, 0].any()
    assert (maps[clicked, 5] > 0).flatten(1).any(1).all(), "with the answer as the previous mask"
    assert not maps[~clicked, 5].any()


def test_from_nothing_the_object_is_clicked_first_and_then_what_is_too_much() -> None:
    maps, model = _maps(ClickConfig(from_answer=0.0, from_blank=1.0, from_mask=0.0, most=3), range(16))
    assert maps[:, 0].flatten(1).any(1).all()
    assert 0 < maps[:, 2].flatten(1).any(1).sum() < 16
    assert model.asked[0] is None and all(maps is not None for maps in model.asked[1:])


def test_nobody_to_ask_is_no_error() -> None:
    maps, _ = _maps(ClickConfig(), range(0))
    assert maps.shape == (0, PROMPT_CHANNELS, 16, 16)


class Learner(torch.nn.Module):
    """A model whose head is one weight, which autocast rounds when it multiplies."""

    def __init__(self) -> None:
        super().__init__()
        self.head = torch.nn.Linear(3, 1)

    def decode(self, features, asked, *, given=None, maps=None) -> Segmentation:
        logits = self.head(features.taps[0].permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return Segmentation(logits, torch.zeros(features.batch), torch.zeros(features.batch))


def test_what_autocast_rounded_without_a_gradient_is_not_what_learns_afterwards(monkeypatch) -> None:
    cleared, clear = [], torch.clear_autocast_cache
    monkeypatch.setattr(torch, "clear_autocast_cache", lambda: (cleared.append(torch.is_grad_enabled()), clear()))
    model, shown = Learner(), torch.zeros(2, 64, 64, dtype=torch.uint8)
    shown[:, 20:40, 24:44] = 1
    features = ImageFeatures(torch.zeros(2, 4), (torch.ones(2, 3, 16, 16),))
    with torch.autocast("cpu", torch.bfloat16):
        rngs = [np.random.default_rng(seed) for seed in range(2)]
        corrections_of(model, features, None, None, shown, clicks=_BOXES, rngs=rngs)
        assert cleared == [False], "once, after the last answer"
        model.decode(features, None).logits.float().sum().backward()
    assert model.head.weight.grad is not None and model.head.weight.grad.abs().sum() > 0
