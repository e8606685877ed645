"""Classes by prompts on the command line: ensembles, repeated names, calibration, retrieval, and what is refused."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from usassist.core.captions.vocabulary import load_vocabulary
from usassist.core.cli.class_options import named_prompts
from usassist.core.cli.main import main
from usassist.core.geometry.cv import cv2

CLASSES = ("dark=a dark mass", "dark=a dark round mass", "bright=a bright mass")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Return 36 images of two classes, dark and bright discs: 12 train, 12 val, 12 test."""
    root = tmp_path / "set"
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows = ["file,class,split,caption"]
    for index in range(36):
        name, split = f"i{index:02d}.png", ("train", "val", "test")[index // 12]
        image = rng.integers(60, 120, (32, 32), dtype=np.uint8)
        place = (int(rng.integers(10, 22)), int(rng.integers(10, 22)))
        cv2.circle(image, place, 6, 10 if index % 2 else 220, -1)
        mask = cv2.circle(np.zeros((32, 32), np.uint8), place, 6, 255, -1)
        cv2.imwrite(str(root / "images" / name), image)
        cv2.imwrite(str(root / "masks" / name), mask)
        kind = "dark" if index % 2 else "bright"
        rows.append(f"{name},{kind},{split},a {kind} round mass at the {'left' if index % 3 else 'right'}")
    (root / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
    return root


def evaluate(dataset: Path, model: Path, out: Path, *options: str, split: str = "test") -> dict[str, Any]:
    arguments = [
        "evaluate",
        "--data",
        str(dataset),
        "--model",
        str(model),
        "--split",
        split,
        "--out",
        str(out),
        *options,
    ]
    assert main(arguments) == 0
    found: dict[str, Any] = json.loads((out / "report.json").read_text(encoding="utf-8"))
    return found


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_N11_towers_alone_name_classes_by_prompts_and_keep_every_similarity(
    dataset: Path, tiny_towers: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    report = evaluate(dataset, tiny_towers, out, "--classes", *CLASSES)
    assert report["n"] == 12
    assert (report["dice"]["mean"], report["hd95_mm"], report["empty_correct"]) == (None, None, None)
    assert report["classification"]["n"] == {"dark": 6, "bright": 6}
    assert set(report["classification"]) >= {"auc", "ci95", "accuracy", "f1", "precision", "recall", "by_class", "ece"}
    judge = report["class_judge"]
    assert (judge["by"], judge["classes"]) == ("similarity", ["dark", "bright"])
    assert judge["prompts"] == {"dark": ["a dark mass", "a dark round mass"], "bright": ["a bright mass"]}
    similarities = rows(out / "similarities.csv")
    assert len(similarities) == 12 * 3
    assert all(-1 <= float(row["score"]) <= 1 for row in similarities)
    images = rows(out / "per_image.csv")
    assert len(images) == 12
    for row in images:
        dark, bright = float(row["p_dark"]), float(row["p_bright"])
        assert dark + bright == pytest.approx(1, abs=1e-5)
        assert row["predicted"] == ("dark" if dark > bright else "bright")
        assert (row["dice"], row["empty_truth"]) == ("", "")
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "a dark round mass" in page


def test_N11_other_prompts_give_other_probabilities(dataset: Path, tiny_towers: Path, tmp_path: Path) -> None:
    evaluate(dataset, tiny_towers, tmp_path / "one", "--classes", *CLASSES)
    evaluate(dataset, tiny_towers, tmp_path / "two", "--classes", "dark=a long mass", "bright=a square left")
    one, two = (rows(tmp_path / name / "per_image.csv") for name in ("one", "two"))
    assert [row["p_dark"] for row in one] != [row["p_dark"] for row in two]


def test_P_N10_only_the_split_asked_for_is_read_and_no_label_is_an_input(
    dataset: Path, tiny_towers: Path, tmp_path: Path
) -> None:
    before = rows_of_run(dataset, tiny_towers, tmp_path / "before")
    labels = dataset / "labels.csv"
    swapped = labels.read_text(encoding="utf-8").replace(",dark,", ",other,").replace(",bright,", ",dark,")
    labels.write_text(swapped.replace("a dark round", "a bright long"), encoding="utf-8")
    for index in range(24):  # train and val
        (dataset / "images" / f"i{index:02d}.png").write_bytes(b"broken")
    for path in (dataset / "masks").glob("*.png"):
        cv2.imwrite(str(path), np.zeros((32, 32), np.uint8))
    after = rows_of_run(dataset, tiny_towers, tmp_path / "after")
    assert len(before) == len(after) == 12
    assert [row["p_dark"] for row in before] == [row["p_dark"] for row in after]


def rows_of_run(dataset: Path, model: Path, out: Path) -> list[dict[str, str]]:
    evaluate(dataset, model, out, "--classes", *CLASSES)
    return rows(out / "per_image.csv")


def test_a_temperature_is_fitted_on_val_only(
    dataset: Path, tiny_towers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = evaluate(dataset, tiny_towers, tmp_path / "plain", "--classes", *CLASSES)
    cooled = evaluate(dataset, tiny_towers, tmp_path / "cooled", "--classes", *CLASSES, "--calibrate")
    assert (plain["class_judge"]["temperature"], plain["class_judge"]["calibrated_on"]) == (1.0, 0)
    assert cooled["class_judge"]["calibrated_on"] == 12
    assert cooled["class_judge"]["temperature"] != 1.0
    assert cooled["classification"]["accuracy"] == plain["classification"]["accuracy"]
    for split in ("val", "all"):
        arguments = ["evaluate", "--data", str(dataset), "--model", str(tiny_towers), "--split", split, "--calibrate"]
        assert main([*arguments, "--classes", *CLASSES, "--out", str(tmp_path / split)]) == 2
    assert "flatter" in capsys.readouterr().err


def test_N10_retrieval_is_part_of_the_report(
    dataset: Path, tiny_towers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = evaluate(dataset, tiny_towers, tmp_path / "out", "--retrieval")
    found = report["retrieval"]
    assert set(found) == {"image_to_text", "text_to_image", "rsum"}
    assert found["image_to_text"]["n"] == 12
    assert found["text_to_image"]["n"] == 4
    assert (found["image_to_text"]["candidates"], found["text_to_image"]["candidates"]) == (4, 12)
    assert found["image_to_text"]["chance"] == {"r1": 0.25, "r5": 1.0, "r10": 1.0}
    said = capsys.readouterr().out
    assert "image to text R@1 " in said and "(chance 0.2500)" in said and "n 12 among 4" in said
    medians = [found[side]["median_rank"] for side in ("image_to_text", "text_to_image")]
    assert all(f"MedR {rank:g} " in said for rank in medians) and f"rSum          {found['rsum']:.1f} of 600" in said
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<th>Candidates</th>" in page and "chance 0.250" in page
    assert 0 <= found["image_to_text"]["r1"] <= found["image_to_text"]["r5"] == found["image_to_text"]["r10"] == 1
    assert report["classification"] is None
    assert (tmp_path / "out" / "report.html").is_file()


def test_images_of_a_class_that_was_not_asked_for_are_counted(
    dataset: Path, tiny_towers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = dataset / "labels.csv"
    labels.write_text(
        labels.read_text(encoding="utf-8").replace("i24.png,bright", "i24.png,odd").replace("i25.png,dark", "i25.png,"),
        encoding="utf-8",
    )
    report = evaluate(dataset, tiny_towers, tmp_path / "out", "--classes", *CLASSES)
    assert report["class_judge"]["left_out"] == {"n": 2, "by_class": {"odd": 1, "": 1}}
    sentence = "2 images left out, whose class was not asked for: 1 odd, 1 without a class."
    assert sentence in capsys.readouterr().out
    assert sentence in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    report = evaluate(dataset, tiny_towers, tmp_path / "one", "--classes", "dark=a dark mass", "moon=a bright mass")
    assert (report["classification"], report["class_judge"]["left_out"]["n"]) == (None, 7)
    assert "nothing to tell apart" in capsys.readouterr().err
    assert "7 images left out" in (tmp_path / "one" / "report.html").read_text(encoding="utf-8")


def test_classes_of_which_there_is_no_image_are_an_error(
    dataset: Path, tiny_towers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", "--data", str(dataset), "--model", str(tiny_towers), "--out", str(tmp_path / "out")]
    assert main([*words, "--split", "test", "--classes", "benign=a round mass", "malignant=a long mass"]) == 1
    said = capsys.readouterr().err
    assert "expected benign, malignant; found bright (6), dark (6)" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        ((), 1, "name classes with --classes or --ensemble"),
        (("--classes", "dark=a dark mass"), 1, "at least two classes"),
        (("--classes", *CLASSES, "--classify-by", "presence"), 1, "use --classify-by similarity"),
        (("--ensemble", "moon"), 2, "There is no prompt ensemble 'moon'"),
        (("--classes", "moon=@breast"), 2, "benign, malignant"),
        (("--calibrate",), 1, "name them with --classes or --ensemble"),
    ],
)
def test_what_cannot_be_asked_is_said(options, status, said, dataset, tiny_towers, tmp_path, capsys) -> None:  # noqa: PLR0917
    arguments = ["evaluate", "--data", str(dataset), "--model", str(tiny_towers), "--split", "test", *options]
    try:
        found = main([*arguments, "--out", str(tmp_path / "out")])
    except SystemExit as stop:
        found = int(stop.code or 0)
    assert found == status
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("square")
def test_an_engine_without_towers_names_classes_by_presence_only(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["evaluate", "--data", str(dataset), "--engine", "square", "--split", "test", "--classes", *CLASSES]
    assert main([*arguments, "--out", str(tmp_path / "one")]) == 0
    report = json.loads((tmp_path / "one" / "report.json").read_text(encoding="utf-8"))
    assert report["class_judge"]["by"] == "presence"
    assert report["dice"]["mean"] is not None
    assert len(rows(tmp_path / "one" / "similarities.csv")) == 12 * 3
    assert main([*arguments, "--classify-by", "similarity", "--out", str(tmp_path / "two")]) == 1
    arguments = ["evaluate", "--data", str(dataset), "--engine", "square", "--retrieval"]
    assert main([*arguments, "--out", str(tmp_path / "three")]) == 1
    assert "compares no images with texts" in capsys.readouterr().err


def test_names_take_prompts_and_ensembles() -> None:
    breast = load_vocabulary().ensemble("breast").classes
    assert named_prompts("a = b=c ") == ("a", ("b=c",))
    assert named_prompts("benign=@breast") == ("benign", breast["benign"])
    assert named_prompts("cancer=@breast.malignant") == ("cancer", breast["malignant"])


def test_a_whole_ensemble_is_asked_and_may_be_added_to(dataset: Path, tiny_towers: Path, tmp_path: Path) -> None:
    report = evaluate(
        dataset,
        tiny_towers,
        tmp_path / "out",
        "--ensemble",
        "breast",
        "--classes",
        "benign=a round mass",
        "dark=a dark mass",
    )
    asked = report["class_judge"]["prompts"]
    assert list(asked) == ["benign", "malignant", "dark"]
    assert asked["benign"] == [*load_vocabulary().ensemble("breast").classes["benign"], "a round mass"]
    assert report["classification"] is None  # only one of the classes occurs in this data


def test_a_report_without_classes_keeps_no_similarities_of_an_earlier_one(
    dataset: Path, tiny_towers: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    evaluate(dataset, tiny_towers, out, "--classes", *CLASSES)
    (out / "notes.csv").write_text("mine")
    assert (out / "similarities.csv").is_file()
    evaluate(dataset, tiny_towers, out, "--retrieval")
    assert sorted(path.name for path in out.iterdir()) == ["notes.csv", "per_image.csv", "report.html", "report.json"]


def test_a_class_that_no_image_has_is_named(
    dataset: Path, tiny_towers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = evaluate(dataset, tiny_towers, tmp_path / "out", "--classes", *CLASSES, "cat=foo")
    warning = "No image has the class cat"
    assert warning in capsys.readouterr().err
    assert any(said.startswith(warning) for said in report["class_judge"]["warnings"])
    evaluate(dataset, tiny_towers, tmp_path / "other", "--classes", *CLASSES)
    assert "No image has" not in capsys.readouterr().err


def test_help_names_every_ensemble_and_imports_no_torch() -> None:
    code = (
        "import sys\nfrom usassist.core.cli.main import main\n"
        "try:\n    main(['evaluate', '--help'])\nexcept SystemExit:\n    print('torch' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert out[-1] == "False"
    assert ",".join(load_vocabulary().ensembles) in "".join(out), "lines break after any hyphen"
