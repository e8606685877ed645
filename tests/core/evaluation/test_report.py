"""The three files of an evaluation."""

import csv
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from usassist.core.errors import UsassistError
from usassist.core.evaluation import report
from usassist.core.evaluation.classification import ClassFacts, Classification, ClassScores, classify
from usassist.core.evaluation.curves import Epoch
from usassist.core.evaluation.protocol import Case
from usassist.core.evaluation.report import COLUMNS, ReportFacts, per_image_table, report_page, write_report
from usassist.core.evaluation.run import Evaluation, evaluate_masks, without_masks

EMPTY = np.zeros((8, 9), dtype=np.bool_)

CONTRACT = [
    "n", "n_empty_truth", "n_degenerate", "dice", "dice_lesion", "iou", "precision", "recall", "hd95_px", "assd_px",
    "nsd_2px", "hd95_mm", "empty_correct", "lesion_found", "model", "engine", "weights_hash", "prompt",
    "data_fingerprint", "seconds_per_image", "classification",
]  # fmt: skip


def evaluated(count: int = 30) -> Evaluation:
    cases = []
    for index in range(count):
        truth, pred = np.zeros((2, 60, 80), dtype=np.bool_)
        truth[20:40, 20:40] = index % 5 > 0
        pred[20:40, 20 + index % 9 : 40 + index % 9] = index % 7 > 0
        cases.append(
            Case(
                f"sub/<b>{index}&.png",
                truth,
                pred,
                class_name="benign" if index % 5 else "normal",
                spacing_mm=(0.1, 0.2) if index % 2 else None,
                score=0.5,
                strangeness=0.1 * index if index % 2 else None,
                presence=0.9 if index % 5 else 0.2,
                quality=0.8,
                seconds=0.05,
                image=np.full((60, 80), 60, dtype=np.uint8),
            )
        )
    return evaluate_masks(cases)


FACTS = ReportFacts(
    model="usassist-us",
    engine="clip_mona",
    weights_hash="0" * 64,
    data="breast",
    classification=Classification(0.9, (0.8, 0.95), 0.85, 0.8, (("benign", 20), ("malignant", 10))),
    failed=(("cut.png", "The file ends <early>."),),
)


def test_report_json_keeps_the_contract(tmp_path: Path) -> None:
    write_report(tmp_path / "new" / "out", evaluated(), FACTS)
    found = json.loads((tmp_path / "new" / "out" / "report.json").read_text(encoding="utf-8"))
    assert list(found)[: len(CONTRACT)] == CONTRACT
    for name in [*CONTRACT[3:12], "assd_mm", "nsd_1mm"]:
        assert {"mean", "std", "ci95"} <= set(found[name])
        low, high = found[name]["ci95"]
        assert low <= found[name]["mean"] <= high
    assert found["n"] == 30
    assert found["prompt"] is None
    assert found["seconds_per_image"] == {"median": 0.05, "p95": 0.05}
    assert found["classification"]["n"] == {"benign": 20, "malignant": 10}
    assert found["failed"] == [{"input": "cut.png", "reason": "The file ends <early>."}]
    assert sorted(path.name for path in (tmp_path / "new" / "out").iterdir()) == [
        "per_image.csv",
        "report.html",
        "report.json",
    ]


def test_a_given_fingerprint_wins_and_no_classification_is_null() -> None:
    document = report.report_document(evaluated(), ReportFacts(data_fingerprint="abc"))
    assert document["data_fingerprint"] == "abc"
    assert document["classification"] is None
    assert document["model"] is None
    unknown = report.report_document(evaluate_masks([Case("a", EMPTY, EMPTY)]), ReportFacts())
    assert (unknown["hd95_mm"], unknown["assd_mm"], unknown["nsd_1mm"]) == (None, None, None)


def test_per_image_csv_keeps_the_contract() -> None:
    evaluation = evaluated()
    text = per_image_table(evaluation)
    assert text.splitlines()[0] == (
        "input,frame,class,dice,iou,hd95_px,assd_px,nsd_2px,hd95_mm,score,presence,quality,seconds,empty_truth,empty_pred"
        ",assd_mm,nsd_1mm,strangeness"
    )
    rows = list(csv.DictReader(io.StringIO(text)))
    assert tuple(rows[0]) == COLUMNS
    assert [row["input"] for row in rows] == [score.input for score in evaluation.scores]
    for row, score in zip(rows, evaluation.scores, strict=True):
        assert float(row["dice"]) == pytest.approx(score.dice, abs=1e-6)
        for name in ("hd95_mm", "assd_mm", "nsd_1mm", "strangeness"):
            value = getattr(score, name)
            assert row[name] == ("" if value is None else f"{value:.6f}")
        assert row["empty_truth"] == str(int(score.empty_truth))


class Reader(HTMLParser):
    """Collects tags, links to elsewhere and text."""

    VOID = ("meta", "img", "link", "br", "line")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.elsewhere: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        self.elsewhere += [v for k, v in attrs if k in ("src", "href", "srcset") and v and not v.startswith("data:")]

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


def test_the_page_is_whole_and_needs_nothing_from_elsewhere() -> None:
    evaluation = evaluated()
    page = report_page(evaluation, FACTS)
    assert page.startswith("<!doctype html>")
    reader = read(page)
    assert reader.elsewhere == []
    assert "script" not in reader.tags
    assert "svg" in reader.tags
    assert reader.tags.count("img") == len(evaluation.shown) == 18
    assert not re.search(r"url\(|@import|http", page)
    assert "prefers-color-scheme: dark" in page


def test_the_page_shows_failures_first_and_names_as_they_are() -> None:
    reader = read(report_page(evaluated(), FACTS))
    text = reader.text
    assert "sub/<b>1&.png" in text
    assert "b" not in reader.tags or "<b>" in text
    assert text.index("What went wrong") < text.index("Worst cases") < text.index("Numbers") < text.index("Best cases")
    assert "The file ends <early>." in text
    assert "missed: there is a lesion" in text
    assert "invented: there is no lesion" in text
    assert "Classification" in text
    assert "ASSD (mm)" in text and "NSD at 1 mm" in text


def classified() -> ReportFacts:
    """Return facts about 40 images of three classes, of which some are mistaken, one with great confidence."""
    names = ("benign", "malignant", "normal")
    cases = []
    for index in range(40):
        p = np.full(3, 0.1)
        p[index % 3 if index % 4 else (index + 1) % 3] = 0.8 if index else 0.95
        p /= p.sum()
        cases.append(ClassScores(names[index % 3], tuple(p.tolist()), str(index), input=f"<i>{index}.png", seconds=0.1))
    asked = ClassFacts(names, "trained", tuple(cases), warnings=("The <tower> has collapsed.",))
    return ReportFacts(
        model="classifier",
        classification=classify(cases, names),
        classes=asked,
        epochs=tuple(Epoch(n, 1 / n, 0.5 + n / 100, 3.0) for n in range(1, 8)),
    )


def test_classes_without_masks_have_a_page_of_their_own() -> None:
    facts = classified()
    reader = read(report_page(without_masks([0.1] * 40), facts))
    text = " ".join(reader.text.split())
    assert text.index("10 taken for another class") < text.index("Classification")
    assert text.index("<i>0.png") < text.index("<i>4.png"), "those said most surely come first"
    assert "The <tower> has collapsed." in text
    assert "ROC, each class against the rest" in text
    assert "Is a class right as often as it is sure? (ECE " in text
    assert "Training loss, while the model was trained" in text
    assert "Validation score, while the model was trained" in text
    assert "Numbers" not in text and "Every image" not in text
    assert reader.tags.count("polyline") >= 6


def test_two_classes_have_one_roc_curve_and_no_class_has_none() -> None:
    names = ("benign", "malignant")
    cases = tuple(ClassScores(names[i % 2], (0.5 - i / 40, 0.5 + i / 40), str(i), input=str(i)) for i in range(20))
    page = report_page(without_masks([0.1] * 20), ReportFacts(classes=ClassFacts(names, "trained", cases)))
    assert "ROC, malignant against the rest" in page
    only = tuple(case for case in cases if case.class_name == "benign")
    assert "ROC" not in report_page(without_masks([0.1]), ReportFacts(classes=ClassFacts(names, "trained", only)))


def test_the_page_of_masks_has_its_curves_and_intervals_first() -> None:
    text = " ".join(read(report_page(evaluated(), replace(FACTS, epochs=classified().epochs))).text.split())
    for title in ("Dice, images with a lesion", "Share of them that reach a Dice", "Dice by class, all images"):
        assert title in text
    assert text.index("images without a lesion left empty") < text.index("What went wrong") < text.index("Curves")
    assert "Is the object there as often as presence says?" in text
    assert "Dice that quality predicts, and that was reached" in text
    assert "(rank correlation, Spearman)" in text
    low, high = evaluated().summary.lesion_found_ci95 or (0.0, 0.0)
    assert f"{100 * low:.1f} % to {100 * high:.1f} %" in text


def test_report_json_has_intervals_of_the_shares() -> None:
    document = report.report_document(evaluated(), FACTS)
    assert document["empty_correct_ci95"][0] < document["empty_correct"] <= document["empty_correct_ci95"][1]
    assert document["lesion_found_ci95"][0] < document["lesion_found"] <= document["lesion_found_ci95"][1]
    assert report.report_document(evaluate_masks([Case("a", EMPTY, EMPTY)]), FACTS)["lesion_found_ci95"] is None


def test_report_json_says_whether_it_knows_when_it_is_wrong() -> None:
    found = report.report_document(evaluated(), FACTS)["calibration"]
    assert found["presence_auc"] == 1.0
    assert found["presence_auc_ci95"] == [1.0, 1.0]
    assert found["quality_spearman"] == 0.0, "the same quality everywhere puts nothing in order"
    assert found["quality_spearman_ci95"] is None


def test_report_json_has_the_worst_outlines_and_no_picture() -> None:
    evaluation = evaluated()
    worst = report.report_document(evaluation, FACTS)["worst"]
    assert [case["input"] for case in worst] == [s.score.input for s in evaluation.shown if s.rank == "worst"]
    missed = next(case for case in worst if not case["pred"])
    assert (missed["rows"], missed["columns"], missed["dice"]) == (60, 80, 0.0)
    assert sorted(missed["truth"].strip("MZ").split("L")) == ["20 20", "20 40", "40 20", "40 40"]
    assert "data:" not in json.dumps(worst)


@pytest.mark.parametrize("truth", [True, False])
@pytest.mark.parametrize("pred", [True, False])
def test_a_single_image_makes_a_report(tmp_path: Path, truth: bool, pred: bool) -> None:
    whole = np.ones((8, 9), dtype=np.bool_)
    evaluation = evaluate_masks([Case("a.png", whole & truth, whole & pred)])
    write_report(tmp_path, evaluation, ReportFacts())
    read((tmp_path / "report.html").read_text(encoding="utf-8"))
    json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))


def test_many_images_do_not_swell_the_page() -> None:
    page = report_page(evaluated(700), FACTS)
    assert "The first 500 of 700" in page


def test_what_fails_while_it_is_prepared_leaves_the_old_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_report(tmp_path, evaluated(), FACTS)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def broken(*_: object) -> str:
        raise UsassistError("no")

    monkeypatch.setattr(report, "per_image_table", broken)
    with pytest.raises(UsassistError):
        write_report(tmp_path, evaluated(12), FACTS)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_same_evaluation_gives_the_same_files(tmp_path: Path) -> None:
    write_report(tmp_path / "a", evaluated(), FACTS)
    write_report(tmp_path / "b", evaluated(), FACTS)
    for name in ("report.json", "report.html", "per_image.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsassistError, match="file"):
        write_report(tmp_path / "file" / "out", evaluated(2), FACTS)


def test_a_file_of_somebody_else_is_not_taken_for_an_earlier_reports(tmp_path: Path) -> None:
    (tmp_path / "similarities.csv").write_text("mine")
    write_report(tmp_path, evaluated(3), FACTS)
    assert (tmp_path / "similarities.csv").read_text() == "mine", "no report lay here before"
    write_report(tmp_path, evaluated(3), FACTS)
    assert not (tmp_path / "similarities.csv").exists()
