"""What the benchmark of whole folders says of its two ways."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def batch(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "path", [str(Path(__file__).resolve().parents[2] / "benchmarks"), *sys.path])
    return importlib.import_module("batch_propose")


def test_only_what_the_command_does_has_a_target(batch: ModuleType) -> None:
    fast, slow, too_slow = [(10.0, 9.0)], [(30.0, 9.0)], [(40.0, 9.0)]
    assert batch._row("batches", fast, slow)[-2:] == (40.0, "ok")
    assert batch._row("batches", too_slow, slow)[-2:] == (40.0, "MISSED")
    assert batch._row("one by one", slow, slow)[-2:] == ("", "")
