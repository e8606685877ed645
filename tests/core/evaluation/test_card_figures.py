"""The figures of a model card are whole files that hold lines only."""

import re
import xml.etree.ElementTree as ET

from usassist.core.evaluation.card_figures import Failure, failures_figure, standalone
from usassist.core.evaluation.confidence_figures import quality_figure
from usassist.core.evaluation.gallery import Outlines


def test_a_figure_of_a_report_becomes_a_file() -> None:
    figure = quality_figure([("a <b>", [0.5], [0.6]), ("c", [0.1], [0.2])])
    assert figure is not None
    text = standalone(figure)
    root = ET.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("viewBox") == "0 0 480 336"
    assert text.count("<svg") == 1, "not every viewer draws one figure inside another"
    assert "a &lt;b&gt;</text>" in text
    alone = quality_figure([("a", [0.5], [0.6])])
    assert alone is not None
    assert ET.fromstring(standalone(alone)).get("viewBox") == "0 0 480 296", "one set needs no legend"


def test_outlines_lie_in_their_frames() -> None:
    wide, tall = Outlines((100, 400), "M0 0L10 0L10 10Z", ""), Outlines((400, 100), "", "M5 5L9 5L9 9Z")
    text = failures_figure([Failure("a&b.png", "Dice 0.000", wide)] * 4 + [Failure("x" * 80, "Dice 0.100", tall)])
    ET.fromstring(text)
    scales = [float(found) for found in re.findall(r"scale\(([\d.]+)\)", text)]
    assert scales == [0.555] * 4 + [0.405]
    assert len(re.findall(r'<path class="outline" stroke="#56b4e9"', text)) == 4
    assert len(re.findall(r'<path class="outline" stroke="#e69f00"', text)) == 1
    assert "a&amp;b.png" in text
    assert f"…{'x' * 27}</text>" in text
    assert "translate(8 230)" in text, "the fifth begins a row"
