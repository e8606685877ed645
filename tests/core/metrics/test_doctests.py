"""The examples in the docstrings of the metrics are true."""

import doctest
import importlib

import pytest


@pytest.mark.parametrize("name", ["overlap", "surface", "calibration", "ranking", "agreement", "classification"])
def test_examples(name: str) -> None:
    module = importlib.import_module(f"usassist.core.metrics.{name}")
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0
