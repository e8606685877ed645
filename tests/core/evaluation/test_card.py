"""The model card: everything that was measured, with its interval, and nothing that was not."""

import dataclasses
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.core.evaluation.cards import HASH, facts, report
from usassist.core.evaluation.card import FAILURES_FILE, PRESENCE_FILE, QUALITY_FILE, CardFacts, card_files
from usassist.core.evaluation.card_benchmarks import BenchmarkTable
from usassist.core.evaluation.card_runs import NearDuplicates, Run
from usassist.core.evaluation.card_seen import Shared
from usassist.core.models.config import Calibration, HeadConfig


def card(given: CardFacts) -> str:
    return card_files(given)["CARD.md"]


def section(text: str, title: str) -> str:
    return text.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> CardFacts:
    """Return facts with every kind of source."""
    home = tmp_path_factory.mktemp("reports")
    other = report(home / "other", data="hc18", split="all")
    return facts(
        shared={other.fingerprint: Shared(0, "content")},
        reports=[
            report(home / "test"),
            report(home / "val", split="val"),
            other,
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


def test_an_adapted_model_inherits_the_data_and_the_terms_of_what_it_went_on_from(whole: CardFacts) -> None:
    parent = {"name": "usassist-us", "weights_hash": HASH, "data": ["busi", "hc18"]}
    provenance = {**whole.config.provenance, "data": ["clinic"], "start_from": parent}
    adapted = dataclasses.replace(whole, config=dataclasses.replace(whole.config, provenance=provenance))
    assert adapted.learned_from == ("clinic", "busi", "hc18")
    text, terms = card(adapted), section(card(adapted), "Data and terms")
    assert "images of clinic, and chosen" in text.replace("\n", " ")
    assert f"It goes on from usassist-us (weights {HASH[:12]}), which learned from BUSI (Breast" in text
    assert "| clinic | not known" in terms and "| hc18 | " in terms and "Al-Dhabyani" in terms
    unknown = {**whole.config.provenance, "start_from": {"name": "x", "weights_hash": HASH}, "base": "y"}
    plain = dataclasses.replace(whole, config=dataclasses.replace(whole.config, provenance=unknown))
    assert "It goes on from" not in card(plain) and plain.learned_from == whole.learned_from


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


def tables(text: str) -> dict[str, list[str]]:
    """Return the rows of each table below a title in bold."""
    parts = re.split(r"^\*\*(.+?)\*\*", text, flags=re.MULTILINE)[1:]
    rows = [[line for line in body.splitlines() if line.startswith("| ")] for body in parts[1::2]]
    return dict(zip(parts[::2], rows, strict=True))


def test_texts_are_told_right_from_wrong_in_tables_of_their_own(whole: CardFacts) -> None:
    text = card(whole)
    found = tables(section(text, "Texts, right and wrong"))
    right, wrong, unknown = (
        found[title]
        for title in ("Asked for what is there", "Asked for what is not there", "Asked for what may be there or not")
    )
    assert len(right) == len(wrong) == len(unknown) == 2
    assert right[1].startswith('| busi test | "Breast lesions" | 30 (24) | 0.')
    assert wrong[1] == '| busi test | "fetal head" | 30 | 0 | 1.000 (0.886 to 1.000) | 0.100 |'
    assert unknown[1].startswith('| clinic (partly learned from) | "fetal head" | 30 (24) | ')
    rows = section(text, "Measured").split("```")[0]
    assert "fetal head" not in rows, "what was measured without a prompt is apart"
    assert "Breast lesions" not in rows


def test_a_part_of_wrong_answers_counts_against_empty_correct(tmp_path: Path) -> None:
    text = card(facts(reports=[report(tmp_path, prompt="a carotid artery")]))
    assert '| busi test | "a carotid artery" | 30 | 25 | 0.167 (' in section(text, "Texts, right and wrong")


def test_it_says_whether_it_knows_when_it_is_wrong(whole: CardFacts) -> None:
    text = section(card(whole), "Does it know when it is wrong?")
    assert re.search(r"\| busi test \| 24 / 6 \| 0\.\d{3} \(.*\) \| 0\.\d{3} \| 0\.\d{3} \(0\.\d{3} to", text)
    assert "busi val (chosen on)" in text
    assert '"fetal head"' not in text, "what was asked wrongly says nothing about presence of what is there"
    judged = 'The figures: busi test, hc18 (never trained on), busi test, "Breast lesions".'
    assert judged in text, "validation images chose the model"
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


def test_without_a_test_split_it_is_shown_by_what_it_was_chosen_on(tmp_path: Path) -> None:
    given = facts(reports=[report(tmp_path / "v", split="val"), report(tmp_path / "o", data="hc18", split="all")])
    assert [one.name for one in given.judged] == ["busi val"]
    text = card(given)
    assert "The figures: busi val (chosen on)." in text
    assert "| busi val | 50 ms | cpu |" in section(text, "Clicks and speed")
    assert "a hint, and no benchmark" in text
    assert "how well was not measured" in section(text, "Texts, right and wrong")


def test_never_trained_on_is_only_said_where_it_is_known(tmp_path: Path) -> None:
    test, copy = report(tmp_path / "t"), report(tmp_path / "c", data="copy", split="all")
    unknown = facts(reports=[test, copy])
    assert "| copy (folder not named in the training) |" in card(unknown)
    assert unknown.judged == [test]
    alone = facts(reports=[copy])
    assert alone.judged == []
    assert "None of this judges the model" in card(alone)
    assert "None of this judges the model" not in card(unknown)
    leaked = facts(reports=[test, copy], shared={copy.fingerprint: Shared(30, "content")})
    assert "| copy (30 of its files are of the training) |" in card(leaked)
    assert leaked.judged == [test]
    other = facts(reports=[test, copy], shared={copy.fingerprint: Shared(0, "content")})
    assert "| copy (never trained on) |" in card(other)
    assert other.judged == [test, copy]


def test_marks_that_were_changed_are_said_and_judge_nothing(tmp_path: Path) -> None:
    plain = report(tmp_path / "p")
    changed = [report(tmp_path / "r", marks="remove"), report(tmp_path / "a", marks="add", prompt="fetal head")]
    given = facts(reports=[plain, *changed])
    assert given.judged == [plain]
    text = card(given)
    rows = [line for line in section(text, "With marks filled in or drawn in").splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0] for row in rows[1:]] == [
        "| busi test, marks filled in",
        '| busi test, "fetal head", marks drawn in',
    ]
    measured = section(text, "Measured")
    assert measured.count("| busi test ") == 3, "its own row, and those of its two classes"
    assert "usassist evaluate --data DATA/busi --split test --model mine --marks remove --out OUT" in measured
    assert '--prompt "fetal head" --marks add --out OUT' in measured
    assert "marks" not in section(text, "Does it know when it is wrong?") + section(text, "Where it fails")
    assert "how well was not measured" in section(text, "Texts, right and wrong")
    assert "With marks" not in card(facts(reports=[plain]))


def test_a_model_without_calibration_is_not_called_calibrated() -> None:
    raw, tuned = facts(), facts(calibration=Calibration(presence_scale=1.5))
    assert "**not calibrated**" in card(raw)
    assert "chosen on 80 others" in card(raw)
    assert "| thresholds, not calibrated |" in card(raw)
    assert "chosen and calibrated on 80 others" in card(tuned)
    assert "not calibrated" not in card(tuned)
    assert "| thresholds, from validation images |" in card(tuned)


def test_the_epoch_and_what_was_left_out_are_said() -> None:
    run = Run("first", 10, 1.0, of=28, near_duplicates=NearDuplicates("drop", across=4, left_out=3))
    text = card(facts(runs=[run]))
    assert "Its training ended after 10 of 28 epochs (passes over the training images). What was measured" in text
    assert "| first | 10 of 28 | 1.0 h |" in text
    said = (
        "Near-duplicates, images that look the same: 4 pairs stood in two of the data's splits (train, val, test); "
        '3 images were left out of the training for it (`near_duplicates = "drop"`).'
    )
    assert said in section(text, "Data and terms")
    assert "Near-duplicates" not in card(facts())


def test_what_is_the_same_for_all_runs_is_said_once() -> None:
    same, other = NearDuplicates("drop", across=4, left_out=3), NearDuplicates("join", across=1, left_out=0)
    runs = [Run("one", 20, 1.0, of=60, near_duplicates=same), Run("two", 12, 0.5, of=12, near_duplicates=same)]
    text = card(facts(runs=runs))
    assert section(text, "Data and terms").count("Near-duplicates") == 1
    assert "Near-duplicates, images" in text, "no run has to be named"
    assert "Its training had 2 steps; the last ran all 12 epochs (passes over the training images)." in text
    text = card(facts(runs=[*runs, Run("three", 1, 0.1, near_duplicates=other)]))
    assert "Near-duplicates (one, two), images that look the same: 4 pairs" in text
    assert "Near-duplicates (three), images that look the same: 1 pair stood" in text
    assert "no image was left out" in text


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (["busi", "breast"], "breast lesion"),
        (["busi", "hc18", "carotid_mini"], "any of breast lesion, fetal head, common carotid artery"),
        (["busi", "clinic"], "breast lesion; what clinic outlined is not known"),
        (["clinic"], "thyroid nodule"),
        ([], "thyroid nodule"),
    ],
)
def test_without_a_prompt_it_looks_for_what_its_training_outlined(data: list[str], expected: str) -> None:
    given = facts(data=data)
    told = dataclasses.replace(given, config=dataclasses.replace(given.config, target="thyroid_nodule"))
    assert f"| without a prompt | looks for: {expected} |" in card(told)
    knows = dataclasses.replace(
        told, config=dataclasses.replace(told.config, learned_targets=("carotid", "Baker's cyst"))
    )
    assert "| without a prompt | looks for: any of common carotid artery, Baker's cyst |" in card(knows)


def test_classes_are_asked_again_by_the_commands(tmp_path: Path) -> None:
    found = report(tmp_path / "named")
    named = dataclasses.replace(found, class_options="--ensemble breast-named")
    plain = dataclasses.replace(found, split="val")
    text = card(facts(reports=[named, plain]))
    assert "--data DATA/busi --split test --model mine --ensemble breast-named --out OUT" in text
    assert "--data DATA/busi --split val --model mine --out OUT" in text


def test_a_note_stands_once_below_the_tables_it_is_about() -> None:
    tables = [BenchmarkTable(title, ("a",), (("1",),), note=note) for title, note in (("A", "N."), ("B", "N."))]
    text = card(facts(benchmarks=[*tables, BenchmarkTable("C", ("a",), (("1",),))]))
    assert text.count("N.\n") == 1
    assert text.index("**B**") < text.index("N.\n") < text.index("**C**")


def test_it_says_which_texts_were_learned() -> None:
    assert "| texts it learned | not known, so it answers every text without a warning |" in card(facts())
    given = facts()
    config = dataclasses.replace(given.config, learned_targets=("carotid", "kidney_stone"))
    text = card(dataclasses.replace(given, config=config))
    assert "| texts it learned | about common carotid artery and kidney stone; it answers any other text too" in text
    silent = dataclasses.replace(config, head=HeadConfig("unet"))
    assert "texts it learned" not in card(dataclasses.replace(given, config=silent))


def test_it_says_whether_it_warns_of_unlike_images() -> None:
    assert "| warns of images unlike the training's | no: " in card(facts())
    able = {"weights_hash": HASH, "parameters": 1, "uses": [], "warns_of_unlike_images": True}
    text = card(facts(model=able, ordinary=1409))
    assert "| yes, learned from 1,409 training images; the limit was chosen on validation images |" in text


def test_nothing_measured_is_said() -> None:
    text = card(facts(data=[]))
    assert "Nothing was measured" in text
    assert "What it was trained on is not known" not in text, "where its weights come from is known"
    assert "of which data is not known" in text
    assert "Where it fails" not in text
    assert list(card_files(facts())) == ["CARD.md"]


def test_no_name_title_or_text_leaves_its_line_or_its_code(tmp_path: Path) -> None:
    said = "```\n\n# Approved\n\nfor `all`"
    given = facts(
        reports=[report(tmp_path / "asked", prompt=said)],
        benchmarks=[BenchmarkTable(said, ("a",), (("1",),))],
        data=["busi", said],
    )
    named = dataclasses.replace(given.config, name=said, title=said)
    text = card(dataclasses.replace(given, config=named))
    assert "\n# Approved" not in text
    lines = text.splitlines()
    flat = "''' # Approved for 'all'"
    assert lines[0] == f"# {flat}" and lines[2].startswith(f"{flat}: it proposes")
    assert lines.count("```") == len([line for line in lines if line.startswith("```")]) == 4, "two blocks of commands"
