"""`usassist evaluate` scores an engine, or a folder of masks, and never tells the engine the answer."""

import contextlib
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from usassist.core.cli.engine import Engine
from usassist.core.cli.harness import evaluate_examples
from usassist.core.cli.main import main
from usassist.core.data.dataset import load
from usassist.core.domain import Frame, Mask, Prompt, Proposal
from usassist.core.evaluation.judges import PresenceJudge
from usassist.core.evaluation.report import report_document
from usassist.core.evaluation.zero_shot import PromptSet
from usassist.core.geometry.cv import cv2
from usassist.core.models.config import EncoderConfig, ModelConfig

SHAPE = (16, 24)


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), array)


def square_truth(shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """Return the mask that the square engine finds in a grey frame."""
    mask = np.zeros(shape, np.uint8)
    mask[shape[0] // 4 : shape[0] // 2, shape[1] // 4 : shape[1] // 2] = 255
    return mask


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Return a dataset of four: found exactly, missed, invented, and rightly found empty."""
    root = tmp_path / "set"
    frames = {"hit": (100, True), "missed": (0, True), "invented": (100, False), "empty": (0, False)}
    for name, (value, has_lesion) in frames.items():
        save(root / "images" / f"{name}.png", np.full(SHAPE, value, np.uint8))
        save(root / "masks" / f"{name}.png", square_truth() if has_lesion else np.zeros(SHAPE, np.uint8))
    rows = ["file,class,split,caption", *(f"{name}.png,malignant,test,a secret" for name in frames)]
    (root / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
    return root


def evaluate(dataset: Path, out: Path, *options: str) -> tuple[int, dict[str, Any]]:
    status = main(["evaluate", "--data", str(dataset), "--engine", "square", "--out", str(out), *options])
    return status, json.loads((out / "report.json").read_text(encoding="utf-8"))


def test_the_report_counts_as_the_contract_says(dataset: Path, tmp_path: Path, square: Any) -> None:
    status, report = evaluate(dataset, tmp_path / "out", "--split", "test")
    assert status == 0
    assert (report["n"], report["n_empty_truth"], report["n_degenerate"]) == (4, 2, 2)
    assert report["dice"]["mean"] == pytest.approx(0.5)
    assert report["dice_lesion"]["mean"] == pytest.approx(0.5)
    assert (report["empty_correct"], report["lesion_found"]) == (0.5, 0.5)
    assert (report["engine"], report["model"], report["prompt"], report["classification"]) == (
        "square",
        None,
        None,
        None,
    )
    assert square.asked == [Prompt("lesion")] * 4
    assert (tmp_path / "out" / "report.html").is_file()


@pytest.mark.usefixtures("square")
def test_one_line_an_image(dataset: Path, tmp_path: Path) -> None:
    evaluate(dataset, tmp_path / "out")
    with (tmp_path / "out" / "per_image.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["input"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"hit.png", "missed.png", "invented.png", "empty.png"}
    assert float(rows["missed.png"]["hd95_px"]) == pytest.approx(np.hypot(*SHAPE), abs=1.5)
    assert (rows["hit.png"]["dice"], rows["hit.png"]["class"]) == ("1.000000", "malignant")


@pytest.mark.usefixtures("square")
@pytest.mark.parametrize("known", [False, True])
def test_millimetres_are_printed_where_the_spacing_is_known(
    dataset: Path, tmp_path: Path, known: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    if known:
        table = dataset / "labels.csv"
        head, *rows = table.read_text("utf-8").splitlines()
        lines = [f"{head},spacing_row_mm,spacing_col_mm", *(f"{row},0.2,0.2" for row in rows)]
        table.write_text("\n".join(lines), encoding="utf-8")
    evaluate(dataset, tmp_path / "out")
    printed = capsys.readouterr().out
    assert "hd95_px" in printed
    assert all((name in printed) == known for name in ("hd95_mm", "assd_mm", "nsd_1mm"))


def test_a_prompt_is_the_one_that_was_given(dataset: Path, tmp_path: Path, square: Any) -> None:
    _, report = evaluate(dataset, tmp_path / "out", "--prompt", "a breast lesion")
    assert report["prompt"] == "a breast lesion"
    assert {prompt.text for prompt in square.asked} == {"a breast lesion"}


@pytest.mark.usefixtures("square")
def test_classes_are_told_apart_by_their_prompts(dataset: Path, tmp_path: Path) -> None:
    labels = dataset / "labels.csv"
    labels.write_text(labels.read_text(encoding="utf-8").replace("missed.png,malignant", "missed.png,benign"))
    _, report = evaluate(dataset, tmp_path / "out", "--classes", "benign=a cyst", "malignant=a cancer")
    assert report["classification"]["n"] == {"benign": 1, "malignant": 3}
    assert report["classification"]["auc"] == pytest.approx(0.5)


@pytest.mark.usefixtures("square")
def test_a_mask_of_another_size_is_a_failure_that_names_both(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(dataset / "masks" / "hit.png", square_truth((8, 8)))
    status, report = evaluate(dataset, tmp_path / "out")
    assert (status, report["n"]) == (3, 3)
    said = capsys.readouterr().err
    assert "hit.png" in said
    assert "8 x 8" in said
    assert "16 x 24" in said


@pytest.mark.usefixtures("square")
def test_a_split_that_does_not_exist_is_1_and_names_those_that_do(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(
        ["evaluate", "--data", str(dataset), "--split", "val", "--engine", "square", "--out", str(tmp_path / "out")]
    )
    assert status == 1
    assert "it has test" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("provenance", "looks"),
    [
        ({"data": ["other", "set"]}, False),
        ({"data": ["set"], "near_duplicates": {"setting": "off"}}, False),
        ({"data": ["set"], "near_duplicates": {"setting": "join", "pairs": 3}}, True),
        ({"data": ["set"], "near_duplicates": {"setting": "drop"}}, True),
        ({"data": ["other"]}, True),  # the shipped model beside one that was trained here: one val for both
        ({"data": ["other"], "near_duplicates": {"setting": "off"}}, True),
        ({"family": "CLIP"}, True),
        (None, True),
    ],
)
def test_a_project_is_divided_as_the_model_was_trained(
    dataset: Path, tmp_path: Path, square: Any, monkeypatch: pytest.MonkeyPatch, *, provenance: Any, looks: bool
) -> None:
    """Its val is what that training validated on, not what another one would."""
    from usassist.core.cli import evaluate as command

    config = None
    if provenance is not None:
        config = ModelConfig("m", "M", EncoderConfig("usassist-lite0", (0, 1)), provenance=provenance)
    built, asked = Engine(square, "square", None, "cpu", "ab", config=config), []

    def recorded(path: Path, *, split: str, near_duplicates: bool) -> Any:
        asked.append(near_duplicates)
        return load(path, split=split)

    monkeypatch.setattr(command, "engine", lambda _arguments: contextlib.nullcontext(built))
    monkeypatch.setattr(command, "load", recorded)
    assert evaluate(dataset, tmp_path / "out", "--split", "test")[0] == 0
    assert asked == [looks]


@pytest.mark.usefixtures("square")
def test_what_propose_wrote_scores_as_the_engine_does(dataset: Path, tmp_path: Path) -> None:
    _, engine = evaluate(dataset, tmp_path / "engine")
    main(["propose", str(dataset / "images"), "--engine", "square", "--out", str(tmp_path / "masks")])
    arguments = [
        "--pred",
        str(tmp_path / "masks"),
        "--truth",
        str(dataset / "masks"),
        "--out",
        str(tmp_path / "folders"),
    ]
    assert main(["evaluate", *arguments]) == 0
    folders = json.loads((tmp_path / "folders" / "report.json").read_text(encoding="utf-8"))
    for name in ("n", "dice", "dice_lesion", "hd95_px", "engine", "weights_hash", "empty_correct"):
        assert folders[name] == engine[name]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--out", "o"],
        ["--pred", "p", "--out", "o"],
        ["--data", "d", "--truth", "t", "--out", "o"],
        ["--data", "d", "--pred", "p", "--out", "o"],
        ["--pred", "p", "--truth", "t", "--model", "m", "--out", "o"],
        ["--data", "d", "--classes", "benign", "--out", "o"],
        ["--pred", "p", "--truth", "t", "--marks", "remove", "--out", "o"],
        ["--data", "d", "--marks", "blur", "--out", "o"],
    ],
)
def test_wrong_usage_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status = main(["evaluate", *arguments])
    except SystemExit as stop:
        status = int(stop.code or 0)
    assert status == 2
    assert capsys.readouterr().err


class Tissues:
    """An engine that tells two objects apart, and takes the left half for one and the right quarter for the other."""

    weights_hash = "ab"

    def propose(self, frame: Frame, prompt: Prompt) -> tuple[Proposal, ...]:
        left, right = np.zeros((2, *frame.shape), dtype=np.bool_)
        left[:, : frame.shape[1] // 2] = True
        right[:, 3 * frame.shape[1] // 4 :] = True
        return tuple(
            Proposal(frame.ref.key, name, Mask.from_array(mask), 0.9, 0.8, "tissues", "ab", prompt, 0.01)
            for name, mask in (("nerve", left), ("artery", right))
        )


def test_each_object_of_an_index_mask_has_a_line_of_its_own(tmp_path: Path) -> None:
    index = np.zeros(SHAPE, np.uint8)
    index[:, :12] = 1
    index[:, 12:] = 2
    save(tmp_path / "two" / "images" / "a.png", np.full(SHAPE, 90, np.uint8))
    save(tmp_path / "two" / "masks" / "a.png", index)
    save(tmp_path / "two" / "images" / "b.png", np.full(SHAPE, 90, np.uint8))
    save(tmp_path / "two" / "masks" / "b.png", np.minimum(index, 1) * (index == 1))
    (tmp_path / "two" / "classes.csv").write_text("value,name\n1,nerve\n2,artery\n", encoding="utf-8")
    config = ModelConfig("m", "M", EncoderConfig("usassist-lite0", (0, 1)), classes=("nerve", "artery"))
    built = Engine(Tissues(), "tissues", "m", "cpu", "ab", config)
    evaluation, _ = evaluate_examples(built, load(tmp_path / "two"))
    found = {(score.input, score.class_name): (score.dice, score.empty_truth) for score in evaluation.scores}
    assert found == {
        ("a.png", "nerve"): (1.0, False),
        ("a.png", "artery"): (pytest.approx(2 / 3), False),
        ("b.png", "nerve"): (1.0, False),
        ("b.png", "artery"): (0.0, True),
    }
    one, _ = evaluate_examples(built, load(tmp_path / "two"), prompt="Nerve")
    assert {score.class_name for score in one.scores} == {"nerve"}


def test_N17_an_earlier_report_on_the_same_images_is_compared_to(
    dataset: Path, tmp_path: Path, square: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate(dataset, tmp_path / "before")
    _, report = evaluate(dataset, tmp_path / "now", "--against", str(tmp_path / "before"))
    assert report["against"]["dice"] == {"mean": 0.0, "ci95": [0.0, 0.0], "p": 1.0, "n": 4, "groups": 4}
    assert "Against before" in (tmp_path / "now" / "report.html").read_text(encoding="utf-8")
    (dataset / "labels.csv").unlink()
    words = ["evaluate", "--data", str(dataset), "--engine", "square", "--out", str(tmp_path / "o")]
    assert main([*words, "--against", str(tmp_path / "before")]) == 1
    assert "different images" in capsys.readouterr().err
    assert main([*words, "--against", str(tmp_path)]) == 1
    assert "cannot be read" in capsys.readouterr().err


class Witness:
    """An engine that finds nothing and remembers what it was shown, for masks and for classes."""

    weights_hash = "ab"

    def __init__(self) -> None:
        self.shown: list[np.ndarray] = []

    def propose(self, frame: Frame, prompt: Prompt) -> tuple[Proposal, ...]:
        self.shown.append(frame.pixels)
        return ()


@pytest.mark.parametrize("marks", ["keep", "remove", "add"])
def test_P_N11_the_engine_sees_frames_with_marks_kept_removed_or_added(tmp_path: Path, marks: Any) -> None:
    grey = np.full((120, 160), 60, np.uint8)
    cv2.drawMarker(grey, (50, 60), 230, cv2.MARKER_CROSS, 11)
    save(tmp_path / "images" / "crossed.png", grey)
    save(tmp_path / "masks" / "crossed.png", square_truth(grey.shape))
    (tmp_path / "labels.csv").write_text("file,class,split\ncrossed.png,benign,test\n", encoding="utf-8")
    witness = Witness()
    judge = PresenceJudge(witness, PromptSet.of({"benign": ["a cyst"], "malignant": ["a mass"]}), "lesion")
    built = Engine(witness, "witness", None, "cpu", "ab")
    evaluation, facts = evaluate_examples(built, load(tmp_path), judge=judge, marks=marks, quiet=True)
    assert facts.marks == report_document(evaluation, facts)["marks"] == marks
    assert evaluation.scores[0].empty_truth is False
    assert len(witness.shown) == 3
    changed = {
        "keep": lambda pixels: np.array_equal(pixels, grey),
        "remove": lambda pixels: pixels.max() < 100,
        "add": lambda pixels: (pixels > 100).sum() > (grey > 100).sum(),
    }[marks]
    assert all(changed(pixels) for pixels in witness.shown)


def test_P_N11_a_report_says_that_marks_were_removed_and_can_be_compared(
    dataset: Path, tmp_path: Path, square: Any
) -> None:
    evaluate(dataset, tmp_path / "kept")
    _, report = evaluate(dataset, tmp_path / "out", "--marks", "remove", "--against", str(tmp_path / "kept"))
    assert report["marks"] == "remove"
    assert report["against"]["dice"]["n"] == 4
    assert "are filled in" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
