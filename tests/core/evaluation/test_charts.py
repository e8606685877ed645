"""Figures of the report."""

import re
import xml.etree.ElementTree as ET

import pytest

from usassist.core.evaluation.charts import _round_up, histogram


def test_every_value_is_in_a_bar() -> None:
    svg = histogram([0.0, 0.01, 0.5, 0.99, 1.0, 1.0], caption="Dice <all>")
    root = ET.fromstring(svg)
    counts = [int(m) for m in re.findall(r": (\d+) image", svg)]
    assert sum(counts) == 6
    assert counts[0] == 2
    assert counts[-1] == 3
    assert root.get("aria-label") == "Dice <all>"
    assert "median 0.745" in svg


def test_nothing_is_drawn_as_nothing() -> None:
    assert ET.fromstring(histogram([], caption="Dice")) is not None


@pytest.mark.parametrize(("count", "top"), [(1, 2), (2, 2), (3, 4), (5, 6), (9, 10), (11, 20), (99, 100), (101, 200)])
def test_the_axis_ends_on_a_round_number(count: int, top: int) -> None:
    assert _round_up(count) == top
