"""Figures of the report."""

import itertools
import re
import xml.etree.ElementTree as ET

import pytest

from usassist.core.evaluation.axes import Axis, linear, logarithmic, shares
from usassist.core.evaluation.charts import (
    Curve,
    Interval,
    _round_up,
    boxes,
    cumulative,
    histogram,
    intervals,
    lines,
    scatter,
)


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


def points(svg: str, tag: str = "polyline") -> list[list[tuple[float, float]]]:
    """Return the places of all lines of a figure."""
    return [
        [(float(x), float(y)) for x, y in (pair.split(",") for pair in found.split())]
        for found in re.findall(rf'<{tag}[^>]*points="([^"]*)"', svg)
    ]


def test_a_cumulative_curve_falls_from_everything_to_what_is_perfect() -> None:
    svg = cumulative([0.0, 0.5, 0.5, 1.0], caption="Dice", axis="share")
    ET.fromstring(svg)
    (line,) = points(svg)
    heights = [y for _, y in line]
    assert heights == sorted(heights)
    top, floor = 12.0, 226.0
    reached = [(floor - y) / (floor - top) for y in heights]
    assert reached[0] == pytest.approx(1.0)
    assert reached[-1] == pytest.approx(0.25, abs=1e-3)
    assert any(value == pytest.approx(0.75, abs=1e-3) for value in reached)


def test_a_cumulative_curve_is_made_of_steps_that_fall_behind_each_value() -> None:
    (line,) = points(cumulative([0.25, 0.5, 0.5, 0.75], caption="Dice", axis="share"))
    for (x, y), (other_x, other_y) in itertools.pairwise(line):
        assert x == other_x or y == other_y, "a line between two values would claim images that there are none of"
    places = [round((x - 46) / 420, 2) for x, _ in line]
    shares_there = [round((226 - y) / 214, 2) for _, y in line]
    assert list(zip(places, shares_there, strict=True)) == [
        (0, 1), (0.25, 1), (0.25, 0.75), (0.5, 0.75), (0.5, 0.25), (0.75, 0.25), (0.75, 0), (1, 0),
    ]  # fmt: skip
    assert points(cumulative([], caption="Dice", axis="share"))


def test_lines_stay_inside_their_frame_and_say_what_they_are() -> None:
    curve = Curve("<a>", [0.0, 0.5, 2.0], [0.0, 3.0, 1.0], low=[0, 0, 0], high=[1, 1, 1], dots=True)
    svg = lines([curve], x=shares("x"), y=shares("y & z"), label="<&>", diagonal=True)
    root = ET.fromstring(svg)
    assert root.get("aria-label") == "<&>"
    for tag in ("polyline", "polygon"):
        for x, y in points(svg, tag)[0]:
            assert 46 <= x <= 466 and 12 <= y <= 226
    assert svg.count("<circle") == 3
    assert "&lt;a&gt; 0.5: 3.000" in svg


def test_boxes_have_quartiles_and_outliers() -> None:
    svg = boxes([("benign", [0.0, 0.7, 0.8, 0.9, 0.9, 1.0]), ("one", [0.5])], caption="Dice")
    ET.fromstring(svg)
    assert svg.count('class="box"') == 2
    assert svg.count('class="outlier"') == 1
    assert "median 0.850" in svg
    assert "n 6" in svg


def test_intervals_show_value_interval_and_seeds() -> None:
    items = [Interval("a" * 40, 0.5, (0.4, 0.6), [0.45, 0.55]), Interval("b", -0.1, None, colour=9)]
    svg = intervals(items, caption="difference", whole=False)
    ET.fromstring(svg)
    assert "0.500 (0.400 to 0.600)" in svg
    assert svg.count('class="seed"') == 2
    assert 'class="bar k1"' in svg
    assert "…" in svg
    assert intervals(items[:1], caption="Dice").count('class="guide"') == 0


def test_axes_end_on_round_numbers_and_have_a_place_for_every_value() -> None:
    assert linear([0.13, 0.87]).ticks == (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    assert linear([5.0]).low < 5.0 < linear([5.0]).high
    assert linear([]).share(0.5) == 0.5
    assert [linear([0.0, float(last)], whole=True).ticks for last in (1, 3)] == [(0.0, 1.0), (0.0, 1.0, 2.0, 3.0)]
    assert linear([0.0, 30.0], whole=True).ticks == linear([0.0, 30.0]).ticks
    axis = logarithmic([1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0])
    assert axis.ticks == (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
    assert axis.share(10.0) == pytest.approx(0.5)
    assert axis.share(2.0) - axis.share(1.0) == pytest.approx(axis.share(100.0) - axis.share(50.0))
    assert logarithmic([100.0, 101.0]).ticks == (100.0,)
    assert Axis(0, 1, ()).share(7.0) == 1.0
    assert Axis(0, 1, ()).share(-7.0) == 0.0


def test_a_scatter_has_points_and_no_line() -> None:
    svg = scatter([Curve("a", [0.0, 1.0], [0.0, 1.0])], x=shares(), y=shares(), label="quality", diagonal=True)
    ET.fromstring(svg)
    places = re.findall(r'<circle class="dot k0" cx="([\d.]+)" cy="([\d.]+)"', svg)
    assert places == [("46.0", "226.0"), ("466.0", "12.0")]
    assert "polyline" not in svg
    assert svg.count('class="guide"') == 1
