"""Two folders of masks as cases."""

import json
from pathlib import Path

import numpy as np
import pytest

from usassist.core.domain import Mask
from usassist.core.errors import UsassistError
from usassist.core.evaluation.folders import Failure, folder_cases, folder_facts, pair_folders
from usassist.core.evaluation.run import evaluate_masks
from usassist.core.exchange.png_mask import write


def put(path: Path, *, shape: tuple[int, int] = (20, 30), left: int = 5) -> Path:
    mask = np.zeros(shape, dtype=np.bool_)
    mask[5:10, left : left + 5] = True
    write(path, Mask.from_array(mask))
    return path


@pytest.mark.parametrize(
    ("truth", "pred"),
    [
        ("a.png", "a.png"),
        ("sub/a.png", "sub/a.png"),
        ("a.bmp.png", "a.bmp.png"),
        ("clip_0000.png", "clip_0000.png"),
        ("a.png", "a.png.png"),
        ("sub/a.png", "a.png"),
        ("a.png", "sub/a.png"),
        ("a (1).png", "a (1).png"),
    ],
)
def test_pairs_by_name_and_by_stem(tmp_path: Path, truth: str, pred: str) -> None:
    put(tmp_path / "truth" / truth)
    put(tmp_path / "pred" / pred)
    pairing = pair_folders(tmp_path / "pred", tmp_path / "truth")
    assert [(pair.name, pair.pred) for pair in pairing.pairs] == [(truth, tmp_path / "pred" / pred)]
    assert (pairing.failed, pairing.unused) == ((), ())


def test_the_own_path_comes_before_the_stem(tmp_path: Path) -> None:
    for name in ("x/a.png", "y/a.png"):
        put(tmp_path / "truth" / name)
        put(tmp_path / "pred" / name)
    pairing = pair_folders(tmp_path / "pred", tmp_path / "truth")
    assert [pair.pred.parent.name for pair in pairing.pairs] == ["x", "y"]


def test_what_has_no_partner_or_too_many_is_a_failure(tmp_path: Path) -> None:
    for name in ("alone.png", "two.png", "fine.png"):
        put(tmp_path / "truth" / name)
    for name in ("x/two.png", "y/two.png", "fine.png", "extra.png"):
        put(tmp_path / "pred" / name)
    pairing = pair_folders(tmp_path / "pred", tmp_path / "truth")
    assert [pair.name for pair in pairing.pairs] == ["fine.png"]
    reasons = dict(pairing.failed)
    assert "no prediction" in reasons["alone.png"]
    assert "x/two.png, y/two.png" in reasons["two.png"]
    assert set(pairing.unused) == {"x/two.png", "y/two.png", "extra.png"}


def test_a_size_mismatch_and_a_broken_file_are_failures_with_reasons(tmp_path: Path) -> None:
    for name in ("bad.png", "cut.png", "fine.png"):
        put(tmp_path / "truth" / name)
    put(tmp_path / "pred" / "bad.png", shape=(21, 30))
    put(tmp_path / "pred" / "fine.png")
    (tmp_path / "pred" / "cut.png").write_bytes(put(tmp_path / "whole.png").read_bytes()[:40])
    failed: list[Failure] = []
    pairing = pair_folders(tmp_path / "pred", tmp_path / "truth")
    found = evaluate_masks(folder_cases(pairing, tmp_path / "pred", failed=failed))
    assert [(score.input, score.dice) for score in found.scores] == [("fine.png", 1.0)]
    reasons = dict(failed)
    assert "20 x 30" in reasons["bad.png"]
    assert "21 x 30" in reasons["bad.png"]
    assert "cut.png" in reasons["cut.png"]


def test_what_propose_wrote_comes_along(tmp_path: Path) -> None:
    truth, pred = tmp_path / "truth", tmp_path / "pred"
    put(truth / "clip_0001.png")
    put(pred / "clip_0001.png")
    item = {"input": "clip.dcm", "frame": 1, "mask": "clip_0001.png", "score": 0.5, "presence": 0.9, "seconds": 0.2}
    (pred / "proposals.json").write_text(json.dumps({"model": "m", "engine": "e", "prompt": None, "items": [item]}))
    (case,) = folder_cases(pair_folders(pred, truth), pred, failed=[])
    assert (case.score, case.presence, case.quality, case.seconds) == (0.5, 0.9, None, 0.2)
    assert (case.frame, case.group) == (1, "clip.dcm")
    facts = folder_facts(pred, truth)
    assert (facts.model, facts.engine, facts.prompt, facts.data) == ("m", "e", None, "truth")


def test_damaged_proposals_are_named(tmp_path: Path) -> None:
    put(tmp_path / "a.png")
    (tmp_path / "proposals.json").write_text('{"items": [')
    with pytest.raises(UsassistError, match=r"proposals\.json is not valid JSON"):
        folder_facts(tmp_path, tmp_path)


def test_images_beside_the_truth_are_pictures(tmp_path: Path) -> None:
    put(tmp_path / "masks" / "a.png")
    put(tmp_path / "images" / "a.png")
    put(tmp_path / "pred" / "a.png")
    pairing = pair_folders(tmp_path / "pred", tmp_path / "masks")
    (case,) = folder_cases(pairing, tmp_path / "pred", failed=[])
    assert callable(case.image)
    picture = case.image()
    assert picture is not None
    assert picture.shape == (20, 30)


def test_folders_that_are_missing_or_hold_nothing_are_named(tmp_path: Path) -> None:
    put(tmp_path / "truth" / "a.png")
    (tmp_path / "none").mkdir()
    with pytest.raises(UsassistError, match="holds no prediction mask"):
        pair_folders(tmp_path / "none", tmp_path / "truth")
    with pytest.raises(UsassistError, match="not a folder"):
        pair_folders(tmp_path / "truth", tmp_path / "gone")


@pytest.mark.data
def test_real_masks_agree_with_themselves(data_root: Path) -> None:
    masks = data_root / "busi" / "masks"
    pairing = pair_folders(masks, masks)
    failed: list[Failure] = []
    few = type(pairing)(pairing.pairs[::40], pairing.failed, pairing.unused)
    found = evaluate_masks(folder_cases(few, masks, failed=failed))
    assert failed == []
    assert {(score.dice, score.hd95_px, score.nsd_2px) for score in found.scores} == {(1.0, 0.0, 1.0)}


def test_numbers_that_are_none_are_left_out(tmp_path: Path) -> None:
    put(tmp_path / "truth" / "a.png")
    put(tmp_path / "pred" / "a.png")
    (tmp_path / "pred" / "proposals.json").write_text('{"items": [{"mask": "a.png", "score": NaN, "quality": "?"}, 3]}')
    (case,) = folder_cases(pair_folders(tmp_path / "pred", tmp_path / "truth"), tmp_path / "pred", failed=[])
    assert (case.score, case.quality, case.frame, case.group) == (None, None, 0, None)
