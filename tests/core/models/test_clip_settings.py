import json

import pytest

from usassist.core.errors import ModelError
from usassist.core.models import clip_settings


def test_our_own_configuration_is_found_and_open_clips_is_not_ours() -> None:
    assert clip_settings.find("usassist-lite0", None) is not None
    assert clip_settings.find("ViT-B-16", None) is None


@pytest.mark.parametrize(
    "name", ["../x", "../../x", "/etc/x", "a/b", "*", "hf-hub:them/theirs", "local-dir:x", "", "x\0"]
)
def test_a_name_leads_neither_out_of_the_folder_nor_to_a_network(tmp_path, name: str) -> None:
    (tmp_path / "x.json").write_text("{}")
    (tmp_path / "model").mkdir()
    with pytest.raises(ModelError, match="letters, digits"):
        clip_settings.find(name, tmp_path / "model")


def _settings(**changes):
    settings = json.loads(clip_settings.find("usassist-lite0", None).read_text())
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
    import open_clip

    for name in open_clip.list_models():
        if name.startswith(("ViT-B", "ViT-L", "RN50", "biomedclip")):
            clip_settings.checked(open_clip.get_model_config(name), where=name)
