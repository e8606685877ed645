"""A file is known by the names of its tensors; one of another kind says what it looks like and what is missing."""

from pathlib import Path

import pytest
import torch

from tests.core.models import published
from usassist.core.errors import ModelError
from usassist.core.models.archive import Archive
from usassist.core.models.families import OPENAI_MEAN, Hints, recognise
from usassist.core.models.layouts import clipseg_decoder


def _archive(tensors, name="x.pt", kind="checkpoint") -> Archive:
    return Archive(Path(name), kind, tensors)


@pytest.fixture(scope="module")
def tiny():
    return published.clip()


def _check(found, model) -> None:
    expected = model.state_dict()
    assert found.tensors.keys() == expected.keys()
    assert all(torch.equal(found.tensors[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    "start", ["", "module.", "state_dict.module.", "model_state_dict.", "state_dict._orig_mod.clip."]
)
def test_open_clip_is_found_wherever_a_checkpoint_keeps_it(tiny, start: str) -> None:
    tensors = {start + name: tensor for name, tensor in tiny.state_dict().items()}
    found = recognise(_archive(tensors | {"optimizer.state.0.exp_avg": torch.ones(1)}, "metaclip_b16.pt"), Hints())
    _check(found, tiny)
    assert found.family == "MetaCLIP"
    assert found.settings["quick_gelu"] is True


def test_openais_archive_is_told_by_its_kind_and_by_its_numbers(tiny) -> None:
    tensors = dict(tiny.state_dict()) | {"input_resolution": torch.tensor(32), "context_length": torch.tensor(77)}
    for kind, given in (("torchscript", tiny.state_dict()), ("checkpoint", tensors)):
        found = recognise(_archive(given, kind=kind), Hints())
        assert found.family == "OpenAI CLIP"
        assert found.settings["quick_gelu"] is True
        _check(found, tiny)


def test_a_text_tower_of_its_own_is_the_same_text_tower(tiny) -> None:
    apart = ("visual.", "logit_scale")
    tensors = {n if n.startswith(apart) else f"text.{n}": t for n, t in tiny.state_dict().items()}
    _check(recognise(_archive(tensors, "laion.pt"), Hints()), tiny)


def test_transformers_layout_is_merged(tiny) -> None:
    found = recognise(_archive(published.hugging_face(tiny)), Hints(activation="gelu"))
    _check(found, tiny)
    assert found.settings["quick_gelu"] is False


def test_clipsegs_clip_becomes_an_encoder_and_its_decoder_is_kept(tiny) -> None:
    tensors = {f"clip.{name}": tensor for name, tensor in published.hugging_face(tiny).items()}
    archive = _archive(tensors | {"decoder.film_mul.weight": torch.ones(2), "decoder.reduces.0.bias": torch.ones(1)})
    found = recognise(archive, Hints())
    _check(found, tiny)
    assert found.family == "CLIPSeg"
    assert set(found.decoder) == set(clipseg_decoder(archive.tensors)) == {"film_mul.weight", "reduces.0.bias"}


def test_biomedclip_and_unimed_are_told_by_their_text_tower() -> None:
    model = published.clip(bert=True)
    unimed = {name.replace("text.", "text_encoder.", 1): tensor for name, tensor in model.state_dict().items()}
    found = recognise(_archive(unimed | {"text_encoder.transformer.embeddings.position_ids": torch.ones(1)}), Hints())
    assert found.family == "UniMed-CLIP"
    _check(found, model)
    assert found.settings["text_cfg"]["bert"] == published.BERT


@pytest.mark.slow
def test_real_sizes_are_known_by_the_names_of_their_configurations() -> None:
    from usassist.core.models.clip import build_clip
    from usassist.core.models.clip_settings import settings_of

    for name, file in (
        ("ViT-B-16-quickgelu", "metaclip.pt"),
        ("ViT-B-32", "laion2b.pt"),
        ("ViT-L-14-336-quickgelu", "openai.pt"),
        ("ViT-H-14", "laion.pt"),
        ("RN50-quickgelu", "openai.pt"),
        ("biomedclip-vit-b-16", "x.pt"),
    ):
        with torch.device("meta"):
            state = build_clip(settings_of(name), image_size=settings_of(name)["vision_cfg"]["image_size"]).state_dict()
        state["logit_scale"] = torch.ones(1)
        found = recognise(_archive(state, file), Hints())
        assert found.name == name
        assert found.family == (
            "BiomedCLIP" if "biomed" in name else "MetaCLIP" if "meta" in file else "open_clip CLIP"
        )


def test_gelu_stays_undecided_where_nothing_tells_it(tiny) -> None:
    found = recognise(_archive(tiny.state_dict()), Hints())
    assert (found.undecided, found.name) == (True, "")
    assert "quick_gelu" not in found.settings
    assert not recognise(_archive(tiny.state_dict(), "metaclip.pt"), Hints()).undecided


def test_a_module_that_was_pickled_whole_is_told(tiny) -> None:
    names = ["_modules.visual._modules.conv1._parameters.weight", "_parameters.positional_embedding"]
    with pytest.raises(ModelError, match=r"a whole module, pickled.*state_dict\(\)"):
        recognise(_archive(dict.fromkeys(names, torch.ones(1))), Hints())


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["image_encoder.blocks.0.attn.qkv.weight", "mask_decoder.iou_token.weight"], r"Segment Anything \(SAM\)"),
        (["image_encoder.trunk.blocks.0.x", "sam_mask_decoder.y"], "SAM 2"),
        (["visual.transformer.resblocks.0.mona.down.weight"], "adapters of NextGen-UIA"),
        (["base_model.model.q_proj.lora_A.default.weight"], "LoRA adapters"),
        (["visual.conv1.weight", "visual.class_embedding"], "image tower alone, .*text tower is missing"),
        (["vision_model.embeddings.patch_embedding.weight"], "as in transformers"),
        (["text_model.embeddings.token_embedding.weight"], "text tower alone"),
        (["bert.embeddings.word_embeddings.weight"], "BERT"),
        (["cls_token", "blocks.0.attn.qkv.weight"], "timm or DINO"),
        (["layer1.0.conv1.weight", "fc.weight"], "a ResNet"),
        (["text_decoder.x", "visual.conv1.weight"], "CoCa"),
        (["vision_model.head.probe", "text_model.x"], "SigLIP"),
        (["decoder.film_mul.weight"], "a decoder alone"),
        (["network_weights.encoder.x"], "nnU-Net"),
        (["hpn_learner.encoder_layer4.0.weight"], "HSNet"),
        (["encoder.clip.visual.conv1.weight", "encoder.clip.token_embedding.weight"], "a model of usassist"),
        (["something.else"], "1 tensors, such as something.else, of no family known here"),
        ([], "holds no tensors"),
    ],
)
def test_another_family_is_named_with_what_is_missing(names, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        recognise(_archive({name: torch.ones(1) for name in names}), Hints())
    assert "expected the two towers of a CLIP" in str(caught.value)


def test_a_query_without_its_key_is_a_sentence(tiny) -> None:
    tensors = published.hugging_face(tiny)
    del tensors["vision_model.encoder.layers.0.self_attn.k_proj.weight"]
    with pytest.raises(ModelError, match=r"q, v of visual\.transformer\.resblocks\.0\.attn\.in_proj_weight"):
        recognise(_archive(tensors), Hints(activation="gelu"))


def test_a_missing_tensor_that_the_shape_is_read_from_is_a_sentence(tiny) -> None:
    tensors = dict(tiny.state_dict())
    del tensors["visual.positional_embedding"]
    with pytest.raises(ModelError, match=r"visual\.positional_embedding"):
        recognise(_archive(tensors, "metaclip.pt"), Hints())


def test_hints_keep_openais_colours_by_default() -> None:
    assert Hints().mean == OPENAI_MEAN
