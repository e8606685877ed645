"""One wrapper, every tower: the same answers as open_clip's own forward, taps and class tokens at any block."""

import copy
import json
import logging

import pytest
import torch

from usassist.core.errors import ModelError
from usassist.core.models import clip_settings, torchvision_ops
from usassist.core.models.adapt import ADAPTERS
from usassist.core.models.clip import ClipEncoder, ImageFeatures, build_encoder
from usassist.core.models.config import AdapterConfig, EncoderConfig
from usassist.core.models.prompt_maps import PROMPT_CHANNELS
from usassist.core.models.promptable import PromptableDecoder

NO_ADAPTER = AdapterConfig("none")
TEXT = {"context_length": 16, "vocab_size": 300, "width": 64, "heads": 2, "layers": 2}
VIT = {"image_size": 32, "layers": 4, "width": 64, "patch_size": 8}
TIMM = {"image_size": 32, "timm_model_name": "vit_tiny_patch16_224", "timm_pool": "", "timm_proj": "linear"}


def _write(folder, name="tiny", *, vision, quick_gelu=False, **text):
    settings = {"embed_dim": 32, "quick_gelu": quick_gelu, "vision_cfg": dict(vision), "text_cfg": TEXT | text}
    (folder / f"{name}.json").write_text(json.dumps(settings))
    return settings


def _encoder(folder, *, taps=(1, 2, 3), size=32, vocabulary=(320, 518), adapter=NO_ADAPTER):
    torch.manual_seed(0)
    config = EncoderConfig("tiny", taps, vocabulary)
    return build_encoder(config, adapter, folder=folder, image_size=size).eval()


def test_images_and_texts_share_one_embedding(small_model) -> None:
    features = small_model.encode(torch.randn(2, 3, 256, 256))
    text = small_model.embed_texts(["breast lesion", "fetal head"])
    assert features.embedding.shape == text.shape == (2, small_model.encoder.width)
    assert not torch.allclose(text[0], text[1])


def test_taps_are_a_pyramid(small_model) -> None:
    features = small_model.encode(torch.randn(1, 3, 256, 256))
    assert [tap.shape[-1] for tap in features.taps] == [128, 64, 32, 16, 8]
    assert tuple(tap.shape[1] for tap in features.taps) == small_model.encoder.tap_channels
    assert features.prefix == ()


@pytest.mark.parametrize("name", ["usassist-lite0", "usassist-lite0-pooled", "usassist-unet", "usassist-resnet18"])
def test_our_own_towers_say_their_sizes_without_an_image(name, monkeypatch) -> None:
    """Loading a model then costs no answer; what they say is what an image would have shown."""
    image = ClipEncoder.image
    monkeypatch.setattr(ClipEncoder, "image", lambda *_: pytest.fail("an image was encoded"))
    encoder = build_encoder(EncoderConfig(name, (1, 3), (320,)), NO_ADAPTER, folder=None, image_size=64)
    monkeypatch.setattr(ClipEncoder, "image", image)
    assert (encoder.tap_channels, encoder.width) == encoder._probed_sizes(64)


def test_one_image_expands_to_many_prompts(tmp_path) -> None:
    _write(tmp_path, vision=VIT)
    features = _encoder(tmp_path).image(torch.randn(1, 3, 32, 32)).expand(3)
    assert features.embedding.shape[0] == 3
    assert all(part.shape[0] == 3 for part in (*features.taps, *features.prefix))


@pytest.mark.parametrize("quick_gelu", [True, False], ids=["ViT-B-16-quickgelu", "ViT-B-32"])
def test_N1_a_vit_answers_as_open_clips_own_forward(tmp_path, quick_gelu: bool) -> None:
    """N1: image, text and logits within 1e-4 of open_clip's class built from the same settings and weights."""
    torchvision_ops.prepare()
    import open_clip

    settings = _write(tmp_path, vision=VIT, quick_gelu=quick_gelu)
    encoder = _encoder(tmp_path)
    theirs = open_clip.CLIP(**settings).eval()
    theirs.load_state_dict(encoder.clip.state_dict())
    images, ids = torch.randn(3, 3, 32, 32), encoder.tokenizer(["benign", "malignant lesion"])
    with torch.no_grad():
        ours, (logits, _) = encoder.image(images), theirs.get_logits(images, ids)
        assert torch.allclose(ours.embedding, theirs.encode_image(images), atol=1e-4)
        assert torch.allclose(encoder.text(ids), theirs.encode_text(ids), atol=1e-4)
        unit = [torch.nn.functional.normalize(e, dim=-1) for e in (ours.embedding, encoder.text(ids))]
        assert torch.allclose(theirs.logit_scale.exp() * unit[0] @ unit[1].T, logits, atol=1e-4)
        other = copy.deepcopy(settings) | {"quick_gelu": not quick_gelu}
        wrong = open_clip.CLIP(**other).eval()
        wrong.load_state_dict(theirs.state_dict())
        assert not torch.allclose(wrong.encode_image(images), ours.embedding, atol=1e-4)  # the check has teeth


def test_N1_a_timm_trunk_answers_as_open_clips_own_forward(tmp_path) -> None:
    torchvision_ops.prepare()
    import open_clip

    settings = _write(tmp_path, vision=TIMM | {"image_size": 224})
    encoder = _encoder(tmp_path, taps=(3, 11), size=224)
    theirs = open_clip.CLIP(**settings).eval()
    theirs.load_state_dict(encoder.clip.state_dict())
    images = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        ours = encoder.image(images)
        assert torch.allclose(ours.embedding, theirs.encode_image(images), atol=1e-4)
    assert [tuple(tap.shape) for tap in ours.taps] == [(1, 192, 14, 14)] * 2
    assert [tuple(tokens.shape) for tokens in ours.prefix] == [(1, 1, 192)] * 2


def test_N1_our_trunk_answers_as_open_clips_own_forward(small_model) -> None:
    images = torch.randn(2, 3, 256, 256)
    clip, ids = small_model.encoder.clip, small_model.encoder.tokenizer(["breast lesion"])
    with torch.no_grad():
        assert torch.allclose(small_model.encode(images).embedding, clip.encode_image(images), atol=1e-4)
        assert torch.allclose(small_model.encoder.text(ids), clip.encode_text(ids), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ViT-B-16-quickgelu", "ViT-B-32"])
def test_N1_real_sizes_answer_as_open_clips_own_factory(name: str) -> None:
    torchvision_ops.prepare()
    import open_clip

    encoder = build_encoder(EncoderConfig(name, (3, 6, 9)), NO_ADAPTER, folder=None, image_size=224)
    theirs = open_clip.create_model(name, pretrained=None).eval()
    theirs.load_state_dict(encoder.clip.state_dict())
    images, ids = torch.randn(2, 3, 224, 224), encoder.tokenizer(["a benign breast lesion", "a malignant one"])
    assert ids.equal(open_clip.get_tokenizer(name)(["a benign breast lesion", "a malignant one"]))
    with torch.no_grad():
        ours = encoder.image(images)
        assert torch.allclose(ours.embedding, theirs.encode_image(images), atol=1e-4)
        assert torch.allclose(encoder.text(ids), theirs.encode_text(ids), atol=1e-4)
    assert encoder.tap_channels == (768, 768, 768)
    assert encoder.width == 512


def test_taps_are_the_outputs_of_the_blocks_named_with_their_class_tokens(tmp_path) -> None:
    _write(tmp_path, vision=VIT)
    encoder, seen = _encoder(tmp_path, taps=(3, 0)), {}
    for index, block in enumerate(encoder.clip.visual.transformer.resblocks):
        block.register_forward_hook(lambda _, __, out, index=index: seen.update({index: out}))
    features = encoder.image(torch.randn(2, 3, 32, 32))
    for tap, prefix, index in zip(features.taps, features.prefix, (0, 3), strict=True):
        tokens = torch.cat([prefix, tap.flatten(2).transpose(1, 2)], dim=1)
        assert torch.equal(tokens, seen[index])


def test_a_trunk_without_class_token_has_no_prefix(tmp_path) -> None:
    torchvision_ops.prepare()
    from timm.models.vision_transformer import VisionTransformer

    _write(tmp_path, vision=TIMM)
    clip, tokenizer = (part := _encoder(tmp_path)).clip, part.tokenizer
    sizes = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 3, "num_heads": 2}
    clip.visual.trunk = VisionTransformer(**sizes, num_classes=0, class_token=False, global_pool="avg")
    clip.visual.head = torch.nn.Linear(32, 32)
    encoder = ClipEncoder(clip, tokenizer, taps=(0, 2), image_size=32)
    assert encoder.prefix_tokens == 0
    images = torch.randn(1, 3, 32, 32)
    features = encoder.image(images)
    assert features.prefix == ()
    assert [tap.shape for tap in features.taps] == [(1, 32, 4, 4)] * 2
    assert torch.allclose(features.embedding, clip.encode_image(images), atol=1e-5)


def test_blocks_that_take_tokens_first_give_the_same_taps(tmp_path) -> None:
    _write(tmp_path, vision=VIT)
    encoder = _encoder(tmp_path)
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        before = encoder.image(images)
        transformer = encoder.clip.visual.transformer
        transformer.batch_first = False
        for block in transformer.resblocks:
            block.attn.batch_first = False
        after = encoder.image(images)
    assert torch.allclose(before.embedding, after.embedding, atol=1e-5)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(before.taps, after.taps, strict=True))
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(before.prefix, after.prefix, strict=True))


def test_a_resnet_of_open_clip_gives_maps_and_the_same_embedding(tmp_path) -> None:
    _write(tmp_path, vision={"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None})
    encoder = _encoder(tmp_path, taps=(1, 2), size=64)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        features = encoder.image(images)
        assert torch.allclose(features.embedding, encoder.clip.encode_image(images), atol=1e-5)
    assert [tap.shape[-1] for tap in features.taps] == [16, 8]


@pytest.mark.parametrize("vision", [VIT, TIMM], ids=["open_clip", "timm"])
def test_another_image_size_has_its_own_grid(tmp_path, vision) -> None:
    _write(tmp_path, vision=vision)
    assert _encoder(tmp_path, size=64).image(torch.randn(1, 3, 64, 64)).taps[0].shape[-1] == 64 // (
        8 if vision is VIT else 16
    )


def test_an_unknown_configuration_is_a_sentence() -> None:
    with pytest.raises(ModelError, match="No open_clip configuration is called 'nothing'"):
        build_encoder(EncoderConfig("nothing", (0,)), AdapterConfig(), folder=None, image_size=64)


def test_open_clips_root_logging_stays_silent(small_config, caplog) -> None:
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    with caplog.at_level(logging.DEBUG):
        build_encoder(small_config.encoder, small_config.adapter, folder=None, image_size=64)
    assert not [record for record in caplog.records if record.name == "root"]
    assert (root.level, root.handlers) == (level, handlers)


@pytest.mark.parametrize(("size", "nearest"), [(60, "56 and 64"), (33, "32 and 40"), (1023, "1016 and 1024")])
def test_a_size_that_patches_do_not_divide_is_refused_with_the_nearest(tmp_path, size: int, nearest: str) -> None:
    """The tower would cut off the rest and the outline would be stretched over it."""
    _write(tmp_path, vision=VIT)
    with pytest.raises(ModelError, match=rf"8 x 8 pixels.*preprocess\.size {size}.*work are {nearest}\."):
        _encoder(tmp_path, size=size)
    assert _encoder(tmp_path, size=int(nearest.split(maxsplit=1)[0])).tap_channels == (64, 64, 64)


def test_a_timm_tower_has_patches_too_and_a_convolutional_one_none(tmp_path) -> None:
    _write(tmp_path, vision=TIMM)
    with pytest.raises(ModelError, match=r"16 x 16 pixels.*preprocess\.size 60.*48 and 64\."):
        _encoder(tmp_path, size=60)
    _write(tmp_path, vision=TIMM | {"timm_model_name": "usassist_unet_16"})
    assert _encoder(tmp_path, size=60).tap_channels == (32, 64, 128)


def test_below_the_smallest_image_there_is_only_one_size(tmp_path) -> None:
    _write(tmp_path, vision=VIT | {"patch_size": 32})
    with pytest.raises(ModelError, match=r"sizes that work are 32\."):
        _encoder(tmp_path, size=20)


@pytest.mark.parametrize(
    ("vision", "count"),
    [
        (VIT, 4),
        (TIMM, 12),
        (VIT | {"layers": [1, 1, 1, 1], "patch_size": None}, 5),
        (TIMM | {"timm_model_name": "usassist_lite0_context"}, 5),
        (TIMM | {"timm_model_name": "usassist_resnet18"}, 5),
    ],
    ids=["open_clip", "timm", "ResNet", "ours", "staged"],
)
def test_taps_beyond_the_tower_say_how_many_there_are(tmp_path, vision, count: int) -> None:
    _write(tmp_path, vision=vision)
    _encoder(tmp_path, taps=(0, count - 1), size=64)
    with pytest.raises(ModelError, match=rf"has {count} maps to read, 0 to {count - 1}, .* names {count}, 99\."):
        _encoder(tmp_path, taps=(0, count, 99), size=64)


def test_taps_beyond_a_trunk_of_timms_are_a_sentence_without_an_exceptions_name(tmp_path) -> None:
    _write(tmp_path, vision=TIMM | {"timm_model_name": "convnext_atto"})
    with pytest.raises(ModelError, match=r"cannot be built.*out of range") as refused:
        _encoder(tmp_path, taps=(0, 99), size=64)
    assert "Error" not in str(refused.value)


@pytest.mark.parametrize(
    ("taps", "text"),
    [((0, 1), {"vocab_size": 10}), ((0, 1), {"heads": 7}), ((0, 1), {"width": "wide"})],
    ids=["vocabulary without room", "heads that do not divide", "a text for a number"],
)
def test_settings_that_no_tower_is_built_from_are_a_sentence(tmp_path, taps, text) -> None:
    settings = json.loads(clip_settings.find("usassist-lite0").read_text())
    settings["text_cfg"] |= text
    (tmp_path / "odd.json").write_text(json.dumps(settings))
    with pytest.raises(ModelError, match="'odd' cannot be built"):
        build_encoder(EncoderConfig("odd", taps, (5, 9)), AdapterConfig(), folder=tmp_path, image_size=64)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"multimodal_cfg": {"width": 8}}, "CoCa"),
        ({"text_cfg": TEXT | {"hf_tokenizer_name": "timm/ViT-B-16-SigLIP"}}, "not known here"),
        ({"text_cfg": TEXT}, "300 rows for CLIP's 49408"),
    ],
)
def test_what_is_not_built_here_says_so(tmp_path, change, message: str) -> None:
    settings = _write(tmp_path, vision=VIT) | change
    (tmp_path / "tiny.json").write_text(json.dumps(settings))
    with pytest.raises(ModelError, match=message):
        _encoder(tmp_path, vocabulary=())


def test_P_N11_no_adapter_stands_in_the_text_tower(small_model) -> None:
    places = [n for n, module in small_model.encoder.clip.named_modules() if isinstance(module, ADAPTERS)]
    assert places
    assert all(name.startswith("visual.") for name in places)


def _lazy(batch: int, asked: list[int]) -> ImageFeatures:
    """Return features with two taps and a class token; `asked` gets the batch whenever an embedding is computed."""
    generator = torch.Generator().manual_seed(batch)
    embedding = torch.randn(batch, 4, generator=generator)
    taps = tuple(torch.randn(batch, 3, side, side, generator=generator) for side in (8, 4))
    prefix = (torch.randn(batch, 1, 3, generator=generator),)
    return ImageFeatures(lambda: asked.append(batch) or embedding, taps, prefix)


def test_a_part_of_a_batch_and_what_is_put_behind_it_embed_nothing_before_they_are_asked() -> None:
    asked: list[int] = []
    three, two = _lazy(3, asked), _lazy(2, asked)
    part = three.take(torch.tensor([2, 0]))
    whole = part.and_those_of(two)
    assert (part.batch, whole.batch) == (2, 4)
    for tap, own, other in zip(whole.taps, three.taps, two.taps, strict=True):
        assert torch.equal(tap, torch.cat([own[[2, 0]], other]))
    assert torch.equal(whole.prefix[0], torch.cat([three.prefix[0][[2, 0]], two.prefix[0]]))
    assert asked == []
    assert torch.equal(whole.embedding, torch.cat([three.embedding[[2, 0]], two.embedding]))
    assert whole.embedding is whole.embedding and sorted(asked) == [2, 3], "each once"


def test_masks_of_a_part_of_a_batch_never_ask_for_an_embedding() -> None:
    asked: list[int] = []
    features = _lazy(3, asked)
    head = PromptableDecoder((3, 3), condition=4, widths=(8,)).eval()
    again = features.and_those_of(features.take(torch.tensor([1])))
    with torch.inference_mode():
        out = head(again, torch.zeros(4, 4), torch.zeros(4, PROMPT_CHANNELS, 8, 8))
    assert torch.allclose(out.logits[1], out.logits[3], atol=1e-6) and asked == []
