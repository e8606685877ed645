import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from usassist.core.errors import ModelError
from usassist.core.models.config import CONFIG_FILE, WEIGHTS_FILE
from usassist.core.models.weights import add_model, fill, find_model, list_models, load_model, save_model


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


def test_adding_a_run_makes_it_selectable_and_a_taken_name_is_refused(run) -> None:
    add_model(run, name="mine")
    assert "mine" in [info.name for info in list_models()]
    assert find_model("mine").origin == "user"
    with pytest.raises(ModelError, match="already"):
        add_model(run, name="mine")


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden"])
def test_a_name_cannot_leave_the_folder_of_models(run, name: str) -> None:
    with pytest.raises(ModelError, match="name"):
        add_model(run, name=name)


def test_a_missing_or_unexpected_tensor_is_refused(run, small_model) -> None:
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


def test_listing_imports_no_torch() -> None:
    code = (
        "import sys; from usassist.core.models.weights import list_models; list_models(); print('torch' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
