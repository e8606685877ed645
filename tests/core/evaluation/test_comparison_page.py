"""comparison.html and its two companions."""

import csv
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from usassist.core.evaluation.comparison import Candidate, ComparisonFacts, Row, Setting, Trained, compare
from usassist.core.evaluation.comparison_page import HEADER, comparison_page, row_cells
from usassist.core.evaluation.comparison_report import COLUMNS, write_comparison
from usassist.core.evaluation.curves import Epoch
from usassist.core.evaluation.stored import Line, StoredReport

FACTS = ComparisonFacts(("busi",), "val", ("epochs=<2>",), "cpu", (("broken <one>, seed 0", "It & that failed."),))


def rows(*, settings: tuple[Setting, ...] = (Setting(),), seeds: int = 2) -> tuple[Row, ...]:
    candidates = []
    for number, recipe in enumerate(("first <b>", "second")):
        for setting in settings:
            runs = []
            for seed in range(seeds):
                values = np.random.default_rng(seed).uniform(0.2, 0.6, 20) + 0.2 * number
                lines = [
                    Line(f"{i}.png", 0, "", float(v), v, 9.0, 2.0, 0.5, i == 0, i == 0) for i, v in enumerate(values)
                ]
                report = StoredReport(Path("r"), recipe, "ab", "f", tuple(lines), 0.02)
                epochs = tuple(Epoch(n, 1.0 / n, 0.1 * n, 3.0) for n in range(1, 6))
                runs.append(Trained(seed, report, epochs))
            candidates.append(Candidate(recipe, setting, "busi", tuple(runs), 111_872, 5_000_000))
    return compare(candidates)


class Reader(HTMLParser):
    """Collects tags, links to elsewhere and text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.elsewhere: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.elsewhere += [v for k, v in attrs if k in ("src", "href", "srcset") and v and not v.startswith("data:")]

    def handle_data(self, data: str) -> None:
        self.text += data


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.text = " ".join(reader.text.split())
    return reader


def test_N17_the_page_is_whole_escaped_and_needs_nothing_from_elsewhere() -> None:
    page = comparison_page(rows(), FACTS)
    reader = read(page)
    assert page.startswith("<!doctype html>")
    assert reader.elsewhere == []
    assert "script" not in reader.tags
    assert not re.search(r"url\(|@import|http", page)
    assert "prefers-color-scheme: dark" in page
    assert reader.text.index("What failed") < reader.text.index("The table")
    for said in ("first <b>", "It & that failed.", "epochs=<2>", "112 k of 5.0 M learn", "use it to decide"):
        assert said in reader.text
    assert reader.tags.count("svg") == 4  # bars, differences, and one training curve for each recipe
    assert "Few-shot" not in reader.text


def test_N15_the_learning_curve_is_drawn_over_a_logarithmic_axis() -> None:
    settings = tuple(Setting(ratio=ratio) for ratio in (0.01, 0.1, 1.0))
    page = comparison_page(rows(settings=settings), replace(FACTS, split="test", failed=()))
    reader = read(page)
    assert "few-shot learning curve" in reader.text
    assert "training images used, %" in reader.text
    assert "What failed" not in reader.text
    assert "use it to decide" not in reader.text
    chart = page[page.index("few-shot learning curve") :]
    chart = chart[: chart.index("</svg>")]
    bands = re.findall(r'<polygon class="band k(\d)"', chart)
    assert bands == ["0", "1"], "a band for each recipe's seeds"
    (first, middle, last) = [
        float(x.split(",")[0]) for x in re.findall(r'<polyline[^>]*points="([^"]*)"', chart)[0].split()
    ]
    assert middle - first == pytest.approx(last - middle, abs=0.2), "1, 10 and 100 % are equally far apart"


def test_epochs_are_counted_in_whole_numbers() -> None:
    found = rows()
    short = [
        replace(
            row,
            candidate=replace(row.candidate, runs=tuple(replace(r, epochs=r.epochs[:2]) for r in row.candidate.runs)),
        )
        for row in found
    ]
    page = comparison_page(short, FACTS)
    chart = page[page.index("While they trained") :]
    ticks = re.findall(r'y="243" text-anchor="middle">([^<]*)<', chart)
    assert ticks == ["0", "1", "2"] * 2


def test_a_row_has_a_cell_for_every_heading() -> None:
    (first, second) = rows()
    assert len(row_cells(first)) == len(HEADER)
    cells = dict(zip(HEADER, row_cells(second), strict=True))
    assert cells["to the first"] == "+0.200"
    assert cells["p (images)"] == "< 0.001"
    assert cells["learning / all"] == "112 k / 5.0 M"
    assert row_cells(first)[-3:] == ("–", "–", "–")


def test_the_three_files_say_the_same(tmp_path: Path) -> None:
    found = rows()
    write_comparison(tmp_path / "out", found, FACTS)
    document = json.loads((tmp_path / "out" / "comparison.json").read_text(encoding="utf-8"))
    with (tmp_path / "out" / "comparison.csv").open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert tuple(table[0]) == COLUMNS
    assert [row["recipe"] for row in table] == [row["recipe"] for row in document["rows"]] == ["first <b>", "second"]
    for line, row in zip(table, document["rows"], strict=True):
        assert float(line["mean"]) == round(row["dice_lesion"]["mean"], 6)
        assert float(line["ci95_low"]) == round(row["dice_lesion"]["ci95"][0], 6)
        assert line["n"] == str(row["dice_lesion"]["n"]) == "19"
    assert table[0]["p"] == ""
    assert document["failed"] == [{"trial": "broken <one>, seed 0", "reason": "It & that failed."}]
    assert document["rows"][1]["difference_to_first"]["groups"] == 19


def test_nothing_trained_still_makes_a_page(tmp_path: Path) -> None:
    write_comparison(tmp_path, (), FACTS)
    assert "Nothing was trained" in read((tmp_path / "comparison.html").read_text(encoding="utf-8")).text
