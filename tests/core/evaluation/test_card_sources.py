"""What a card reads, and what it refuses."""

import json
from pathlib import Path

import pytest

from tests.core.evaluation.cards import HASH, report, write
from usassist.core.captions.vocabulary import load_vocabulary
from usassist.core.errors import UsassistError
from usassist.core.evaluation.card_sources import read_card_report, read_terms


def test_a_report_comes_back_with_its_intervals(tmp_path: Path) -> None:
    found = report(tmp_path)
    document = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert (found.name, found.prompt, found.weights_hash, found.n, found.n_empty_truth) == (
        "busi test",
        None,
        HASH,
        30,
        6,
    )
    assert found.spreads["dice_lesion"].mean == document["dice_lesion"]["mean"]
    assert found.spreads["hd95_px"].ci95 == tuple(document["hd95_px"]["ci95"])
    assert "hd95_mm" not in found.spreads
    assert found.estimates["empty_correct"].ci95 == tuple(document["empty_correct_ci95"])
    assert found.estimates["quality_spearman"].value == document["calibration"]["quality_spearman"]
    assert found.estimates["quality_spearman"].ci95 == tuple(document["calibration"]["quality_spearman_ci95"])
    assert [(name, spread.n) for name, spread in found.by_class] == [("benign", 24), ("normal", 6)]
    assert len(found.lines) == 30
    assert {line.input for line in found.lines} >= {name for name, _ in found.worst}


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        (None, "what is there"),
        ("a breast lesion", "what is there"),
        ("BENIGN TUMOURS", "what is there"),
        ("fetal head", "something else"),
    ],
)
def test_a_prompt_is_right_where_it_names_what_is_shown(tmp_path: Path, text: str | None, asked: str) -> None:
    assert report(tmp_path, prompt=text).asked(read_terms()) == asked


def test_of_other_peoples_data_nobody_knows(tmp_path: Path) -> None:
    assert report(tmp_path, data="clinic", prompt="breast lesion").asked(read_terms()) == "not known"


@pytest.mark.parametrize(
    ("field", "value"), [("n", "many"), ("calibration", None), ("dice", {"mean": 0.5}), ("worst", [{"input": "a"}])]
)
def test_a_damaged_report_is_refused(tmp_path: Path, field: str, value: object) -> None:
    write(tmp_path)
    path = tmp_path / "report.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | {field: value}), encoding="utf-8")
    with pytest.raises(UsassistError, match="evaluate --data` again"):
        read_card_report(tmp_path)


def test_an_outline_that_is_none_never_reaches_a_figure(tmp_path: Path) -> None:
    write(tmp_path)
    path = tmp_path / "report.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document["worst"][0]["pred"] = '"/><script>1</script>'
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(UsassistError, match="an outline that is none"):
        read_card_report(tmp_path)


@pytest.mark.parametrize(("name", "value"), [("rows", 0), ("columns", -4)])
def test_a_case_without_a_pixel_never_reaches_a_figure(tmp_path: Path, name: str, value: int) -> None:
    write(tmp_path)
    path = tmp_path / "report.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document["worst"][0][name] = value
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(UsassistError, match=rf"{value}.* pixels\); run `usassist evaluate"):
        read_card_report(tmp_path)


def test_a_report_of_an_earlier_version_lacks_what_it_did_not_say(tmp_path: Path) -> None:
    write(tmp_path)
    path = tmp_path / "report.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    del document["worst"], document["calibration"]["quality_spearman"], document["calibration"]["presence_auc_ci95"]
    path.write_text(json.dumps(document), encoding="utf-8")
    found = read_card_report(tmp_path)
    assert not found.worst
    assert "quality_spearman" not in found.estimates
    assert found.estimates["presence_auc"].ci95 is None


@pytest.mark.parametrize(("marks", "name"), [("keep", "busi test"), ("remove", "busi test, marks filled in")])
def test_the_setting_of_marks_is_part_of_the_label(tmp_path: Path, marks: str, name: str) -> None:
    assert report(tmp_path, marks=marks).label == name


def test_an_unknown_setting_of_marks_is_refused(tmp_path: Path) -> None:
    write(tmp_path, marks="blurred")
    with pytest.raises(UsassistError, match="the setting of marks 'blurred'"):
        read_card_report(tmp_path)


@pytest.mark.parametrize(
    ("judge", "options"),
    [
        ({"by": "similarity", "ensemble": "breast-named"}, "--ensemble breast-named"),
        (
            {"by": "presence", "ensemble": "breast", "calibrated_on": 40},
            "--ensemble breast --classify-by presence --calibrate",
        ),
        ({"by": "similarity", "prompts": {"a": ["it's", "b"]}}, """--classes 'a=it'"'"'s' a=b"""),
        ({"by": "trained", "prompts": None}, ""),
        (None, ""),
    ],
)
def test_the_command_names_the_classes_as_they_were_asked(
    tmp_path: Path, judge: dict[str, object] | None, options: str
) -> None:
    write(tmp_path)
    path = tmp_path / "report.json"
    if judge is not None and "ensemble" in judge:
        ensemble = load_vocabulary().ensemble(str(judge.pop("ensemble")))
        judge["prompts"] = {name: list(texts) for name, texts in ensemble.classes.items()}
    document = json.loads(path.read_text(encoding="utf-8")) | {"class_judge": judge}
    path.write_text(json.dumps(document), encoding="utf-8")
    assert read_card_report(tmp_path).class_options == options


def test_every_dataset_of_the_shipped_terms_has_a_citation() -> None:
    known = read_terms()
    assert {"busi", "breast", "hc18", "carotid_mini", "buscot_mini"} <= known.data.keys()
    for terms in (*known.data.values(), *known.start.values()):
        assert terms.title
        assert terms.licence
        assert terms.citation
    assert all(terms.shows and terms.words for terms in known.data.values())
    assert {terms.target for terms in known.data.values()} <= load_vocabulary().targets.keys()
    assert "doi:10.17632/d4xt63mgjm.1" in known.data["carotid_mini"].citation
