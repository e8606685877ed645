"""`usassist info` says what files declare, and lists what it cannot read."""

import json
from pathlib import Path

import numpy as np
import pytest

from usassist.core.cli.main import main
from usassist.core.geometry.cv import cv2


def written(path: Path, shape: tuple[int, ...] = (12, 20)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.zeros(shape, dtype=np.uint8))
    return path


def test_a_still(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path / "a.png")
    assert main(["info", str(tmp_path / "a.png"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    item = document["items"][0]
    assert (document["files"], document["frames"], document["failed"]) == (1, 1, [])
    assert (item["input"], item["frames"], item["rows"], item["columns"]) == ("a.png", 1, 12, 20)
    assert (item["spacing_mm"], item["frame_time_ms"], item["regions"]) == (None, None, [])


def test_the_sample_cine_declares_its_calibration(sample_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(sample_dir / "images" / "breast_cine.dcm"), "--json"]) == 0
    item = json.loads(capsys.readouterr().out)["items"][0]
    assert (item["frames"], item["modality"], item["frame_time_ms"]) == (60, "US", 50.0)
    assert item["regions"][0]["kind"] == "b_mode"
    assert item["regions"][0]["spacing_mm"] == pytest.approx([0.225, 0.225])


def test_a_table_for_people(sample_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(sample_dir / "images" / "breast_cine.dcm")]) == 0
    header, line, total = capsys.readouterr().out.splitlines()
    assert header.startswith("file ")
    assert "0.225 x 0.225 mm" in line
    assert "50.0 ms" in line
    assert total == "1 file, 60 frames"


def test_what_cannot_be_read_is_listed_and_the_rest_is_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path / "good.png")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.dcm").write_text("not a DICOM file", encoding="utf-8")
    assert main(["info", str(tmp_path), "--json"]) == 3
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert [item["input"] for item in document["items"]] == ["good.png"]
    assert sorted(item["input"] for item in document["failed"]) == ["empty.png", "text.dcm"]
    assert all(item["reason"] for item in document["failed"])
    assert len(err.splitlines()) == 2


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_nothing_readable_is_1(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["info", str(tmp_path / name)]) == 1
    assert capsys.readouterr().err


@pytest.mark.data
def test_every_real_dicom_file_is_described(data_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(data_root / "dicom"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["files"] == sum(path.suffix == ".dcm" for path in (data_root / "dicom").rglob("*"))
    by_name = {item["input"]: item for item in document["items"]}
    cine = by_name["pydicom_examples_ybr_color.dcm"]
    assert (cine["frames"], cine["frame_time_ms"]) == (30, pytest.approx(33.3, abs=0.1))
