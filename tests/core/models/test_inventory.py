"""What a model is can be told without loading it."""

import dataclasses
import json
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

from tests.core.models import published
from usassist.core.cli.main import main
from usassist.core.models.adapt import select_trainable
from usassist.core.models.adding import add
from usassist.core.models.build import build_model
from usassist.core.models.config import WEIGHTS_FILE, AdapterConfig, HeadConfig, ModelConfig, PreprocessConfig
from usassist.core.models.inventory import count_by_part, count_parameters, facts_of, kind_of
from usassist.core.models.weights import find_model, save_model


def test_the_shipped_model_proposes_masks_and_has_its_sizes() -> None:
    facts = facts_of(find_model("usassist-us"))
    assert (facts["kind"], facts["context_length"], facts["image_size"]) == ("segment", 77, 256)
    assert facts["sharpest"] == find_model("usassist-us").config.preprocess.sharpest
    assert facts["parameters"] == facts["parameters_stored"] == 7_360_987
    assert facts["parameters_learned"] is None  # nothing says what was frozen
    assert {"proposing masks", "following a text", "following clicks, a box and a previous mask"} <= set(facts["uses"])
    assert "as a base of models trained here" not in facts["uses"]
    assert facts["learned_targets"] == ["breast_lesion", "fetal_head", "carotid"]


def test_an_encoder_says_its_family_and_what_it_is_for(tmp_path) -> None:
    clip = published.clip()
    info = add(str(published.write_openai(tmp_path / "tiny.pt", clip)))
    facts = facts_of(info)
    assert (facts["kind"], facts["family"], facts["context_length"]) == ("encoder", "OpenAI CLIP", 77)
    assert facts["parameters"] == sum(p.numel() for p in clip.parameters())
    assert {"zero-shot classes", "as a base of models trained here"} <= set(facts["uses"])
    json.dumps(facts)


def test_a_damaged_model_has_a_kind_and_a_problem() -> None:
    info = dataclasses.replace(find_model("usassist-us"), config=None, problem="it is gone")
    assert kind_of(info) == "damaged"
    assert facts_of(info)["problem"] == "it is gone"


def test_statistics_are_no_parameters_and_nonsense_counts_as_unknown(tmp_path) -> None:
    save_file({"a.weight": torch.ones(3, 4), "a.running_mean": torch.ones(9)}, tmp_path / "w")
    assert count_parameters(tmp_path / "w") == 12
    for content in (b"", b"x" * 7, (2**62).to_bytes(8, "little") + b"{}", (4).to_bytes(8, "little") + b"[1] "):
        (tmp_path / "w").write_bytes(content)
        assert not count_parameters(tmp_path / "w")
    assert count_parameters(tmp_path / "none") is None


SHAPES = ["[5]", "[]", "[-1, 4]", "[2.5, 4]", "[1e999, 4]", "[true, 4]", '"ab"', "[1e400]", f"[{2**60}, 4]", "null"]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_damaged_header_never_stops_the_list_of_models(tmp_path, shape: str) -> None:
    """The base's table of positions has an odd shape, and so it is moved to another image size."""
    base = add(str(published.write_openai(tmp_path / "tiny.pt", published.clip())), name="tiny")
    name = "encoder.clip.visual.positional_embedding"
    header = f'{{"{name}": {{"dtype": "F32", "shape": {shape}, "data_offsets": [0, 20]}}}}'.encode()
    (base.folder / "weights.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(20))
    damaged = find_model("tiny")
    encoder = dataclasses.replace(base.config.encoder, base="tiny", base_hash=damaged.weights_hash)
    config = ModelConfig("mine", "Mine", encoder, AdapterConfig("none"), preprocess=PreprocessConfig(48))
    mine = base.folder.parent / "mine"
    mine.mkdir()
    (mine / "model.json").write_text(config.to_json())
    save_file({"head.weight": torch.ones(3, 4)}, mine / "weights.safetensors")
    readable = {"[5]": 5, "[]": 1}
    assert count_parameters(base.folder / "weights.safetensors") == readable.get(shape)
    facts = facts_of(find_model("mine"))
    assert facts["parameters_stored"] == 12
    assert facts["parameters"] == (12 + readable[shape] if shape in readable else None)
    for words in (["list", "--json"], ["show", "mine"], ["show", "tiny", "--json"]):
        assert main(["models", *words]) == 0


@pytest.mark.parametrize("size", [published.SIZE, 48])
@pytest.mark.parametrize(
    "adapter",
    [
        AdapterConfig("mona", bottleneck=8),
        AdapterConfig("lora", rank=4),
        AdapterConfig("full", layers=(3,)),
        AdapterConfig("none"),
    ],
    ids=lambda adapter: adapter.kind,
)
def test_a_model_on_a_base_says_what_it_has_and_what_of_it_learned(tmp_path, adapter, size: int) -> None:
    base = add(str(published.write_openai(tmp_path / "tiny.pt", published.clip())), name="tiny")
    encoder = dataclasses.replace(base.config.encoder, base="tiny", base_hash=base.weights_hash)
    head = HeadConfig("film_skip", widths=(8, 8))
    config = ModelConfig("mine", "Mine", encoder, adapter=adapter, head=head, preprocess=PreprocessConfig(size))
    model = build_model(config)
    select_trainable(model, adapter, trainable="adapters")
    save_model(model, tmp_path / "mine", config=config)
    facts = facts_of(find_model(str(tmp_path / "mine")))
    assert facts["parameters"] == sum(p.numel() for p in model.parameters())
    learned = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert facts["parameters_stored"] == facts["parameters_learned"] == learned
    shutil.rmtree(base.folder)
    facts = facts_of(find_model(str(tmp_path / "mine")))
    assert (facts["parameters"], facts["parameters_learned"]) == (None, learned)


@pytest.mark.parametrize(
    ("head", "classes", "follows"),
    [
        (HeadConfig("film_skip"), (), True),
        (HeadConfig("clipseg"), (), True),
        (HeadConfig("unet"), (), False),
        (HeadConfig("pyramid"), (), False),
        (HeadConfig("film_skip"), ("a", "b"), False),
    ],
)
def test_only_a_head_that_takes_a_condition_follows_a_text(head, classes, follows: bool) -> None:
    info = find_model("usassist-us")
    config = dataclasses.replace(info.config, head=head, classes=classes)
    uses = facts_of(dataclasses.replace(info, config=config))["uses"]
    assert ("following a text" in uses) == follows
    assert "proposing masks" in uses


def test_facts_import_no_torch() -> None:
    code = (
        "import sys; from usassist.core.models.inventory import facts_of; from usassist.core.models.weights import "
        "list_models; [facts_of(info) for info in list_models()]; print('torch' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


def test_parameters_by_part_add_up_to_all(tmp_path) -> None:
    info = find_model("usassist-us")
    parts = count_by_part(info.folder / WEIGHTS_FILE)
    assert list(parts) == ["image tower with its adapters", "text tower", "head"]
    assert sum(parts.values()) == facts_of(info)["parameters"]
    assert count_by_part(tmp_path / "none") == {}
