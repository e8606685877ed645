import pytest
import torch
from torch import nn

from usassist.core.models.clip import ImageFeatures
from usassist.core.models.decoder import FilmSkipDecoder
from usassist.core.models.mask_head import Segmentation, log_odds, seen_inside, uncontested


def _segmentation(channels: int) -> Segmentation:
    torch.manual_seed(0)
    return Segmentation(torch.randn(2, channels, 20, 40) * 3, torch.zeros(2), torch.zeros(2))


def test_one_channel_is_one_object_by_sigmoid() -> None:
    out = _segmentation(1)
    assert torch.equal(out.probability(), out.logits.sigmoid())
    assert torch.equal(out.object_logits(), out.logits)


@pytest.mark.parametrize("channels", [2, 3, 6])
def test_several_channels_are_background_and_objects_by_softmax(channels: int) -> None:
    out = _segmentation(channels)
    probability = out.probability()
    assert probability.shape == (2, channels - 1, 20, 40)
    assert torch.allclose(probability, out.logits.softmax(1)[:, 1:])
    assert torch.allclose(out.object_logits().sigmoid(), probability, atol=1e-6)


def test_log_odds_stay_finite_where_the_softmax_is_1() -> None:
    logits = torch.tensor([-50.0, 60.0, -70.0])[None, :, None, None]
    assert torch.allclose(log_odds(logits).flatten(), torch.tensor([110.0, -130.0]))


def test_the_peak_is_the_mean_of_the_highest_log_odds_of_each_object() -> None:
    logits = torch.arange(800.0).reshape(1, 1, 20, 40)
    assert Segmentation(logits, torch.zeros(1), torch.zeros(1)).peak == (799 + 798) / 2
    assert Segmentation(torch.ones(2, 1, 3, 3), torch.zeros(2), torch.zeros(2)).peak.tolist() == [1, 1]
    two = Segmentation(torch.cat([torch.zeros(1, 1, 20, 40), logits], dim=1), torch.zeros(1), torch.zeros(1))
    assert two.peak == (799 + 798) / 2
    assert _segmentation(4).peak.shape == (2, 3)


def test_each_object_of_several_is_judged_by_itself() -> None:
    head = FilmSkipDecoder((4, 6), condition=8, widths=(5,), objects=3).eval()
    features = ImageFeatures(torch.randn(2, 8), (torch.randn(2, 4, 16, 16), torch.randn(2, 6, 8, 8)))
    out = head(features, None)
    assert out.logits.shape == (2, 4, 16, 16)
    assert out.presence.shape == out.quality.shape == out.peak.shape == (2, 3)
    assert not torch.allclose(out.quality[:, 0], out.quality[:, 1])


def test_predicting_quality_does_not_pull_on_the_mask_and_presence_learns() -> None:
    head = FilmSkipDecoder((4, 6), condition=8, widths=(5,), objects=2)
    features = ImageFeatures(torch.randn(2, 8), (torch.randn(2, 4, 16, 16), torch.randn(2, 6, 8, 8)))
    head(features, None).quality.sum().backward()
    assert head.mask.weight.grad is None
    head(features, None).presence.sum().backward()
    assert all(p.grad is not None for part in (head.presence, head.quality) for p in part.parameters())


def test_samples_without_a_text_get_the_null_condition() -> None:
    head = FilmSkipDecoder((4, 6), condition=8, widths=(5,))
    nn.init.normal_(head.null_condition)
    condition = head.condition(torch.randn(2, 8), torch.tensor([True, False]), batch=2)
    assert torch.equal(condition[1], head.null_condition)
    assert torch.allclose(condition[0].norm(), torch.tensor(8**0.5))


def test_one_condition_serves_a_whole_batch() -> None:
    head = FilmSkipDecoder((4, 6), condition=8, widths=(5,))
    assert head.condition(torch.randn(1, 8), None, batch=3).shape == (3, 8)


def test_a_pixel_belongs_to_its_likeliest_object_alone() -> None:
    probability = torch.tensor([[0.35, 0.6, 0.2], [0.45, 0.1, 0.2]])[None, :, None]
    expected = torch.tensor([[0.0, 0.6, 0.2], [0.45, 0.0, 0.0]])[None, :, None]
    assert torch.equal(uncontested(probability), expected)
    assert torch.equal(uncontested(probability[0]), expected[0])
    assert torch.equal(uncontested(probability[:, :1]), probability[:, :1])


def test_what_lies_inside_a_mask_is_summed_in_float32_also_under_autocast() -> None:
    torch.manual_seed(0)
    x, odds = torch.randn(2, 5, 16, 16), torch.randn(2, 1, 32, 32)
    plain = seen_inside(x, odds)
    with torch.autocast("cpu", torch.bfloat16):
        lowered = seen_inside(x, odds)
    assert all(torch.equal(*both) for both in zip(plain, lowered, strict=True))


def test_the_mean_inside_weighs_each_place_by_its_probability() -> None:
    x = torch.arange(4.0).reshape(1, 1, 2, 2)
    odds = torch.tensor([[[[40.0, -40.0], [40.0, -40.0]]]])
    inside, shape = seen_inside(x, odds)
    assert torch.allclose(inside, torch.tensor([[1.0]])) and shape[0, 2] == 0.5
