"""A file of weights becomes a model folder that answers as the published one does."""

import dataclasses
import json
import os
import warnings

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.core.models import published
from usassist.core.errors import ModelError
from usassist.core.models import torchvision_ops
from usassist.core.models.adding import add
from usassist.core.models.build import build_model
from usassist.core.models.config import WEIGHTS_FILE, HeadConfig, ModelConfig
from usassist.core.models.families import OPENAI_MEAN
from usassist.core.models.weights import find_model, load_model

TEXTS = ["a benign breast lesion", "a malignant one"]


@pytest.fixture(scope="module")
def tiny():
    return published.clip()


def _openai(folder, model):
    return published.write_openai(folder / "ViT-B-16.pt", model)


def _open_clip(folder, model):
    torch.save({"state_dict": {f"module.{n}": t for n, t in model.state_dict().items()}}, folder / "metaclip.pt")
    return folder / "metaclip.pt"


def _safetensors(folder, model):
    save_file(model.state_dict(), folder / "openai.safetensors")
    return folder / "openai.safetensors"


def _hub_folder(folder, model):
    home = folder / "theirs"
    home.mkdir()
    save_file(model.state_dict(), home / "open_clip_model.safetensors")
    config = {"model_cfg": published.settings(), "preprocess_cfg": {"mean": [0.1, 0.2, 0.3], "std": [0.5, 0.5, 0.5]}}
    published.write_json(home / "open_clip_config.json", config)
    return home


def _transformers_folder(folder, model):
    home = folder / "hf clip"
    home.mkdir()
    torch.save(published.hugging_face(model), home / "pytorch_model.bin")
    published.write_json(home / "config.json", {"vision_config": {"hidden_act": "quick_gelu"}})
    published.write_json(home / "preprocessor_config.json", {"image_mean": [0.5, 0.5, 0.5], "image_std": ["x"]})
    return home


@pytest.mark.parametrize(
    ("write", "family", "name"),
    [
        (_openai, "OpenAI CLIP", "ViT-B-16"),
        (_open_clip, "MetaCLIP", "metaclip"),
        (_safetensors, "open_clip CLIP", "openai"),
        (_hub_folder, "open_clip CLIP", "theirs"),
        (_transformers_folder, "CLIP of transformers", "hf-clip"),
    ],
)
def test_every_layout_becomes_an_encoder_that_answers_as_open_clip(
    tmp_path, tiny, write, family: str, name: str
) -> None:
    info = add(str(write(tmp_path, tiny)))
    assert (info.name, info.config.provenance["family"], info.config.task) == (name, family, "embed")
    model, found = load_model(name)
    images = torch.randn(2, 3, published.SIZE, published.SIZE)
    with torch.no_grad():
        assert torch.allclose(model.embed_images(images), tiny.encode_image(images), atol=1e-4)
        ids = model.encoder.tokenizer(TEXTS)
        assert torch.allclose(model.embed_texts(TEXTS), tiny.encode_text(ids), atol=1e-4)
    assert torch.isclose(model.logit_scale, tiny.logit_scale.exp())
    assert found.weights_hash == info.weights_hash
    assert found.card.count(info.config.provenance["source_sha256"]) == 1


@pytest.mark.weights
def test_P1_w_a_file_of_ones_own_answers_as_open_clip_does() -> None:
    """Needs USASSIST_VIT_B_16: a file with OpenAI's ViT-B/16, as published or as a state dict of it."""
    file = os.environ.get("USASSIST_VIT_B_16")
    if not file:
        pytest.skip("USASSIST_VIT_B_16 names no file with OpenAI's ViT-B/16.")
    torchvision_ops.prepare()
    import open_clip

    add(file, name="mine", choice="ViT-B-16-quickgelu")
    model, _ = load_model("mine")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # open_clip reads OpenAI's archives in a way that torch calls old
        theirs = open_clip.create_model(
            "ViT-B-16-quickgelu", pretrained=file, pretrained_image=False, weights_only=False
        ).eval()
    torch.manual_seed(0)
    images, ids = torch.randn(2, 3, 224, 224), open_clip.get_tokenizer("ViT-B-16-quickgelu")(TEXTS)
    with torch.no_grad():
        assert torch.allclose(model.embed_images(images), theirs.encode_image(images), atol=1e-4, rtol=1e-4)
        assert torch.allclose(model.embed_texts(TEXTS), theirs.encode_text(ids), atol=1e-4, rtol=1e-4)
        assert torch.isclose(model.logit_scale, theirs.logit_scale.exp(), rtol=1e-4)


def test_published_colours_are_believed_and_nonsense_is_not(tmp_path, tiny) -> None:
    assert add(str(_hub_folder(tmp_path, tiny))).config.preprocess.mean == (0.1, 0.2, 0.3)
    theirs = add(str(_transformers_folder(tmp_path, tiny))).config.preprocess
    assert theirs.mean == (0.5, 0.5, 0.5)
    assert len(theirs.std) == 3
    assert add(str(_openai(tmp_path, tiny))).config.preprocess.mean == OPENAI_MEAN


def test_weights_keep_their_precision_and_their_values(tmp_path, tiny) -> None:
    halves = {name: tensor.half() for name, tensor in tiny.state_dict().items()}
    torch.save(halves, tmp_path / "openai.pt")
    stored = load_file(add(str(tmp_path / "openai.pt")).folder / WEIGHTS_FILE)
    assert all(torch.equal(stored[f"encoder.clip.{name}"], tensor) for name, tensor in halves.items())


def test_biomedclips_words_go_with_it_and_are_asked_for(tmp_path) -> None:
    pytest.importorskip("transformers")
    model = published.clip(bert=True)
    torch.save(
        {name.replace("text.", "text_encoder.", 1): t for name, t in model.state_dict().items()}, tmp_path / "unimed.pt"
    )
    with pytest.raises(ModelError, match=r"expected vocab\.txt or tokenizer\.json beside"):
        add(str(tmp_path / "unimed.pt"))
    published.write_words(tmp_path)
    info = add(str(tmp_path / "unimed.pt"))
    (tmp_path / "vocab.txt").unlink()
    loaded, _ = load_model(info.name)
    with torch.no_grad():
        ids = loaded.encoder.tokenizer(["A benign lesion.", "malignant lesions"])
        assert ids[:, :6].tolist() == [[2, 5, 8, 7, 11, 3], [2, 9, 7, 10, 3, 0]]
        expected = model.encode_text(ids)
        assert torch.allclose(loaded.embed_texts(["A benign lesion.", "malignant lesions"]), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("visual.transformer.resblocks.1.mlp.c_fc.bias"), "1 are missing"),
        (lambda t: t.update({"visual.transformer.resblocks.1.extra": torch.ones(1)}), "1 are not known"),
        (lambda t: t.update({"visual.ln_post.bias": torch.ones(3)}), "1 have another shape"),
    ],
)
def test_what_is_missing_is_counted_and_nothing_is_left(tmp_path, tiny, usassist_home, change, message: str) -> None:
    tensors = dict(tiny.state_dict())
    change(tensors)
    torch.save(tensors, tmp_path / "metaclip.pt")
    with pytest.raises(ModelError, match=rf"looks like MetaCLIP.*{message}"):
        add(str(tmp_path / "metaclip.pt"))
    assert not list((usassist_home / "models").glob("*"))


def test_numbers_that_are_not_finite_are_refused_and_nothing_is_left(tmp_path, tiny, usassist_home) -> None:
    tensors = dict(tiny.state_dict()) | {"visual.ln_post.bias": torch.full((64,), float("nan"))}
    torch.save(tensors, tmp_path / "metaclip.pt")
    with pytest.raises(ModelError, match="not finite"):
        add(str(tmp_path / "metaclip.pt"))
    assert not list((usassist_home / "models").glob("*"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"visual.proj": lambda t: t.T}, "2 have another shape"),
        ({"token_embedding.weight": lambda t: t.T}, "width is 49408"),
        ({"visual.conv1.weight": lambda t: t.flatten()}, r"visual\.conv1\.weight has the shape \(12288,\), expected 4"),
        ({"visual.positional_embedding": lambda t: t.T}, "64 positions are no square"),
        ({"visual.proj": lambda t: t[:0]}, "1 tensors hold no number, for instance visual.proj"),
        ({"visual.proj": lambda t: t * float("nan")}, "not finite in 1 tensors, for instance visual.proj"),
        ({"visual.proj": lambda t: t.long()}, r"torch\.int64 in 1 tensors, for instance visual\.proj"),
        ({"transformer.resblocks.300000.ln_1.bias": lambda _: torch.ones(2)}, "layers is 300001, at most 256"),
    ],
)
def test_a_defect_is_told_before_gelu_is_asked_for(tmp_path, tiny, usassist_home, change, message: str) -> None:
    tensors = dict(tiny.state_dict())
    for name, does in change.items():
        tensors[name] = does(tensors.get(name, torch.ones(1))).clone().contiguous()
    torch.save(tensors, tmp_path / "x.pt")
    with pytest.raises(ModelError, match=rf"^(.*/)?x\.pt\b.*{message}") as refused:
        add(str(tmp_path / "x.pt"))
    assert "GELU" not in str(refused.value)
    assert not list((usassist_home / "models").glob("*"))


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_module_that_was_saved_whole_says_what_to_save_instead(tmp_path, tiny, nested: bool, zipped: bool) -> None:
    held = {"model": tiny, "epoch": 3} if nested else tiny
    torch.save(held, tmp_path / "x.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(ModelError, match=r"x\.pt looks like a whole module, pickled.*state_dict\(\)"):
        add(str(tmp_path / "x.pt"))


@pytest.mark.parametrize("kind", ["safetensors", "zip", "old"])
def test_a_download_that_stopped_says_so(tmp_path, tiny, kind: str) -> None:
    path = tmp_path / "metaclip.pt"
    if kind == "safetensors":
        save_file(tiny.state_dict(), path)
    else:
        torch.save(tiny.state_dict(), path, _use_new_zipfile_serialization=kind == "zip")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ModelError, match=r"metaclip\.pt is truncated"):
        add(str(path))


def test_complex_numbers_are_refused_and_torch_says_nothing(tmp_path, tiny, recwarn) -> None:
    tensors = dict(tiny.state_dict())
    tensors["visual.proj"] = tensors["visual.proj"].to(torch.complex64)
    save_file(tensors, tmp_path / "metaclip.safetensors")
    with pytest.raises(ModelError, match=r"complex numbers in 1 tensors, for instance visual\.proj"):
        add(str(tmp_path / "metaclip.safetensors"))
    assert not recwarn.list


def test_the_configuration_can_be_named(tmp_path, tiny) -> None:
    torch.save(tiny.state_dict(), tmp_path / "x.pt")
    with pytest.raises(ModelError, match="--as"):
        add(str(tmp_path / "x.pt"))
    with pytest.raises(ModelError, match=r"looks like open_clip CLIP \(ViT-B-16\)"):
        add(str(tmp_path / "x.pt"), choice="ViT-B-16")
    with pytest.raises(ModelError, match="letters, digits"):
        add(str(tmp_path / "x.pt"), choice="../../x")


@pytest.mark.parametrize("content", ["[1]", "{", "[" * 100_000])
def test_a_damaged_configuration_beside_the_weights_is_a_sentence(tmp_path, tiny, content: str) -> None:
    home = _hub_folder(tmp_path, tiny)
    (home / "open_clip_config.json").write_text(content)
    with pytest.raises(ModelError, match=r"open_clip_config\.json"):
        add(str(home))


def test_a_configuration_that_asks_for_too_much_or_for_foreign_code_is_refused(tmp_path, tiny) -> None:
    home = _hub_folder(tmp_path, tiny)
    config = json.loads((home / "open_clip_config.json").read_text())
    for change, message in (
        ({"layers": 10**9}, "layers"),
        ({"timm_model_name": "hf-hub:them/theirs"}, "timm_model_name"),
    ):
        config["model_cfg"]["vision_cfg"] = published.settings()["vision_cfg"] | change
        published.write_json(home / "open_clip_config.json", config)
        with pytest.raises(ModelError, match=message):
            add(str(home))


def test_an_empty_folder_and_a_missing_path_are_sentences(tmp_path) -> None:
    with pytest.raises(ModelError, match="nor a file of weights"):
        add(str(tmp_path))
    with pytest.raises(ModelError, match="nothing at"):
        add(str(tmp_path / "none.pt"))


def test_the_encoder_is_found_by_its_name(tmp_path, tiny) -> None:
    add(str(_open_clip(tmp_path, tiny)), name="mine")
    assert find_model("mine").config.encoder.taps == (1, 2, 3)


def _transformers():
    torchvision_ops.prepare()  # transformers imports torchvision
    return pytest.importorskip("transformers")


def test_transformers_own_clip_answers_the_same(tmp_path) -> None:
    transformers = _transformers()
    sizes = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 1, "intermediate_size": 256}
    theirs = transformers.CLIPModel(
        transformers.CLIPConfig(
            text_config=sizes | {"vocab_size": 49408},
            vision_config=sizes | {"image_size": 32, "patch_size": 8},
            projection_dim=32,
        )
    ).eval()
    torch.save(theirs.state_dict(), tmp_path / "pytorch_model.bin")
    published.write_json(tmp_path / "config.json", theirs.config.to_dict() | {"dtype": None})
    model, _ = load_model(add(str(tmp_path), name="theirs").name)
    images = torch.randn(2, 3, 32, 32)
    ids = model.encoder.tokenizer(TEXTS)
    with torch.no_grad():
        out = theirs(input_ids=ids, pixel_values=images)
    unit = torch.nn.functional.normalize
    assert torch.allclose(unit(model.embed_images(images), dim=-1), out.image_embeds, atol=1e-4)
    assert torch.allclose(unit(model.embed_texts(TEXTS), dim=-1), out.text_embeds, atol=1e-4)


def _tiny_clipseg(*, refined: bool):
    transformers = _transformers()
    sizes = {"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 1, "intermediate_size": 256}
    torch.manual_seed(0)
    config = transformers.CLIPSegConfig(
        text_config=sizes | {"vocab_size": 49408},
        vision_config=sizes | {"image_size": 64, "patch_size": 16},
        projection_dim=32,
        extract_layers=[1, 2, 3],
        reduce_dim=16,
        use_complex_transposed_convolution=refined,
    )
    model = transformers.CLIPSegForImageSegmentation(config).eval()
    for parameter in model.decoder.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, std=0.3)
    return model


@pytest.mark.parametrize("refined", [True, False])
def test_P1_a_clipseg_becomes_a_segmenter_with_the_published_answers(tmp_path, refined: bool) -> None:
    """P1, end to end: the same logits as transformers' CLIPSeg for each prompt, and the towers are a base."""
    theirs = _tiny_clipseg(refined=refined)
    torch.save(theirs.state_dict(), tmp_path / "pytorch_model.bin")
    published.write_json(tmp_path / "config.json", {"extract_layers": [1, 2, 3]})
    published.write_json(
        tmp_path / "preprocessor_config.json",
        {"size": {"height": 64, "width": 64}, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.2, 0.2]},
    )
    info = add(str(tmp_path), name="seg")
    assert (info.config.task, info.config.head.kind, info.config.head.refined) == ("segment", "clipseg", refined)
    assert info.config.preprocess.mean == (0.5, 0.4, 0.3)
    model, _ = load_model("seg")
    image = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ours = model.decode(model.encode(image).expand(2), model.embed_texts(TEXTS)).logits
        expected = theirs(input_ids=model.encoder.tokenizer(TEXTS), pixel_values=image.expand(2, -1, -1, -1)).logits
    # Logits of about 50: what is left is how two orders of the same float32 sums round, on whatever processor.
    assert torch.allclose(ours[:, 0], expected, atol=1e-3, rtol=1e-4)
    assert torch.allclose(ours[0, 0] - ours[1, 0], expected[0] - expected[1], atol=2e-3, rtol=1e-4)
    assert not torch.equal(expected[0], expected[1])
    config = info.config
    encoder = dataclasses.replace(config.encoder, base="seg", base_hash=info.weights_hash)
    embedder = build_model(
        ModelConfig("e", "E", encoder, task="embed", head=HeadConfig("none"), preprocess=config.preprocess)
    )
    assert torch.allclose(embedder.eval().embed_images(image), model.embed_images(image), atol=1e-5)


def test_a_single_clipseg_file_is_taken_as_published_and_an_incomplete_one_is_refused(tmp_path) -> None:
    tensors = _tiny_clipseg(refined=True).state_dict()
    torch.save(tensors, tmp_path / "clipseg.pt")
    preprocess = add(str(tmp_path / "clipseg.pt")).config.preprocess
    assert (preprocess.size, preprocess.mean) == (352, (0.485, 0.456, 0.406))
    assert load_model("clipseg")[0].encode(torch.zeros(1, 3, 352, 352)).taps[0].shape[-1] == 22
    del tensors["decoder.film_mul.weight"]
    torch.save(tensors, tmp_path / "cut.pt")
    with pytest.raises(ModelError, match="decoder does not fit: 1 tensors missing"):
        add(str(tmp_path / "cut.pt"))


@pytest.mark.parametrize(
    ("tower", "size", "part", "name"),
    [
        ("vision_config", "num_hidden_layers", "vision_cfg", "layers"),
        ("vision_config", "hidden_size", "vision_cfg", "width"),
        ("vision_config", "patch_size", "vision_cfg", "patch_size"),
        ("text_config", "num_hidden_layers", "text_cfg", "layers"),
        ("text_config", "hidden_size", "text_cfg", "width"),
    ],
)
def test_a_config_that_contradicts_the_weights_is_refused(  # noqa: PLR0917  two fixtures and a row of the table
    tmp_path, tiny, tower: str, size: str, part: str, name: str
) -> None:
    held = published.settings()[part][name]
    home = _transformers_folder(tmp_path, tiny)
    config = {"vision_config": {"hidden_act": "quick_gelu"}, "text_config": {}}
    config[tower][size] = held + 1
    published.write_json(home / "config.json", config)
    with pytest.raises(ModelError, match=rf"{tower}\.{size} {held + 1}, but pytorch_model\.bin holds {held}:"):
        add(str(home))
    config[tower][size] = held
    published.write_json(home / "config.json", config)
    assert add(str(home)).name == "hf-clip"
