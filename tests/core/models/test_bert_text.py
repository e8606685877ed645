"""BiomedCLIP's text tower answers as open_clip's own around transformers' BERT, and asks for nothing on a network."""

import importlib
import socket
import sys

import pytest
import torch

from tests.core.models import published
from usassist.core.errors import ModelError
from usassist.core.models.clip import build_clip


def test_N1_a_bert_answers_as_open_clips_text_tower() -> None:
    transformers = pytest.importorskip("transformers")
    clip = published.clip(bert=True)
    from open_clip import hf_model

    HFTextEncoder = importlib.reload(hf_model).HFTextEncoder  # was imported without transformers, which it needs
    config = transformers.BertConfig(**published.BERT, pad_token_id=0)
    pooler = "cls_last_hidden_state_pooler"
    theirs = HFTextEncoder("bert", published.EMBEDDING, config=config, pooler_type=pooler, proj_type="mlp").eval()
    missing, unexpected = theirs.load_state_dict(clip.text.state_dict(), strict=False)
    assert not unexpected
    assert {name.partition(".pooler.")[0] for name in missing} <= {"transformer"}  # a pooler that is not used
    ids = torch.tensor([[2, 5, 6, 7, 3, 0, 0, 0], [2, 7, 3, 0, 0, 0, 0, 0]])
    with torch.no_grad():
        assert torch.allclose(clip.encode_text(ids), theirs(ids), atol=1e-4)
        padded = torch.nn.functional.pad(ids, (0, 8))
        assert torch.allclose(clip.encode_text(padded), theirs(ids), atol=1e-4)  # padding changes nothing


@pytest.mark.slow
def test_N1_biomedclip_at_its_real_size_is_built_without_a_network(monkeypatch) -> None:
    pytest.importorskip("transformers")

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a network was asked for")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    from usassist.core.models.clip_settings import settings_of

    clip = build_clip(settings_of("biomedclip-vit-b-16"), image_size=224)
    names = clip.state_dict().keys()
    assert {"text.proj.0.weight", "text.proj.2.weight", "visual.head.proj.weight", "visual.trunk.cls_token"} <= names
    assert clip.text.proj[0].out_features == 640
    assert sum(p.numel() for p in clip.parameters()) == 195_902_721


def test_without_transformers_the_sentence_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ModelError, match=r"pip install usassist\[biomedclip\]"):
        published.clip(bert=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"hf_pooler_type": "mean_pooler"}, "mean_pooler"), ({"bert": {"hidden": 3}}, "unknown keys hidden")],
)
def test_another_kind_of_bert_is_refused(change, message: str) -> None:
    pytest.importorskip("transformers")
    settings = published.settings(bert=True)
    with pytest.raises(ModelError, match=message):
        build_clip(settings | {"text_cfg": settings["text_cfg"] | change}, image_size=32)
