"""What a model is can be told without loading it."""

import dataclasses
import json
import subprocess
import sys

import torch
from safetensors.torch import save_file

from tests.core.models import published
from usassist.core.models.adding import add
from usassist.core.models.inventory import count_parameters, facts_of, kind_of
from usassist.core.models.weights import find_model


def test_the_shipped_model_proposes_masks_and_has_its_sizes() -> None:
    facts = facts_of(find_model("usassist-us"))
    assert (facts["kind"], facts["context_length"], facts["image_size"]) == ("segment", 77, 256)
    assert facts["parameters"] == 7_592_292
    assert "proposing masks" in facts["uses"]
    assert "as a base of models trained here" not in facts["uses"]


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


def test_facts_import_no_torch() -> None:
    code = (
        "import sys; from usassist.core.models.inventory import facts_of; from usassist.core.models.weights import "
        "list_models; [facts_of(info) for info in list_models()]; print('torch' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
