"""`usassist data check` counts, finds what crosses the splits, and goes on where an image cannot be read."""

import json
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from usassist.core.cli.main import main


def _recording(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    fine, coarse = (
        cv2.GaussianBlur(rng.standard_normal((180, 240)).astype(np.float32), (0, 0), reach) for reach in (2, 12)
    )
    return np.clip(110 + 60 * coarse / coarse.std() + 30 * fine / fine.std(), 0, 255).astype(np.uint8)


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """A dataset in which a patient, the same bytes and a near-duplicate stand on both sides."""
    root = tmp_path / "planted"
    pictures = {f"r{n}": _recording(n) for n in range(5)}
    pictures |= {"copy_of_r0": pictures["r0"], "near_r1": np.ascontiguousarray(pictures["r1"][6:, 6:])}
    for kind in ("images", "masks"):
        (root / kind).mkdir(parents=True)
        for name, picture in pictures.items():
            stored = picture if kind == "images" else (picture > 240).astype(np.uint8) * 255
            cv2.imwrite(str(root / kind / f"{name}.png"), stored)
    rows = [
        *("r0.png,benign,train,p0,0", "r1.png,benign,train,p1,0", "r2.png,benign,train,p2,1"),
        *("r3.png,normal,test,p2,0", "r4.png,normal,val,p4,0"),
        *("copy_of_r0.png,benign,val,p5,0", "near_r1.png,malignant,test,p6,0"),
    ]
    (root / "labels.csv").write_text("\n".join(["file,class,split,patient,label_conflict", *rows]) + "\n")
    return root


def test_check_writes_and_prints_what_it_found(
    planted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "report.json"
    assert main(["data", "check", str(planted), "--out", str(out), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document == json.loads(out.read_text())
    assert document["data"] == ["planted"]
    assert document["leaks"] == {"groups": 1, "same_file": 1, "near_duplicates": 2}
    assert document["splits"]["test"] == {"images": 2, "groups": 2, "classes": {"malignant": 1, "normal": 1}}
    assert document["label_conflicts_declared"] == ["planted/r2.png"]
    assert [item["images"] for item in document["label_conflicts_found"]] == [["planted/near_r1.png", "planted/r1.png"]]


def test_check_is_readable(planted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(planted)]) == 0
    printed = capsys.readouterr().out
    for expected in (
        "7 images in 6 groups. Every image names its patient.",
        "1 group in more than one split:",
        "  planted/near_r1.png (test, malignant) and planted/r1.png (train, benign)",
        "1 image with a declared label_conflict:\n  planted/r2.png",
    ):
        assert expected in printed


def test_what_is_not_there_is_one_line(planted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither splits that nobody made nor kinds of leaks that there are none of fill the screen."""
    (planted / "labels.csv").write_text("file,split\nr2.png,train\nr3.png,train\n")
    for name in ("copy_of_r0", "near_r1", "r0", "r1", "r4"):
        for kind in ("images", "masks"):
            (planted / kind / f"{name}.png").unlink()
    assert main(["data", "check", str(planted)]) == 0
    printed = capsys.readouterr().out
    assert "Nothing stands in two splits: no group, no file, no near-duplicate." in printed
    assert "0 pairs of near-duplicates.\n" in printed
    (planted / "labels.csv").unlink()
    assert main(["data", "check", str(planted)]) == 0
    printed = capsys.readouterr().out
    assert "There are no splits yet" in printed and "two splits" not in printed


def test_several_datasets_are_checked_as_one(planted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = planted.parent / "other"
    for kind in ("images", "masks"):
        (other / kind).mkdir(parents=True)
        (other / kind / "x.png").write_bytes((planted / kind / "r3.png").read_bytes())
    (other / "labels.csv").write_text("file,split\nx.png,train\n")
    assert main(["data", "check", str(planted), str(other), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {"test": ["planted/r3.png"], "train": ["other/x.png"]} in document["same_file_across"]


def test_check_lists_what_cannot_be_read_and_goes_on(
    planted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (planted / "images" / "r4.png").write_bytes(b"no image")
    assert main(["data", "check", str(planted), "--json"]) == 3
    captured = capsys.readouterr()
    assert [item["input"] for item in json.loads(captured.out)["failed"]] == ["planted/r4.png"]
    assert "planted/r4.png" in captured.err
    assert main(["data", "check", str(tmp_path / "nowhere")]) == 1
    assert main(["data", "check", str(planted), "--out", str(tmp_path)]) == 2
    with pytest.raises(SystemExit) as stop:
        main(["data"])
    assert stop.value.code == 2


@pytest.mark.parametrize("suffix", ["png", "bmp"])
def test_check_lists_masks_of_another_size_than_their_image(
    planted: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (planted / "masks" / "r4.png").unlink()
    cv2.imwrite(str(planted / "masks" / f"r4.{suffix}"), np.zeros((40, 50), np.uint8))
    assert main(["data", "check", str(planted), "--json"]) == 3
    captured = capsys.readouterr()
    (failed,) = json.loads(captured.out)["failed"]
    assert failed["input"] == "planted/r4.png"
    assert "has 40 x 50 pixels (rows x columns), its image has 180 x 240" in failed["reason"]
    assert f"r4.{suffix}" in captured.err


def test_check_says_what_a_training_does_with_a_half_filled_split_column(
    planted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (planted / "labels.csv").write_text("file,class,split\nr2.png,a,train\nr3.png,a,val\n")
    assert main(["data", "check", str(planted)]) == 0
    said = re.search(r"5 images without a split were divided here: (.+)\.", capsys.readouterr().out)
    assert said is not None and sum(map(int, re.findall(r"\d", said[1]))) == 5
    (planted / "labels.csv").write_text("file,class\nr2.png,a\n")
    assert main(["data", "check", str(planted)]) == 0
    assert "without a split" not in capsys.readouterr().out


def test_check_says_that_a_table_has_no_class_column(planted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (planted / "labels.csv").write_text("file,klass\nr2.png,benign\n")
    assert main(["data", "check", str(planted)]) == 0
    assert "planted/labels.csv has no column 'class', so no image has one; it has file, klass." in (
        capsys.readouterr().out
    )
    (planted / "labels.csv").write_text("file,class\nr2.png,benign\n")
    assert main(["data", "check", str(planted), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["notes"] == []


def test_check_starts_without_torch(planted: Path) -> None:
    """It is what people run before they have a model; loading torch would take longer than the check."""
    code = (
        "import sys; from usassist.core.cli.main import main; main(['data', 'check', sys.argv[1], '--json']); "
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(planted)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
