import json

import pytest

from usassist.core.errors import ModelError
from usassist.core.models import clip_settings, torchvision_ops


def test_our_own_configuration_is_found_and_open_clips_is_not_ours() -> None:
    assert clip_settings.find("usassist-lite0") is not None
    assert clip_settings.find("ViT-B-16") is None


@pytest.mark.parametrize(
    "name", ["../x", "../../x", "/etc/x", "a/b", "*", "hf-hub:them/theirs", "local-dir:x", "", "x\0"]
)
def test_a_name_leads_neither_out_of_the_folder_nor_to_a_network(tmp_path, name: str) -> None:
    (tmp_path / "x.json").write_text("{}")
    (tmp_path / "model").mkdir()
    with pytest.raises(ModelError, match="letters, digits"):
        clip_settings.find(name, tmp_path / "model")


def _settings(**changes):
    settings = json.loads(clip_settings.find("usassist-lite0").read_text())
    for key, value in changes.items():
        section, _, name = key.partition("__")
        settings[section][name] = value
    return settings


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"text_cfg__layers": 10**9}, "layers is 1000000000"),
        ({"text_cfg__vocab_size": 10**12}, "vocab_size"),
        ({"vision_cfg__image_size": [10**6, 10**6]}, "image_size"),
        ({"text_cfg__width": float("nan")}, "width is nan"),
        ({"text_cfg__width": 8192, "text_cfg__layers": 256}, "parameters"),
        ({"vision_cfg__timm_model_kwargs": {"depth": 10**7}}, "depth"),
        ({"vision_cfg__timm_model_name": "hf_hub:them/theirs"}, "timm_model_name"),
        ({"text_cfg__tokenizer_kwargs": {"trust_remote_code": True}}, "trust_remote_code"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_no_machine_holds_or_nobody_should_run_is_refused(tmp_path, change, message: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(_settings(**change)))
    with pytest.raises(ModelError, match=message):
        clip_settings.read(path)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "[" * 100_000, '{"embed_dim": 1, "vision_cfg": 1, "text_cfg": 2}', "\xff"]
)
def test_nonsense_is_a_sentence(tmp_path, text: str) -> None:
    (tmp_path / "x.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ModelError, match=r"x\.json"):
        clip_settings.read(tmp_path / "x.json")


def test_every_configuration_of_open_clip_that_is_a_vit_passes() -> None:
    torchvision_ops.prepare()
    import open_clip

    for name in open_clip.list_models():
        if name.startswith(("ViT-B", "ViT-L", "RN50", "biomedclip")):
            clip_settings.checked(open_clip.get_model_config(name), where=name)


def test_shipped_encoders_are_found_from_anywhere_and_a_models_own_come_first(tmp_path) -> None:
    for name in ("usassist-lite0", "biomedclip-vit-b-16", "unimed-clip-vit-b-16"):
        path = clip_settings.find(name)
        assert path is not None
        assert path.parent.name == "encoders"
    own = tmp_path / "usassist-lite0.json"
    own.write_bytes(clip_settings.find("usassist-lite0").read_bytes())
    assert clip_settings.find("usassist-lite0", None, tmp_path) == own


@pytest.mark.parametrize(
    ("change", "message"),
    [({"hidden_size": 10**6}, "hidden_size"), ({"num_hidden_layers": 256, "hidden_size": 8192}, "parameters")],
)
def test_a_bert_that_no_machine_holds_is_refused(tmp_path, change, message: str) -> None:
    (tmp_path / "x.json").write_text(json.dumps(_settings(text_cfg__hf_model_name="bert", text_cfg__bert=change)))
    with pytest.raises(ModelError, match=message):
        clip_settings.read(tmp_path / "x.json")


def test_what_goes_with_a_model_is_its_configuration_and_its_words(tmp_path) -> None:
    (tmp_path / "mine.json").write_text("{}")
    (tmp_path / "vocab.txt").write_text("a")
    (tmp_path / "other.json").write_text("{}")
    assert [path.name for path in clip_settings.own_files("mine", tmp_path)] == ["mine.json", "vocab.txt"]
    assert clip_settings.own_files("ViT-B-16", None) == []


def test_a_configuration_of_open_clip_is_a_copy() -> None:
    clip_settings.settings_of("ViT-B-16")["embed_dim"] = 3
    assert clip_settings.settings_of("ViT-B-16")["embed_dim"] == 512
