"""The model card: everything that was measured, with its interval, and nothing that was not."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.core.evaluation.cards import HASH, facts, report
from usassist.core.evaluation.card import FAILURES_FILE, PRESENCE_FILE, QUALITY_FILE, CardFacts, Run, card_files
from usassist.core.evaluation.card_sources import BenchmarkTable


def card(given: CardFacts) -> str:
    return card_files(given)["CARD.md"]


def section(text: str, title: str) -> str:
    return text.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> CardFacts:
    """Return facts with every kind of source."""
    home = tmp_path_factory.mktemp("reports")
    return facts(
        reports=[
            report(home / "test"),
            report(home / "val", split="val"),
            report(home / "other", data="hc18", split="all"),
            report(home / "right", prompt="Breast lesions"),
            report(home / "wrong", prompt="fetal head"),
            report(home / "unknown", data="clinic", split="all", prompt="fetal head"),
        ],
        benchmarks=[BenchmarkTable("Clicks to Dice 0.85", ("start", "clicks"), (("box", "1.20"),))],
        runs=[Run("first", 20, 2.0), Run("second", 8, 0.5)],
        watts=40.0,
        notes="\n- Seen, not measured: a note.\n",
    )


def test_it_says_what_the_model_is(whole: CardFacts) -> None:
    text = card(whole)
    assert text.startswith("# mine\n\nMy model: it proposes a mask without a prompt; follows a text")
    assert "follows clicks, a box and a previous mask" in text
    assert "7.5 million parameters, a file of 15.0 MB" in text
    assert "**For research. Not a medical device.**" in text
    what = section(text, "What it is")
    assert "| head | promptable |" in what
    assert "7,500,000 in its file: image tower with its adapters 6,000,000, head 1,500,000" in what
    assert f"`{HASH}`" in what
    assert "pixel 0.5, presence 0.5" in what
    assert "**Not for** diagnosis" in section(text, "What it is for")


def test_terms_are_those_of_the_data_and_what_is_not_known_is_said(whole: CardFacts) -> None:
    terms = section(card(whole), "Data and terms")
    assert "Al-Dhabyani et al., Data in Brief 28 (2020) 104863" in terms
    assert "| research use with citation |" in terms
    assert "| clinic | not known to usassist | **not known: ask whoever gave you the data** | - |" in terms
    assert "EfficientNet-Lite0 trained on ImageNet" in terms
    assert "hc18" not in terms, "it was measured on, not learned from"


def test_numbers_have_intervals_and_splits_their_role(whole: CardFacts) -> None:
    measured = section(card(whole), "Measured")
    rows = [line for line in measured.splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0] for row in rows[1:4]] == [
        "| busi test",
        "| busi val (chosen on)",
        "| hc18 (never trained on)",
    ]
    assert len(re.findall(r"\d\.\d{3} \(\d\.\d{3} to \d\.\d{3}\)", rows[1])) == 5
    assert "| 30 (24) |" in rows[1]
    assert re.search(r"\| busi test \| benign \| 24 \| 0\.\d{3} \(", measured)
    assert "usassist evaluate --data DATA/busi --split test --model mine --out OUT" in measured
    assert 'usassist evaluate --data DATA/busi --split test --model mine --prompt "fetal head" --out OUT' in measured
    assert "usassist evaluate --data DATA/hc18 --model mine --out OUT" in measured


def test_texts_are_told_right_from_wrong(whole: CardFacts) -> None:
    rows = [line for line in section(card(whole), "Texts, right and wrong").splitlines() if line.startswith("| ")]
    assert rows[1].startswith('| busi test | "Breast lesions" | what is there | 30 | 0.')
    assert rows[2] == '| busi test | "fetal head" | something else | 30 | - | 30 of 30 (0.89 to 1.00) | 0.100 |'
    assert rows[3].startswith('| clinic | "fetal head" | not known | 30 | 0.')


def test_it_says_whether_it_knows_when_it_is_wrong(whole: CardFacts) -> None:
    text = section(card(whole), "Does it know when it is wrong?")
    assert re.search(r"\| busi test \| 24 / 6 \| 0\.\d{3} \(.*\) \| 0\.\d{3} \| 0\.\d{3} \(0\.\d{3} to", text)
    assert "busi val (chosen on)" in text
    assert '"fetal head"' not in text, "what was asked wrongly says nothing about presence of what is there"
    assert "The figures: busi test, hc18, busi test." in text, "validation images chose the model"
    files = card_files(whole)
    for name in (PRESENCE_FILE, QUALITY_FILE, FAILURES_FILE):
        assert f"]({name})" in files["CARD.md"]
        ET.fromstring(files[name])


def test_failures_have_names_and_outlines_and_no_picture(whole: CardFacts) -> None:
    files = card_files(whole)
    text = section(files["CARD.md"], "Where it fails")
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 12
    assert "| `busi\\|0.png` | normal | 1.000 |" not in text
    assert r"| busi test | `busi\|7.png` | benign | 0.000 | nothing | 0.100 | 0.550 |" in rows
    assert r"| busi test | `busi\|5.png` | normal | 0.000 | something, where nothing is | 0.900 | 0.650 |" in rows
    assert files[FAILURES_FILE].count('<path class="outline"') >= 12
    assert "report.html" in text
    for content in files.values():
        assert "data:" not in content
        assert "<image" not in content


def test_what_it_cost_is_an_estimate_or_not_known(whole: CardFacts) -> None:
    text = section(card(whole), "Training")
    assert "usassist-train segment RECIPE.toml --data DATA/busi --data DATA/clinic --out RUN" in text
    assert "| first | 20 | 2.0 h |" in text
    assert "about 0.10 kWh, an estimate: 2.5 h x 40 W, which is assumed" in text
    assert "Energy: not measured." in section(card(facts(runs=[Run("first", 1, 1.0)])), "Training")
    assert "Time: not known.\nEnergy: not measured." in section(card(facts(watts=40.0)), "Training")


def test_benchmarks_and_notes_are_put_in(whole: CardFacts) -> None:
    text = card(whole)
    assert "**Clicks to Dice 0.85**\n\n| start | clicks |\n|---|---|\n| box | 1.20 |" in text
    assert "a hint, and no benchmark" not in text
    assert section(text, "Notes").strip().startswith("- Seen, not measured: a note.")


def test_the_same_sources_give_the_same_short_card(whole: CardFacts) -> None:
    first, second = card_files(whole), card_files(whole)
    assert first == second
    assert len(first["CARD.md"].splitlines()) <= 200
    assert "\n\n\n" not in first["CARD.md"]


def test_without_a_test_split_what_there_is_is_judged(tmp_path: Path) -> None:
    given = facts(reports=[report(tmp_path / "v", split="val"), report(tmp_path / "o", data="hc18", split="all")])
    assert [one.name for one in given.judged] == ["busi val", "hc18"]
    text = card(given)
    assert "| busi val | 50 ms | cpu |" in section(text, "Clicks and speed")
    assert "a hint, and no benchmark" in text
    assert "how well was not measured" in section(text, "Texts, right and wrong")


def test_nothing_measured_is_said() -> None:
    text = card(facts(data=[]))
    assert "Nothing was measured" in text
    assert "What it was trained on is not known" not in text, "where its weights come from is known"
    assert "of which data is not known" in text
    assert "Where it fails" not in text
    assert list(card_files(facts())) == ["CARD.md"]
