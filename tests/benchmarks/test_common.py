"""What benchmarks write is what a model's card reads."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

from usassist.core.evaluation.card_benchmarks import read_benchmark


@pytest.fixture
def common(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "path", [str(Path(__file__).resolve().parents[2] / "benchmarks"), *sys.path])
    return importlib.import_module("common")


def test_the_numbers_of_a_benchmark_become_a_table_of_a_card(tmp_path: Path, common: ModuleType) -> None:
    path = tmp_path / "new" / "speed.json"
    facts = {"header": ("what", "median"), "rows": [("first", 41.237), ("load", "")], "weights_hash": "ab"}
    common.write_results(path, common.results_document("speed", title="Speed", **facts))
    found = read_benchmark(path)
    assert (found.title, found.header, found.weights_hash) == ("Speed", ("what", "median"), "ab")
    assert found.rows == (("first", "41.24"), ("load", ""))
