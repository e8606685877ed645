"""Weights by name: asked for from a network only here, read like any other file; no answer is a sentence."""

import logging
from pathlib import Path

import pytest
import torch

from tests.core.models import published
from usassist.core.errors import ModelError
from usassist.core.models import fetching, torchvision_ops
from usassist.core.models.adding import add

torchvision_ops.prepare()


def _served(monkeypatch, path: Path, asked: list[object]) -> None:
    import huggingface_hub
    from open_clip import pretrained

    def download(known, *, cache_dir: str) -> str:
        asked.append((known, cache_dir))
        return str(path)

    monkeypatch.setattr(pretrained, "download_pretrained", download)
    monkeypatch.setattr(huggingface_hub, "model_info", lambda *_, **__: None)


def test_without_a_network_one_question_is_enough_and_the_hub_says_nothing(monkeypatch) -> None:
    """The hub's own download asks for a minute, and writes a line each time."""
    import huggingface_hub

    hub = logging.getLogger("huggingface_hub")
    level, said, asked = hub.level, [], []
    handler = logging.Handler()
    handler.emit = said.append  # type: ignore[method-assign]
    monkeypatch.setattr(hub, "handlers", [handler])

    def unreachable(repository: str, *, timeout: float) -> None:
        asked.append((repository, timeout))
        logging.getLogger("huggingface_hub.utils._http").warning("Retrying in 1s [Retry 1/5].")
        raise OSError("Name or service not known")

    downloads: list[object] = []
    _served(monkeypatch, Path("nowhere"), downloads)
    monkeypatch.setattr(huggingface_hub, "model_info", unreachable)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: downloads.append("a snapshot"))
    for source in ("openai:ViT-B-32", "hf-hub:them/tiny"):
        with pytest.raises(ModelError, match=r"could not be downloaded .* carry it here"):
            add(source)
    assert [repository for repository, _ in asked] == ["timm/vit_base_patch32_clip_224.openai", "them/tiny"]
    assert all(0 < timeout <= 10 for _, timeout in asked)
    assert not downloads and not said
    assert hub.level == level


def test_a_tag_is_downloaded_and_added_with_its_activation_and_colours(tmp_path, monkeypatch) -> None:
    import open_clip

    asked: list[object] = []
    torch.save(published.clip(quick_gelu=True).state_dict(), tmp_path / "file.bin")
    _served(monkeypatch, tmp_path / "file.bin", asked)
    monkeypatch.setattr(fetching, "import_weights", lambda path, **told: (path, told))
    path, told = fetching.fetch_and_import("openai:ViT-B-16")
    assert path == tmp_path / "file.bin"
    assert (told["name"], told["choice"], told["source"]) == (
        "ViT-B-16-openai",
        "ViT-B-16-quickgelu",
        "openai:ViT-B-16",
    )
    assert told["hints"].mean == pytest.approx((0.48145466, 0.4578275, 0.40821073))
    assert asked[0][0] == open_clip.get_pretrained_cfg("ViT-B-16", "openai")
    _, told = fetching.fetch_and_import("laion2b_s34b_b88k:ViT-B-16", name="mine")
    assert (told["name"], told["choice"]) == ("mine", "ViT-B-16")


@pytest.mark.parametrize("fault", [OSError("no route to host"), RuntimeError("checksum"), ValueError("not a name")])
def test_a_network_that_does_not_answer_is_a_sentence(monkeypatch, fault: Exception) -> None:
    import huggingface_hub
    from open_clip import pretrained

    def refuse(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(pretrained, "download_pretrained", refuse)
    monkeypatch.setattr(huggingface_hub, "model_info", lambda *_, **__: None)
    with pytest.raises(ModelError, match=r"openai:ViT-B-16 could not be downloaded .* carry it here"):
        add("openai:ViT-B-16")


def test_the_hubs_own_errors_are_a_sentence_too(monkeypatch) -> None:
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError

    http_error = HfHubHTTPError.__bases__[0]

    def refuse(*_: object, **__: object) -> None:
        raise http_error("404")

    monkeypatch.setattr(huggingface_hub, "model_info", lambda *_, **__: None)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(ModelError, match="hf-hub:nobody/nothing could not be downloaded"):
        add("hf-hub:nobody/nothing")


def test_a_folder_of_the_hub_is_added_like_one_on_the_disk(tmp_path, monkeypatch) -> None:
    import huggingface_hub

    def snapshot(repository: str, *, local_dir: Path, allow_patterns: list[str]) -> str:
        assert repository == "them/tiny"
        assert not [pattern for pattern in allow_patterns if pattern.endswith(".py")]
        torch.save(published.clip().state_dict(), Path(local_dir) / "open_clip_pytorch_model.bin")
        published.write_json(Path(local_dir) / "open_clip_config.json", {"model_cfg": published.settings()})
        return str(local_dir)

    monkeypatch.setattr(huggingface_hub, "model_info", lambda *_, **__: None)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    info = add("hf-hub:them/tiny")
    assert info.name == "tiny"
    assert info.config.provenance["source"] == "hf-hub:them/tiny"


@pytest.mark.parametrize(
    ("source", "message"),
    [("nobody:ViT-B-16", "the tags of that model are: openai"), ("openai:Nothing", "no such model")],
)
def test_an_unknown_tag_or_model_is_a_sentence_without_asking_anybody(monkeypatch, source: str, message: str) -> None:
    asked: list[object] = []
    _served(monkeypatch, Path("nowhere"), asked)
    with pytest.raises(ModelError, match=message):
        add(source)
    assert not asked


@pytest.mark.network
def test_openais_weights_arrive_and_answer() -> None:
    from usassist.core.models.weights import load_model

    info = add("openai:ViT-B-32")
    model, _ = load_model(info.name)
    assert float(model.logit_scale) == pytest.approx(100, abs=0.1)
