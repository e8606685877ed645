"""Two towers are told off the shapes of their tensors."""

import pytest
import torch

from tests.core.models import published
from usassist.core.errors import ModelError
from usassist.core.models.clip import build_clip
from usassist.core.models.clip_settings import settings_of
from usassist.core.models.shapes import blocks_of, is_undecided, named_like, settings_from_shapes


def _state(name: str):
    settings = settings_of(name)
    with torch.device("meta"):
        return build_clip(settings, image_size=settings["vision_cfg"]["image_size"]).state_dict()


def test_a_tiny_clip_has_the_settings_it_was_built_with() -> None:
    found = settings_from_shapes(published.clip().state_dict(), activation="quickgelu", where="x.pt")
    own = published.settings()
    assert (found["embed_dim"], found["quick_gelu"]) == (own["embed_dim"], True)
    assert found["vision_cfg"].items() >= own["vision_cfg"].items()
    assert found["text_cfg"].items() >= own["text_cfg"].items()
    assert named_like(found) is None


@pytest.mark.parametrize("name", ["ViT-B-32-quickgelu", "RN50-quickgelu", "ViT-L-14"])
def test_a_published_model_is_known_by_its_shapes_alone(name: str) -> None:
    activation = "quickgelu" if name.endswith("quickgelu") else "gelu"
    assert named_like(settings_from_shapes(_state(name), activation=activation, where="x.pt")) == name


def test_what_no_shape_shows_stays_open() -> None:
    state = published.clip().state_dict()
    assert is_undecided(settings_from_shapes(state, activation=None, where="x.pt"))
    assert not is_undecided(settings_from_shapes(state, activation="gelu", where="x.pt"))
    # Neither timm's ViT nor a BERT has the choice.
    assert not is_undecided(settings_from_shapes(_state("biomedclip-vit-b-16"), activation=None, where="x.pt"))


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        ("visual.proj", None, "the tensor 'visual.proj' is missing"),
        ("visual.conv1.weight", torch.ones(64), r"has the shape \(64,\), expected 4 sides"),
        ("visual.positional_embedding", torch.ones(19, 64), "19 positions are no square"),
        (
            "token_embedding.weight",
            torch.ones(0, 64),
            r"1 tensors hold no number, for instance token_embedding\.weight",
        ),
    ],
)
def test_what_no_tower_has_is_a_sentence_that_names_the_file(name: str, tensor, message: str) -> None:
    state = dict(published.clip().state_dict())
    state.pop(name) if tensor is None else state.update({name: tensor})
    with pytest.raises(ModelError, match=rf"^x\.pt.*{message}"):
        settings_from_shapes(state, activation="gelu", where="x.pt")


def test_blocks_are_counted_for_transformers_only() -> None:
    assert blocks_of(published.settings()) == published.BLOCKS
    assert blocks_of(settings_of("biomedclip-vit-b-16")) == 12
    assert blocks_of(settings_of("RN50")) is None
    assert blocks_of(settings_of("usassist-lite0")) is None
