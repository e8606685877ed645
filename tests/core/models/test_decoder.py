import pytest
import torch
from torch import nn

from usassist.core.models.clip import ImageFeatures
from usassist.core.models.decoder import FilmSkipDecoder, resized


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


def test_widths_must_match_the_taps() -> None:
    with pytest.raises(ValueError, match="need 1 widths"):
        FilmSkipDecoder((4, 6), condition=8, widths=(5, 5))


def test_a_map_of_the_right_size_is_not_touched() -> None:
    x = torch.randn(1, 2, 4, 4)
    assert resized(x, torch.zeros(1, 9, 4, 4)) is x
    assert resized(x, torch.zeros(1, 9, 8, 6)).shape == (1, 2, 8, 6)


def test_several_objects_have_a_channel_each_beside_the_background() -> None:
    head = FilmSkipDecoder((4, 6), condition=8, widths=(5,), objects=2).eval()
    assert head(_features(), None).logits.shape == (2, 3, 16, 16)
