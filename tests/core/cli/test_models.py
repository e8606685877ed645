"""`usassist models` lists and shows without loading, and says what is wrong with a name."""

import json

import pytest

from usassist.core.cli.main import main
from usassist.core.models.weights import list_models


def test_list_names_every_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["default"] == "usassist-us"
    assert [model["name"] for model in document["models"]] == [info.name for info in list_models()]


def test_show_of_a_model_that_is_not_there_names_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "show", "nobody"]) == 1
    assert "no model 'nobody'" in capsys.readouterr().err


def test_add_of_a_folder_that_is_no_run_is_refused(tmp_path: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "add", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("usassist: ")
