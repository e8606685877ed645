import dataclasses
import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from usassist.core.errors import ModelError
from usassist.core.models import clip_settings
from usassist.core.models.adapt import adapter_names
from usassist.core.models.adding import add_model
from usassist.core.models.build import build_segmenter
from usassist.core.models.config import CONFIG_FILE, WEIGHTS_FILE
from usassist.core.models.inventory import count_parameters
from usassist.core.models.weights import (
    MOST_HEADER,
    fill,
    find_model,
    list_models,
    load_model,
    read_config,
    read_tensors,
    save_model,
)


@pytest.fixture
def run(tmp_path, small_model, small_config):
    save_model(small_model, tmp_path / "run", config=small_config)
    return tmp_path / "run"


def test_save_and_load_give_the_same_answer(run, small_model) -> None:
    model, info = load_model(str(run))
    image = torch.randn(1, 3, 256, 256)
    expected = small_model.decode(small_model.encode(image)).logits
    assert torch.allclose(model.decode(model.encode(image)).logits, expected, atol=2e-2)  # fp16 on disk
    assert len(info.weights_hash) == 64


def test_P_N5_vectors_and_adapters_keep_every_bit_and_the_file_stays_under_16_mb(tmp_path, small_config) -> None:
    """Half precision makes 1.013e-6 of Mona's 1e-6, and cannot hold a gain of 1.0001."""
    model = build_segmenter(small_config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.0001)
    save_model(model, tmp_path, config=small_config)
    stored = load_file(tmp_path / WEIGHTS_FILE)
    exact = {name for name, tensor in model.state_dict().items() if tensor.ndim < 2} | adapter_names(model)
    assert any(name.endswith("down.weight") for name in exact)
    assert all(torch.equal(stored[name], model.state_dict()[name]) for name in exact)
    assert {t.dtype for name, t in stored.items() if name not in exact and t.is_floating_point()} == {torch.float16}
    assert (tmp_path / WEIGHTS_FILE).stat().st_size < 16_000_000


def test_P_N2_a_missing_or_unexpected_tensor_is_refused(run, small_model) -> None:
    tensors = load_file(run / WEIGHTS_FILE)
    tensors["extra"] = torch.zeros(1)
    removed = next(key for key in tensors if "adapter" in key)
    del tensors[removed]
    save_file(tensors, run / WEIGHTS_FILE)
    with pytest.raises(ModelError, match="1 tensors missing, 1 unexpected"):
        fill(small_model, run / WEIGHTS_FILE)


def test_broken_weights_are_a_sentence(run) -> None:
    (run / WEIGHTS_FILE).write_bytes(b"not weights")
    with pytest.raises(ModelError, match="safetensors"):
        load_model(str(run))


def test_a_damaged_model_is_listed_with_its_problem(run, usassist_home) -> None:
    info = add_model(run, name="mine")
    (info.folder / CONFIG_FILE).write_text("{")
    damaged = next(i for i in list_models() if i.name == "mine")
    assert "not valid JSON" in damaged.problem
    with pytest.raises(ModelError, match="cannot be used"):
        find_model("mine")


def test_an_unknown_model_names_the_known_ones() -> None:
    with pytest.raises(ModelError, match="no model 'nothing'"):
        find_model("nothing")


def test_a_description_is_read_without_the_weights(run, monkeypatch) -> None:
    config = find_model(str(run)).config
    monkeypatch.setattr("usassist.core.models.weights.describe", lambda *_: pytest.fail("the weights were read"))
    assert read_config(str(run)) == config
    with pytest.raises(ModelError, match="There is no model 'nowhere'"):
        read_config("nowhere")


def test_listing_imports_no_torch() -> None:
    code = (
        "import sys; from usassist.core.models.weights import list_models; list_models(); print('torch' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(run, value: float) -> None:
    tensors = load_file(run / WEIGHTS_FILE)
    name = next(key for key in tensors if key.endswith("mask.weight"))
    tensors[name][0] = value
    save_file(tensors, run / WEIGHTS_FILE)
    with pytest.raises(ModelError, match="not finite in 1 tensors"):
        load_model(str(run))


def test_a_value_too_large_for_half_precision_survives_saving(tmp_path, small_config) -> None:
    model = build_segmenter(small_config)
    variance = next(b for name, b in model.named_buffers() if name.endswith("running_var"))
    variance.fill_(1e6)
    save_model(model, tmp_path, config=small_config)
    again = build_segmenter(small_config)
    fill(again, tmp_path / WEIGHTS_FILE)
    assert float(next(b for name, b in again.named_buffers() if name.endswith("running_var"))[0]) == 1e6


def test_a_crafted_header_costs_no_memory_and_is_a_sentence(run) -> None:
    header = json.dumps({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()
    (run / WEIGHTS_FILE).write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(ModelError, match="safetensors"):
        load_model(str(run))
    (run / WEIGHTS_FILE).write_bytes((2**62).to_bytes(8, "little") + b"{}")
    with pytest.raises(ModelError, match="safetensors"):
        load_model(str(run))


@pytest.mark.parametrize("end", ["1e999", "-1e999", "NaN", '"x"', "[]"])
def test_an_offset_that_is_no_number_is_a_sentence(run, end: str) -> None:
    header = f'{{"a": {{"dtype": "F32", "shape": [1], "data_offsets": [0, {end}]}}}}'.encode()
    (run / WEIGHTS_FILE).write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(ModelError, match="cannot be read as safetensors"):
        load_model(str(run))


def test_why_a_file_cannot_be_read_is_not_looked_for_in_a_header_of_megabytes(run, monkeypatch) -> None:
    """safetensors itself refuses it at once; parsing 100 MB of brackets in Python takes a minute and gigabytes."""
    header = b'{"a": [' + b"[]," * (2 * 2**20) + b"[]]}"
    assert MOST_HEADER < len(header) < 32 * 2**20
    (run / WEIGHTS_FILE).write_bytes(len(header).to_bytes(8, "little") + header)

    def parsed(*_: object) -> None:
        pytest.fail("the header was parsed")

    monkeypatch.setattr("usassist.core.models.weights.json.loads", parsed)
    with pytest.raises(ModelError, match="cannot be read as safetensors"):
        read_tensors(run / WEIGHTS_FILE)
    assert count_parameters(run / WEIGHTS_FILE) is None


def test_a_folder_with_a_path_for_an_encoder_is_listed_with_its_problem_and_reads_nothing_else(
    run, usassist_home
) -> None:
    info = add_model(run, name="mine")
    text = (info.folder / CONFIG_FILE).read_text()
    (info.folder / CONFIG_FILE).write_text(text.replace('"usassist-lite0"', '"../../mine/usassist-lite0"'))
    assert "name of a configuration" in next(i for i in list_models() if i.name == "mine").problem


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[" * 100_000])
def test_one_broken_description_never_hides_the_other_models(run, content: bytes) -> None:
    info = add_model(run, name="mine")
    (info.folder / CONFIG_FILE).write_bytes(content)
    assert next(i for i in list_models() if i.name == "mine").problem


def test_missing_weights_are_a_sentence(run) -> None:
    (run / WEIGHTS_FILE).unlink()
    with pytest.raises(ModelError, match=r"cannot be read .*add the model again"):
        find_model(str(run))


def test_the_configuration_of_a_users_own_encoder_goes_with_the_model(tmp_path, small_config) -> None:
    own = dataclasses.replace(small_config, encoder=dataclasses.replace(small_config.encoder, open_clip="theirs"))
    (tmp_path / "theirs.json").write_bytes(clip_settings.find("usassist-lite0").read_bytes())
    save_model(build_segmenter(own, folder=tmp_path), tmp_path / "run", config=own, clip_folder=tmp_path)
    assert (tmp_path / "run" / "theirs.json").is_file()


def test_a_card_in_another_encoding_is_shown(run) -> None:
    (run / "CARD.md").write_bytes("größer".encode("latin-1"))
    assert "gr" in find_model(str(run)).card
