import cv2
import numpy as np
import pytest

from usassist.core.data.dataset import load
from usassist.core.data.leakage import find_leakage, leakage_document
from usassist.core.data.near_duplicates import NearPair


def _recording(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    fine, coarse = (
        cv2.GaussianBlur(rng.standard_normal((180, 240)).astype(np.float32), (0, 0), reach) for reach in (2, 12)
    )
    return np.clip(110 + 60 * coarse / coarse.std() + 30 * fine / fine.std(), 0, 255).astype(np.uint8)


def _dataset(root, pictures: dict[str, np.ndarray], labels: str = ""):
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for name, picture in pictures.items():
        cv2.imwrite(str(root / "images" / f"{name}.png"), picture)
        cv2.imwrite(str(root / "masks" / f"{name}.png"), (picture > 240).astype(np.uint8) * 255)
    if labels:
        (root / "labels.csv").write_text(labels)
    return root


@pytest.fixture
def planted(tmp_path):
    """A clean dataset of eight recordings, with one of everything that can leak planted in it."""
    pictures = {f"r{n}": _recording(n) for n in range(8)}
    pictures["copy_of_r0"] = pictures["r0"]  # the same bytes
    pictures["near_r1"] = np.ascontiguousarray(pictures["r1"][6:, 6:])  # cropped, saved under another name
    labels = """file,class,split,patient,dup_group,label_conflict
r0.png,benign,train,p0,,0
r1.png,benign,train,p1,,0
r2.png,benign,train,p2,g1,1
r3.png,malignant,test,p3,g1,1
r4.png,benign,train,p4,,0
r5.png,malignant,val,p5,,0
r6.png,normal,train,,,0
r7.png,normal,test,p4,,0
copy_of_r0.png,benign,val,p6,,0
near_r1.png,malignant,test,p7,,0
"""
    return _dataset(tmp_path / "planted", pictures, labels)


def test_p_n10_a_planted_duplicate_across_splits_is_flagged(planted) -> None:
    report = find_leakage(load(planted))
    (pair,) = [twins for twins in report.crossing_twins if "planted/near_r1.png" in twins.keys]
    assert set(pair.keys) == {"planted/r1.png", "planted/near_r1.png"}
    assert set(pair.splits) == {"train", "test"}
    assert pair.disagree and not pair.declared


def test_p_n10_groups_patients_and_copies_across_splits_are_listed(planted) -> None:
    report = find_leakage(load(planted))
    groups = [crossing.members for crossing in report.crossings if crossing.kind == "group"]
    assert {"train": ("planted/r2.png",), "test": ("planted/r3.png",)} in groups  # one dup_group
    assert {"train": ("planted/r4.png",), "test": ("planted/r7.png",)} in groups  # one patient
    files = [crossing.members for crossing in report.crossings if crossing.kind == "same file"]
    assert files == [{"val": ("planted/copy_of_r0.png",), "train": ("planted/r0.png",)}]
    assert report.conflicts == ("planted/r2.png", "planted/r3.png")
    assert report.patients == 8 and report.without_patient == 1
    assert "1 images name no patient" in report.patient_note
    assert report.counts["train"] == {"benign": 4, "normal": 1}


def test_p_n10_without_a_patient_column_each_group_is_a_patient_and_the_report_says_so(tmp_path) -> None:
    labels = "file,split,dup_group\na.png,train,\nb.png,test,\nc.png,test,g\n"
    report = find_leakage(load(_dataset(tmp_path / "d", {n: _recording(ord(n)) for n in "abc"}, labels)))
    assert report.groups == 3 and report.patients is None  # a blank dup_group is a group of its own
    assert "each group stands for a patient" in leakage_document(report)["patient_note"]
    assert leakage_document(report)["leaks"] == {"groups": 0, "same_file": 0, "near_duplicates": 0}


def test_near_duplicates_that_are_known_are_not_looked_for_again(planted) -> None:
    examples = load(planted)
    (planted / "images" / "r0.png").write_bytes(b"no image")  # nothing is read
    report = find_leakage(examples, twins=[NearPair(0, 1, 0.7)])
    assert [pair.keys for pair in report.twins] == [(examples[0].key, examples[1].key)] and report.failed == ()


def test_the_frames_of_one_cine_are_no_leak(sample_dir) -> None:
    report = find_leakage(load(sample_dir)[:6])
    assert report.twins == () and report.crossings == ()


@pytest.mark.data
def test_p_n10_busi_has_near_duplicates_across_its_published_splits(data_root) -> None:
    """All four were looked at: the same pictures, cropped otherwise, that the dataset's dup_group does not know.

    They are all that the whole of BUSI gives; every sixth image beside them keeps the test short.
    """
    expected = {
        ("busi/benign_214.png", "busi/benign_260.png"),
        ("busi/benign_214.png", "busi/benign_281.png"),
        ("busi/normal_029.png", "busi/normal_123.png"),
        ("busi/benign_062.png", "busi/benign_140.png"),
    }
    named = {key for pair in expected for key in pair}
    chosen = [e for n, e in enumerate(load(data_root / "busi")) if n % 6 == 0 or e.key in named]
    assert {twins.keys for twins in find_leakage(chosen).crossing_twins} == expected
