"""The examples in the docstrings of the room are true."""

import doctest
import importlib

import pytest


@pytest.mark.parametrize(
    "name", ["axes", "card_runs", "card_tables", "comparison_page", "page", "rank_intervals", "signed_rank", "wilson"]
)
def test_examples(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"usassist.core.evaluation.{name}"))
    assert result.attempted > 0
    assert result.failed == 0
