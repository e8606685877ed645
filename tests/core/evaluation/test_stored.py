"""A report read back from its folder."""

import json
from pathlib import Path

import numpy as np
import pytest

from usassist.core.errors import UsassistError
from usassist.core.evaluation.classification import ClassFacts, ClassScores, classify
from usassist.core.evaluation.protocol import Case
from usassist.core.evaluation.report import ReportFacts, write_report
from usassist.core.evaluation.run import evaluate_masks, without_masks
from usassist.core.evaluation.stored import read_report


def masks(folder: Path) -> None:
    full, none = np.ones((20, 30), dtype=np.bool_), np.zeros((20, 30), dtype=np.bool_)
    half = full.copy()
    half[:, 15:] = False
    cases = [
        Case("a,b.png", full, half, seconds=0.5),
        Case("c.dcm", full, none, frame=3),
        Case("normal.png", none, none),
        Case("ghost.png", none, half),
    ]
    write_report(folder, evaluate_masks(cases), ReportFacts(model="m", weights_hash="ab"))


def test_what_was_written_is_read(tmp_path: Path) -> None:
    masks(tmp_path)
    found = read_report(tmp_path)
    assert (found.model, found.weights_hash, found.seconds) == ("m", "ab", 0.5)
    assert [line.input for line in found.lines] == ["a,b.png", "c.dcm", "normal.png", "ghost.png"]
    assert found.values("dice") == {
        ("a,b.png", 0, ""): pytest.approx(2 / 3, abs=1e-6),
        ("c.dcm", 3, ""): 0.0,
        ("normal.png", 0, ""): 1.0,
        ("ghost.png", 0, ""): 0.0,
    }


def test_P_N9_an_empty_mask_has_a_value_in_every_metric_that_is_about_it(tmp_path: Path) -> None:
    masks(tmp_path)
    found = read_report(tmp_path)
    assert len(found.values("dice")) == len(found.values("hd95_px")) == len(found.values("nsd_2px")) == 4
    assert list(found.values("dice_lesion").values()) == pytest.approx([2 / 3, 0.0], abs=1e-6)
    assert list(found.values("lesion_found").values()) == [1.0, 0.0]
    assert list(found.values("empty_correct").values()) == [1.0, 0.0]
    assert found.values("hd95_px")["c.dcm", 3, ""] == pytest.approx(np.hypot(20, 30), abs=1e-6)


def test_classes_without_masks_are_read(tmp_path: Path) -> None:
    names = ("benign", "malignant")
    cases = [ClassScores(names[i % 2], (1 - i / 10, i / 10), str(i), input=f"{i}.png", seconds=0.1) for i in range(8)]
    cases.append(ClassScores("normal", (0.5, 0.5), "n", input="n.png", seconds=0.1))
    facts = ReportFacts(
        data_fingerprint="f", classification=classify(cases, names), classes=ClassFacts(names, "trained", tuple(cases))
    )
    write_report(tmp_path, without_masks([0.1] * 9), facts)
    found = read_report(tmp_path)
    assert found.lines == ()
    assert found.classes == names
    assert len(found.named) == 8
    assert found.named[3].probabilities == pytest.approx((0.7, 0.3))


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "report.json").unlink(),
        lambda folder: (folder / "per_image.csv").unlink(),
        lambda folder: (folder / "report.json").write_text("[]"),
        lambda folder: (folder / "report.json").write_text("[" * 100_000),
        lambda folder: (folder / "report.json").write_bytes(b"\xff\xfe"),
        lambda folder: (folder / "report.json").write_text(
            json.dumps({"seconds_per_image": 3, "data_fingerprint": ""})
        ),
        lambda folder: (folder / "per_image.csv").write_text("input\na.png\n"),
        lambda folder: (folder / "per_image.csv").write_text(
            (folder / "per_image.csv").read_text().replace("0.666667", "nan")
        ),
    ],
)
def test_what_is_no_report_is_a_sentence(tmp_path: Path, damage) -> None:
    masks(tmp_path)
    damage(tmp_path)
    with pytest.raises(UsassistError, match=r"report|read"):
        read_report(tmp_path)
