"""Models come and go whole; what was added can be checked later; a base that others stand on stays."""

import dataclasses
import errno
import hashlib
import os

import pytest

from usassist.core import paths
from usassist.core.errors import ModelError
from usassist.core.models.adding import SUMS_FILE, add, add_model, remove_model, verify_model
from usassist.core.models.config import CONFIG_FILE, WEIGHTS_FILE, ModelConfig
from usassist.core.models.weights import find_model, list_models, save_model


@pytest.fixture
def run(tmp_path, small_model, small_config):
    save_model(small_model, tmp_path / "run", config=small_config)
    return tmp_path / "run"


def test_adding_a_run_makes_it_selectable_and_a_taken_name_is_refused(run) -> None:
    assert add(str(run), name="mine").origin == "user"
    assert find_model("mine").origin == "user"
    with pytest.raises(ModelError, match="already"):
        add_model(run, name="mine")


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "x" * 65, ""])
def test_a_name_cannot_leave_the_folder_of_models(run, name: str) -> None:
    with pytest.raises(ModelError, match="name"):
        add_model(run, name=name or " ")
    with pytest.raises(ModelError, match="not among"):
        remove_model(name)


def test_a_disk_that_refuses_is_a_sentence_and_leaves_nothing(run, monkeypatch, usassist_home) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(ModelError, match="disk is full"):
        add_model(run, name="mine")
    monkeypatch.undo()
    assert not list((usassist_home / "models").glob("*"))


def test_a_run_without_weights_says_so(run) -> None:
    (run / WEIGHTS_FILE).unlink()
    with pytest.raises(ModelError, match="finished an epoch"):
        add(str(run))


def test_what_was_added_is_verified_file_by_file(run) -> None:
    info = add_model(run, name="mine")
    assert verify_model("mine").is_sound
    for line in (info.folder / SUMS_FILE).read_text().splitlines():
        total, name = line.split("  ")
        assert hashlib.sha256((info.folder / name).read_bytes()).hexdigest() == total
    (info.folder / CONFIG_FILE).write_text((info.folder / CONFIG_FILE).read_text() + " ")
    next(info.folder.glob("usassist-lite0.json")).unlink()
    found = verify_model("mine")
    assert (found.changed, found.missing, found.is_sound) == ((CONFIG_FILE,), ("usassist-lite0.json",), False)
    assert WEIGHTS_FILE in found.unchanged


def test_the_shipped_model_is_what_was_shipped() -> None:
    assert verify_model("usassist-us").unchanged == ("familiarity.safetensors", CONFIG_FILE, WEIGHTS_FILE)


def test_without_a_record_there_is_nothing_to_verify(run) -> None:
    with pytest.raises(ModelError, match="not added by"):
        verify_model(str(run))


@pytest.mark.parametrize("text", ["", "nonsense", "a" * 64 + "  ../../x\n"])
def test_a_damaged_record_is_a_sentence(run, text: str) -> None:
    info = add_model(run, name="mine")
    (info.folder / SUMS_FILE).write_text(text)
    with pytest.raises(ModelError, match="damaged"):
        verify_model("mine")


def test_removing_takes_the_whole_folder_and_only_a_users(run, usassist_home) -> None:
    add_model(run, name="mine")
    assert remove_model("mine") == paths.user_models() / "mine"
    assert [info.name for info in list_models()] == ["usassist-us"]
    assert not list((usassist_home / "models").glob("*"))
    with pytest.raises(ModelError, match="ships with usassist"):
        remove_model("usassist-us")
    with pytest.raises(ModelError, match="not among"):
        remove_model("mine")


def test_a_damaged_model_can_be_removed(run) -> None:
    info = add_model(run, name="mine")
    (info.folder / CONFIG_FILE).write_text("{")
    remove_model("mine")
    assert not info.folder.exists()


def test_a_base_that_others_stand_on_is_kept(run) -> None:
    base = add_model(run, name="base")
    other = add_model(run, name="other")
    config = ModelConfig.read(other.folder)
    encoder = dataclasses.replace(config.encoder, base="base", base_hash=base.weights_hash)
    (other.folder / CONFIG_FILE).write_text(dataclasses.replace(config, encoder=encoder).to_json())
    (other.folder / WEIGHTS_FILE).write_bytes((other.folder / WEIGHTS_FILE).read_bytes() + b" ")
    with pytest.raises(ModelError, match="base of other"):
        remove_model("base")
    add_model(run, name="twin")  # the same weights under another name serve as well
    remove_model("base")
    with pytest.raises(ModelError, match="base of other"):
        remove_model("twin")
