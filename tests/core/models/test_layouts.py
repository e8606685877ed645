"""Other people's names of CLIP's tensors become open_clip's."""

import doctest

import pytest
import torch

from tests.core.models import published
from usassist.core.errors import ModelError
from usassist.core.models import layouts


def test_examples_in_docstrings() -> None:
    assert doctest.testmod(layouts, extraglobs={"torch": torch}).failed == 0


def test_transformers_names_become_open_clips_with_the_same_values() -> None:
    clip = published.clip()
    theirs = layouts.under(published.hugging_face(clip), "vision_model.embeddings.patch_embedding.weight")
    renamed = layouts.from_hugging_face(theirs or {})
    own = clip.state_dict()
    assert renamed.keys() == own.keys()
    assert all(torch.equal(renamed[name], own[name]) for name in own)


@pytest.mark.parametrize("odd", [None, torch.ones(3)])
def test_a_query_without_its_key_is_a_sentence(odd) -> None:
    tensors = published.hugging_face(published.clip())
    name = "vision_model.encoder.layers.0.self_attn.k_proj.bias"
    tensors.pop(name) if odd is None else tensors.update({name: odd})
    with pytest.raises(
        ModelError, match=r"of visual\.transformer\.resblocks\.0\.attn\.in_proj_bias; q, k and v of one"
    ):
        layouts.from_hugging_face(tensors)


def test_the_shortest_start_wins_and_what_is_no_parameter_is_left_out() -> None:
    one, two = torch.ones(1), torch.ones(2)
    tensors = {
        "ema.model.visual.proj": two,
        "model.visual.proj": one,
        "model.attn_mask": one,
        "model.context_length": one,
    }
    assert layouts.under(tensors, "visual.proj") == {"visual.proj": one}
    assert layouts.under({"xvisual.proj": one}, "visual.proj") is None


def test_a_text_tower_of_its_own_goes_under_text_and_back() -> None:
    plain = published.clip().state_dict()
    custom = layouts.with_custom_text(plain)
    assert {n for n in custom if not n.startswith("text.")} == {n for n in plain if n.startswith(("visual.", "logit"))}
    assert layouts.with_custom_text(custom) is custom
    assert layouts.from_open_clip(custom | {"epoch": torch.ones(1)}).keys() == plain.keys()


def test_unimeds_text_encoder_is_the_text_tower() -> None:
    one = torch.ones(1)
    tensors = {"visual.proj": one, "text_encoder.transformer.x": one, "logit_scale": one, "optimizer.x": one}
    assert sorted(layouts.from_unimed(tensors)) == ["logit_scale", "text.transformer.x", "visual.proj"]


def test_clipsegs_decoder_stands_beside_its_clip() -> None:
    one = torch.ones(1)
    tensors = {"clip.vision_model.embeddings.patch_embedding.weight": one, "decoder.film_mul.weight": one}
    assert list(layouts.clipseg_decoder(tensors)) == ["film_mul.weight"]
    assert layouts.clipseg_decoder({"decoder.film_mul.weight": one}) == {}
