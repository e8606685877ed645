import importlib.util
import os

import pytest
import torch
from torch import nn

from usassist.core.errors import ModelError
from usassist.core.models import torchvision_ops
from usassist.core.models.clip import ImageFeatures
from usassist.core.models.clipseg import ClipSegHead, from_hf, load_hf_decoder

needs_transformers = pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None, reason="compares with the transformers package"
)


def _features(batch: int = 2, *, channels: int = 12, prefix: int = 1, side: int = 3) -> ImageFeatures:
    taps = tuple(torch.randn(batch, channels, side, side) for _ in range(3))
    return ImageFeatures(
        torch.randn(batch, 8), taps, tuple(torch.randn(batch, prefix, channels) for _ in taps) if prefix else ()
    )


@pytest.mark.parametrize("refined", [True, False])
@pytest.mark.parametrize("prefix", [0, 1, 5])
def test_one_token_becomes_16_pixels_with_and_without_class_tokens(refined: bool, prefix: int) -> None:
    head = ClipSegHead((12, 12, 12), condition=8, width=16, refined=refined).eval()
    out = head(_features(prefix=prefix), torch.randn(2, 8))
    assert out.logits.shape == (2, 1, 48, 48)
    assert out.presence.shape == out.quality.shape == out.peak.shape == (2,)


def test_P1_refined_upsampling_is_the_published_one() -> None:
    up = ClipSegHead((768, 768, 768), condition=512).up
    kinds = [(type(layer), getattr(layer, "kernel_size", None), getattr(layer, "stride", None)) for layer in up]
    assert kinds == [
        (nn.Conv2d, (3, 3), (1, 1)),
        (nn.ReLU, None, None),
        (nn.ConvTranspose2d, (4, 4), (4, 4)),
        (nn.ReLU, None, None),
        (nn.ConvTranspose2d, (4, 4), (4, 4)),
    ]
    assert [layer.weight.shape[:2] for layer in up if isinstance(layer, nn.ConvTranspose2d)] == [(64, 32), (32, 1)]


def test_P1_the_class_token_takes_part_and_is_dropped() -> None:
    torch.manual_seed(0)
    head, features = ClipSegHead((12, 12, 12), condition=8, width=16).eval(), _features()
    other = ImageFeatures(features.embedding, features.taps, tuple(torch.randn_like(p) for p in features.prefix))
    condition = torch.randn(2, 8)
    with torch.no_grad():
        assert not torch.allclose(head(features, condition).logits, head(other, condition).logits)


def test_P1_the_condition_is_taken_as_it_is_and_modulates_the_deepest_level_only() -> None:
    head = ClipSegHead((12, 12, 12), condition=8, width=16)
    asked = torch.randn(2, 8) * 7
    assert torch.equal(head.condition(asked, None, batch=2), asked)
    assert [name for name, _ in head.named_parameters() if name.startswith("film")] == [
        *("film.scale.weight", "film.scale.bias", "film.shift.weight", "film.shift.bias")
    ]


def test_maps_of_a_convolutional_trunk_meet_at_the_deepest_size() -> None:
    taps = (torch.randn(1, 4, 16, 16), torch.randn(1, 6, 8, 8), torch.randn(1, 8, 4, 4))
    head = ClipSegHead((4, 6, 8), condition=8, width=16, objects=3).eval()
    out = head(ImageFeatures(torch.randn(1, 8), taps), None)
    assert out.logits.shape == (1, 4, 64, 64) and out.presence.shape == (1, 3)


def test_a_width_that_its_attention_cannot_split_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 4"):
        ClipSegHead((4, 4), condition=8, width=30)


@pytest.fixture(scope="module")
def theirs():
    """A small CLIPSeg of the transformers package with random weights."""
    torchvision_ops.prepare()
    from transformers import CLIPSegConfig, CLIPSegForImageSegmentation
    from transformers.utils import logging

    logging.set_verbosity_error()
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 4, "num_attention_heads": 2}
    config = CLIPSegConfig(
        text_config={**sizes, "vocab_size": 100, "max_position_embeddings": 16, "eos_token_id": 99},
        vision_config={**sizes, "image_size": 64, "patch_size": 16},
        projection_dim=24,
        extract_layers=[1, 2, 3],
        reduce_dim=16,
        decoder_num_attention_heads=4,
        decoder_intermediate_size=2048,
        use_complex_transposed_convolution=True,
    )
    model = CLIPSegForImageSegmentation(config).eval()
    for parameter in model.decoder.parameters():  # theirs start too small to tell apart
        nn.init.normal_(parameter, std=0.2)
    return model


@needs_transformers
@pytest.mark.parametrize("refined", [True, False])
def test_P1_the_decoder_equals_transformers_clipseg(theirs, refined: bool) -> None:
    """The (W) check of the row, with random weights: the same tensors give the same logits."""
    from transformers import CLIPSegForImageSegmentation

    if not refined:
        config = theirs.config.__class__(**theirs.config.to_dict() | {"use_complex_transposed_convolution": False})
        torch.manual_seed(1)
        theirs = CLIPSegForImageSegmentation(config).eval()
    images, condition = torch.randn(2, 3, 64, 64), torch.randn(2, 24) * 3
    with torch.no_grad():
        states = theirs.clip.vision_model(images, output_hidden_states=True).hidden_states
        expected = theirs(pixel_values=images, conditional_embeddings=condition).logits
        head = ClipSegHead((32, 32, 32), condition=24, width=16, refined=refined).eval()
        load_hf_decoder(head, theirs.state_dict())
        tokens = [states[layer + 1] for layer in theirs.config.extract_layers]
        taps = tuple(t[:, 1:].transpose(1, 2).unflatten(2, (4, 4)) for t in tokens)
        features = ImageFeatures(torch.randn(2, 24), taps, tuple(t[:, :1] for t in tokens))
        out = head(features, condition)
    assert expected.std() > 1e-3
    assert torch.allclose(out.logits[:, 0], expected, atol=1e-4 * float(expected.abs().max().clamp_min(1)))
    # What CLIPSeg never judged is not made up: presence and quality are the same for every image.
    assert torch.equal(out.presence, torch.zeros(2)) and torch.equal(out.quality, torch.zeros(2))


@needs_transformers
def test_P1_a_decoder_that_does_not_fit_is_counted(theirs) -> None:
    state = theirs.state_dict()
    with pytest.raises(ModelError, match=r"does not fit: 0 tensors missing, 0 unexpected, \d+ of another shape"):
        load_hf_decoder(ClipSegHead((32, 32, 32), condition=24, width=32), state)
    with pytest.raises(ModelError, match="1 tensors missing"):
        load_hf_decoder(
            ClipSegHead((32, 32, 32), condition=24, width=16),
            {name: tensor for name, tensor in state.items() if name != "decoder.film_mul.weight"},
        )
    with pytest.raises(ModelError, match="k_proj"):
        from_hf({name: tensor for name, tensor in state.items() if "k_proj" not in name})


@needs_transformers
@pytest.mark.weights
def test_P1_w_the_published_weights_give_the_published_logits() -> None:
    """Needs USASSIST_CLIPSEG: a folder with CIDAS/clipseg-rd64-refined as transformers saves it."""
    folder = os.environ.get("USASSIST_CLIPSEG")
    if not folder:
        pytest.skip("USASSIST_CLIPSEG names no folder with CIDAS/clipseg-rd64-refined.")
    torchvision_ops.prepare()
    from transformers import CLIPSegForImageSegmentation

    theirs = CLIPSegForImageSegmentation.from_pretrained(folder, local_files_only=True).eval()
    images, condition = torch.randn(1, 3, 352, 352), torch.randn(1, 512)
    with torch.no_grad():
        states = theirs.clip.vision_model(images, output_hidden_states=True, interpolate_pos_encoding=True)
        expected = theirs(pixel_values=images, conditional_embeddings=condition, interpolate_pos_encoding=True).logits
        head = ClipSegHead((768, 768, 768), condition=512).eval()
        load_hf_decoder(head, theirs.state_dict())
        tokens = [states.hidden_states[layer + 1] for layer in theirs.config.extract_layers]
        taps = tuple(t[:, 1:].transpose(1, 2).unflatten(2, (22, 22)) for t in tokens)
        out = head(ImageFeatures(condition, taps, tuple(t[:, :1] for t in tokens)), condition)
    assert torch.allclose(out.logits[:, 0], expected.reshape(1, 352, 352), atol=1e-3)
