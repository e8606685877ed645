"""The examples in the docstrings of the metrics are true."""

import doctest
import importlib

import pytest

NAMES = ("overlap", "surface", "calibration", "ranking", "agreement", "classification", "retrieval")


@pytest.mark.parametrize("name", NAMES)
def test_examples(name: str) -> None:
    module = importlib.import_module(f"usassist.core.metrics.{name}")
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0
