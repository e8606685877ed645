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
    with pytest.raises(ModelError, match="unknown settings colour"):
        ModelConfig.from_json(json.dumps(raw), where="here")


@pytest.mark.parametrize("text", ["", "[]", '{"schema_version": 99}', '{"schema_version": 1, "name": "x"}'])
def test_nonsense_is_a_sentence(text: str) -> None:
    with pytest.raises(ModelError, match="here"):
        ModelConfig.from_json(text, where="here")


def test_a_folder_without_description_is_no_model(tmp_path) -> None:
    with pytest.raises(ModelError, match="not a model"):
        ModelConfig.read(tmp_path)
