"""Figures of what an engine says about itself."""

import re
import xml.etree.ElementTree as ET

import pytest

from usassist.core.evaluation.confidence_figures import presence_figure, quality_figure


def test_presence_that_is_right_lies_on_the_diagonal() -> None:
    figure = presence_figure([0.95] * 20 + [0.05] * 20, [True] * 19 + [False] * 20 + [True])
    assert figure is not None
    assert figure.title.endswith("(ECE 0.000)")
    dots = re.findall(r'<circle class="dot k0" cx="([\d.]+)" cy="([\d.]+)"', figure.svg)
    assert len(dots) == 2
    assert figure.svg.count(">20 images</text>") == 2, "a point says how many images it stands on"
    assert "polyline" not in figure.svg
    ET.fromstring(figure.svg)


def test_quality_has_a_dot_for_each_image_and_a_colour_for_each_set() -> None:
    figure = quality_figure([("busi, test", [0.5, 0.9], [0.0, 1.0]), ("none", [], []), ("<b>", [0.2], [0.3])])
    assert figure is not None
    assert figure.legend == ("busi, test", "<b>")
    assert [len(re.findall(f'class="dot k{colour}"', figure.svg)) for colour in (0, 1)] == [2, 1]
    assert "polyline" not in figure.svg, "there is nothing between two images"
    assert "&lt;b&gt; 0.2: 0.300" in figure.svg
    ET.fromstring(figure.svg)


@pytest.mark.parametrize(("count", "dots"), [(999, 999), (2500, 834)])
def test_thousands_of_images_are_thinned(count: int, dots: int) -> None:
    figure = quality_figure([("all", [0.5] * count, [0.5] * count)])
    assert figure is not None
    assert figure.svg.count("<circle") == dots


def test_nothing_said_is_no_figure() -> None:
    assert presence_figure([], []) is None
    assert quality_figure([("a", [], [])]) is None
