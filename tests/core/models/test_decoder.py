import pytest
import torch
from torch import nn

from usassist.core.models.clip import ImageFeatures
from usassist.core.models.decoder import FilmSkipDecoder, Segmentation


def _features(batch: int = 2) -> ImageFeatures:
    return ImageFeatures(torch.randn(batch, 8), (torch.randn(batch, 4, 16, 16), torch.randn(batch, 6, 8, 8)))


def test_logits_have_the_size_of_the_shallowest_tap() -> None:
    head = FilmSkipDecoder((4, 6), condition=8, widths=(5,)).eval()
    out = head(_features(), head.condition(None, None, batch=2))
    assert out.logits.shape == (2, 1, 16, 16)
    assert out.presence.shape == out.quality.shape == (2,)


def test_taps_of_one_size_need_no_upsampling() -> None:
    features = ImageFeatures(torch.randn(1, 8), (torch.randn(1, 4, 7, 7), torch.randn(1, 4, 7, 7)))
    head = FilmSkipDecoder((4, 4), condition=8, widths=(5,)).eval()
    assert head(features, head.condition(None, None, batch=1)).logits.shape == (1, 1, 7, 7)


def test_a_text_changes_the_answer_once_film_has_learned() -> None:
    head = FilmSkipDecoder((4, 6), condition=8, widths=(5,)).eval()
    for film in head.film:
        nn.init.normal_(film.scale.weight)
    features, texts = _features(1), torch.randn(2, 8)
    first, second = (head(features, head.condition(text[None], None, batch=1)).logits for text in texts)
    assert not torch.allclose(first, second)


def test_samples_without_a_text_get_the_null_condition() -> None:
    head = FilmSkipDecoder((4, 6), condition=8, widths=(5,))
    nn.init.normal_(head.null_condition)
    condition = head.condition(torch.randn(2, 8), torch.tensor([True, False]), batch=2)
    assert torch.equal(condition[1], head.null_condition)
    assert torch.allclose(condition[0].norm(), torch.tensor(8**0.5))


def test_predicting_quality_does_not_pull_on_the_mask() -> None:
    head = FilmSkipDecoder((4, 6), condition=8, widths=(5,))
    head(_features(), head.condition(None, None, batch=2)).quality.sum().backward()
    assert head.mask.weight.grad is None
    assert next(head.quality.parameters()).grad is not None


def test_widths_must_match_the_taps() -> None:
    with pytest.raises(ValueError, match="need 1 widths"):
        FilmSkipDecoder((4, 6), condition=8, widths=(5, 5))


def test_the_peak_is_the_mean_of_the_highest_logits() -> None:
    logits = torch.arange(800.0).reshape(1, 1, 20, 40)
    assert Segmentation(logits, torch.zeros(1), torch.zeros(1)).peak == (799 + 798) / 2
    assert Segmentation(torch.ones(2, 1, 3, 3), torch.zeros(2), torch.zeros(2)).peak.tolist() == [1, 1]
