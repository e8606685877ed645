import json
from pathlib import Path

import pytest

from usassist.core.errors import TrainingError
from usassist.core.training.config import read_recipe
from usassist.core.training.run_folder import has_checkpoint, read_beginning, require_free, write_beginning
from usassist.core.training.start import find_start


def test_a_run_begins_again_from_where_its_models_lay(recipe, towers, tmp_path, monkeypatch) -> None:
    """The recipe it keeps names them only."""
    monkeypatch.chdir(towers.parent)
    config = read_recipe(recipe, overrides=[f"start_from={towers.name}"])
    run = tmp_path / "run"
    run.mkdir()
    write_beginning(run, config, [Path("data")], find_start(config))
    monkeypatch.chdir(tmp_path)
    assert read_recipe(run / "config.toml").start_from == towers.name
    again, data = read_beginning(run)
    assert data == [towers.parent / "data"]
    assert Path(again.start_from) == towers
    found = find_start(again).model
    assert found is not None and found.weights_hash


def test_a_list_of_data_of_an_earlier_version_is_read(recipe, tmp_path) -> None:
    (tmp_path / "config.toml").write_bytes(recipe.read_bytes())
    (tmp_path / "data.json").write_text(json.dumps(["/somewhere/busi"]))
    config, data = read_beginning(tmp_path)
    assert data == [Path("/somewhere/busi")] and config.start_from == ""


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"data": ["a"], "start_from": 3}'])
def test_a_damaged_list_of_data_is_a_sentence(recipe, tmp_path, content: str) -> None:
    (tmp_path / "config.toml").write_bytes(recipe.read_bytes())
    (tmp_path / "data.json").write_text(content)
    with pytest.raises(TrainingError, match=r"data\.json"):
        read_beginning(tmp_path)


def test_what_may_begin_again_and_what_may_not(tmp_path) -> None:
    (tmp_path / "metrics.jsonl").write_text("")
    require_free(tmp_path)
    assert not has_checkpoint(tmp_path)
    (tmp_path / "weights.safetensors").write_bytes(b"")
    with pytest.raises(TrainingError, match="holds a model"):
        require_free(tmp_path)
    with pytest.raises(TrainingError, match="usassist models add"):
        has_checkpoint(tmp_path)
    (tmp_path / "checkpoint.pt").write_bytes(b"")
    assert has_checkpoint(tmp_path)
    with pytest.raises(TrainingError, match="--resume"):
        require_free(tmp_path)
