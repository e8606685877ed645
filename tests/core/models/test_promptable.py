import pytest
import torch
from torch import nn

from usassist.core.models.clip import ImageFeatures
from usassist.core.models.prompt_maps import PROMPT_CHANNELS, SpatialPrompt, prompt_maps
from usassist.core.models.promptable import PromptableDecoder

_TAPS, _SIDES = (4, 6, 8), (16, 8, 4)


def _head(**options: int) -> PromptableDecoder:
    torch.manual_seed(0)
    return PromptableDecoder(_TAPS, condition=8, widths=(7, 5), **options).eval()


def _taught(head: PromptableDecoder) -> PromptableDecoder:
    for layer in head.prompts.add:
        nn.init.normal_(layer.weight)
    return head


def _features(batch: int = 2) -> ImageFeatures:
    torch.manual_seed(1)
    taps = tuple(torch.randn(batch, c, side, side) for c, side in zip(_TAPS, _SIDES, strict=True))
    return ImageFeatures(torch.randn(batch, 8), taps)


def test_logits_have_twice_the_size_of_the_shallowest_tap() -> None:
    out = _head()(_features(), None)
    assert out.logits.shape == (2, 1, 32, 32)
    assert out.presence.shape == out.quality.shape == (2,)
    assert _head(objects=2)(_features(), None).logits.shape == (2, 3, 32, 32)


def test_without_prompts_nothing_is_added_whatever_was_learned() -> None:
    head, features = _taught(_head()), _features()
    plain = head(features, None)
    zeros = head(features, None, torch.zeros(2, PROMPT_CHANNELS, 16, 16))
    assert torch.equal(plain.logits, zeros.logits)


def test_a_fresh_head_adds_nothing_and_one_that_learned_does() -> None:
    maps = prompt_maps([SpatialPrompt(positive=((0.2, 0.3),))] * 2, side=16)
    fresh = _head()
    assert torch.equal(fresh(_features(), None, maps).logits, fresh(_features(), None).logits)
    taught = _taught(_head())
    assert not torch.allclose(taught(_features(), None, maps).logits, taught(_features(), None).logits)


def test_each_image_of_a_batch_follows_its_own_clicks() -> None:
    head, features = _taught(_head()), _features()
    maps = prompt_maps([SpatialPrompt(), SpatialPrompt(negative=((0.7, 0.7),))], side=16)
    plain, clicked = head(features, None).logits, head(features, None, maps).logits
    assert torch.allclose(plain[0], clicked[0])
    assert not torch.allclose(plain[1], clicked[1])


def test_clicks_teach_every_part_of_their_encoder() -> None:
    head = _taught(_head()).train()
    maps = prompt_maps(
        [SpatialPrompt(positive=((0.2, 0.3),), negative=((0.9, 0.9),), box=(0.1, 0.1, 0.4, 0.5))] * 2, side=16
    )
    head(_features(), None, maps).logits.square().mean().backward()
    assert all(p.grad is not None and p.grad.any() for p in head.prompts.parameters())


def test_widths_must_match_the_taps() -> None:
    with pytest.raises(ValueError, match="need 2 widths"):
        PromptableDecoder(_TAPS, condition=8, widths=(5,))


def test_what_no_click_changes_is_computed_once_and_gives_the_same_answers() -> None:
    head, features = _taught(_head()), _features()
    asked = torch.randn(2, 8)
    begun = head.begin(features, asked)
    head.finish(begun)  # an answer without clicks leaves what is kept as it was
    for at in (0.2, 0.8):
        maps = prompt_maps([SpatialPrompt(positive=((at, at),))] * 2, side=16)
        out = head(features, asked, maps)
        again = head.finish(begun, maps)
        assert torch.equal(out.logits, again.logits)
        assert torch.equal(out.presence, again.presence) and torch.equal(out.quality, again.quality)


def test_a_head_for_several_objects_takes_no_clicks_and_has_nothing_to_learn_them_with() -> None:
    head = _head(objects=2)
    assert not head.takes_maps and _head().takes_maps
    assert not any(name.startswith("prompts") for name, _ in head.named_parameters())
