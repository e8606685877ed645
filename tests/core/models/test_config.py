import dataclasses
import json

import pytest

from usassist.core.errors import ModelError
from usassist.core.models.config import AdapterConfig, Calibration, EncoderConfig, ModelConfig


def _config() -> ModelConfig:
    return ModelConfig(
        "m", "M", EncoderConfig("usassist-lite0", (0, 1), (5, 9)), AdapterConfig("none"), calibration=Calibration(0.4)
    )


def test_what_is_written_is_read_back() -> None:
    assert ModelConfig.from_json(_config().to_json(), where="here") == _config()


def test_an_unknown_key_is_named() -> None:
    raw = json.loads(_config().to_json())
    raw["head"]["colour"] = 3
    with pytest.raises(ModelError, match="head: unknown keys colour"):
        ModelConfig.from_json(json.dumps(raw), where="here")


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", '{"schema_version": 99}', '{"schema_version": 1, "name": "x"}'),
        *("[" * 100_000, "9" * 5000, '{"schema_version": 1, "name": 3, "title": "t", "encoder": {}}'),
    ],
    ids=["nothing", "a list", "newer", "too little", "brackets", "digits", "a number for a text"],
)
def test_nonsense_is_a_sentence(text: str) -> None:
    with pytest.raises(ModelError, match="here"):
        ModelConfig.from_json(text, where="here")


def test_a_folder_without_description_is_no_model(tmp_path) -> None:
    with pytest.raises(ModelError, match="not a model"):
        ModelConfig.read(tmp_path)


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("preprocess", "size", "256", "whole number"),
        ("preprocess", "size", 10**9, "between 16 and 2048"),
        ("preprocess", "std", 0, "preprocess.std"),
        ("calibration", "threshold", float("nan"), "finite"),
        ("calibration", "presence_threshold", 7.0, "between 0 and 1"),
        ("adapter", "kind", "prefix", "one of mona, lora, full, none"),
        ("adapter", "bottleneck", True, "whole number"),
        ("head", "widths", [10**9], "between 1 and 4096"),
        ("head", "widths", "wide", "a list"),
        ("encoder", "taps", [], "number of encoder.taps"),
        ("encoder", "open_clip", "../../x", "name of a configuration"),
        ("encoder", "open_clip", "hf-hub:them/theirs", "name of a configuration"),
    ],
)
def test_a_crafted_value_is_refused_before_anything_is_built(section, key, value, message: str) -> None:
    raw = json.loads(_config().to_json())
    raw[section][key] = value
    with pytest.raises(ModelError, match=message):
        ModelConfig.from_json(json.dumps(raw), where="here")


def test_a_file_that_is_no_text_or_too_large_is_a_sentence(tmp_path) -> None:
    (tmp_path / "model.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(ModelError, match="UTF-8"):
        ModelConfig.read(tmp_path)
    (tmp_path / "model.json").write_bytes(b" " * (5 * 2**20))
    with pytest.raises(ModelError, match="bytes"):
        ModelConfig.read(tmp_path)


def test_presence_listens_to_both_witnesses_and_stays_a_probability() -> None:
    calibration = Calibration(presence_scale=1.0, presence_peak=0.5, presence_bias=-1.0)
    assert calibration.presence(0.0, peak=2.0) == 0.5
    assert calibration.presence(0.0, peak=4.0) > 0.5 > calibration.presence(-1.0, peak=2.0)
    assert 0 <= calibration.presence(-1e9, peak=0.0) <= calibration.quality(1e9) <= 1


def test_what_a_model_learned_is_read_back_and_absent_in_older_files() -> None:
    known = dataclasses.replace(_config(), learned_targets=("breast_lesion", "kidney stone"))
    assert ModelConfig.from_json(known.to_json(), where="here") == known
    raw = json.loads(known.to_json())
    del raw["learned_targets"]
    assert ModelConfig.from_json(json.dumps(raw), where="here").learned_targets == ()


@pytest.mark.parametrize(
    "value",
    ["breast_lesion", 3, {"a": 1}, [3], [None], [""], ["  "], ["x" * 101], ["two\nlines"], ["\x1b[2J"], ["a"] * 257],
)
def test_a_crafted_list_of_what_was_learned_is_refused(value: object) -> None:
    raw = json.loads(_config().to_json()) | {"learned_targets": value}
    with pytest.raises(ModelError, match=r"here.*learned_targets"):
        ModelConfig.from_json(json.dumps(raw), where="here")
