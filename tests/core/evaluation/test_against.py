"""An evaluation beside an earlier one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from usassist.core.errors import UsassistError
from usassist.core.evaluation.against import against, against_document
from usassist.core.evaluation.paired import paired_difference
from usassist.core.evaluation.stored import ClassLine, Line, StoredReport


def report(shift: float) -> StoredReport:
    rng = np.random.default_rng(1)
    lines = [
        Line(f"{i}.png", 0, "", float(v) + shift, v, 9.0 - shift, 2.0, 0.5, empty_truth=i == 0, empty_pred=False)
        for i, v in enumerate(rng.uniform(0.2, 0.6, 24))
    ]
    names = ("benign", "malignant")
    named = [
        ClassLine(f"{i}.png", 0, names[i % 2], (1 - p, p))
        for i, p in enumerate(np.clip([0.5 + shift * (i % 2) + rng.normal(0, 0.1) for i in range(24)], 0, 1).tolist())
    ]
    return StoredReport(Path("r"), f"m{shift}", "ab", "f", tuple(lines), 0.1, names, tuple(named))


def test_N17_two_evaluations_are_compared_image_by_image() -> None:
    before, now = report(0.0), report(0.2)
    found = against(before, now)
    assert found.model == "m0.0"
    by_key = {key: difference for key, _, difference in found.differences}
    assert list(by_key) == ["dice_lesion", "dice", "hd95_px", "nsd_2px", "auc"]
    assert by_key["dice_lesion"].mean == pytest.approx(0.2)
    assert by_key["dice_lesion"].n == 23
    assert by_key["hd95_px"].mean == pytest.approx(-0.2)
    assert by_key["nsd_2px"] == paired_difference(np.zeros(24), np.zeros(24))
    assert by_key["auc"].mean > 0.2
    assert against_document(found)["dice"]["p"] < 0.001


def test_groups_are_one_piece_of_evidence() -> None:
    groups = {(f"{i}.png", 0): i // 8 for i in range(24)}
    found = against(report(0.0), report(0.2), groups=groups)
    assert {difference.groups for _, _, difference in found.differences} == {3}
    assert found.differences[0][2].p == 0.25


def test_other_images_are_refused() -> None:
    with pytest.raises(UsassistError, match="different images"):
        against(report(0.0), replace(report(0.0), data_fingerprint="g"))
