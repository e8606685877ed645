"""Near-duplicates never part where we divide; where the data divides it is honoured, and said."""

import json
import os
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usassist.core.data import dataset, twins
from usassist.core.data.dataset import Example, load, undeclared_twins, with_splits
from usassist.core.data.divide import divide
from usassist.core.data.folds import folds
from usassist.core.data.near_duplicates import NearPair
from usassist.core.domain import Source

_NO_FILES = Path("no such folder")


def _examples(splits: list[str], groups: list[int]) -> list[Example]:
    return [
        Example(
            f"d/{n}",
            "d",
            Source(f"k{n}", _NO_FILES / f"{n}.png", f"{n}.png", 1000 + n),
            0,
            class_name="ab"[n % 2],
            split=split,  # type: ignore[arg-type]
            group=f"d/g{group}",
        )
        for n, (split, group) in enumerate(zip(splits, groups, strict=True))
    ]


def _places(count: int) -> st.SearchStrategy[list[tuple[int, int]]]:
    place = st.integers(0, count - 1)
    return st.lists(st.tuples(place, place).filter(lambda pair: pair[0] != pair[1]), max_size=12)


def _pairs(places: list[tuple[int, int]]) -> list[NearPair]:
    return [NearPair(min(pair), max(pair), 0.8) for pair in places]


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_p_n10_pairs_never_part_also_through_others(data: st.DataObject) -> None:
    groups = data.draw(st.lists(st.integers(0, 15), min_size=24, max_size=24))
    places = data.draw(_places(24))
    examples = _examples([""] * 24, groups)
    divided = with_splits(examples, twins=_pairs(places))
    assert all(divided[one].split == divided[other].split for one, other in places)
    assert all(len({e.split for e in divided if e.group == group}) == 1 for group in {e.group for e in divided})


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_p_n10_pairs_never_part_across_folds(data: st.DataObject) -> None:
    examples = _examples(["test"] * 30, list(range(30)))
    places = data.draw(_places(30))
    parts = folds(examples, k=4, seed=0, twins=_pairs(places))
    assert sorted(e.key for part in parts for e in part if e.split == "test") == sorted(e.key for e in examples)
    for part in parts:
        assert all(part[one].split == part[other].split for one, other in places)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_p_n10_the_order_of_the_files_decides_nothing(data: st.DataObject) -> None:
    splits = data.draw(st.lists(st.sampled_from(["", "", "train", "val", "test"]), min_size=20, max_size=20))
    examples = _examples(splits, data.draw(st.lists(st.integers(0, 12), min_size=20, max_size=20)))
    pairs = _pairs(data.draw(_places(20)))
    order = data.draw(st.permutations(range(20)))
    moved = [NearPair(*sorted((order.index(pair.first), order.index(pair.second))), pair.correlation) for pair in pairs]
    shuffled = [examples[place] for place in order]
    assert _sides(with_splits(examples, twins=pairs)) == _sides(with_splits(shuffled, twins=moved))
    one, other = (
        folds(listed, k=3, seed=1, twins=twins)[0] if len({e.group for e in listed}) > 15 else []
        for listed, twins in ((examples, pairs), (shuffled, moved))
    )
    assert _sides(one) == _sides(other)


def _sides(examples: list[Example]) -> dict[str, str]:
    return {example.key: example.split for example in examples}


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_p_n10_declared_splits_are_honoured_and_what_has_none_follows_the_strictest(data: st.DataObject) -> None:
    splits = data.draw(st.lists(st.sampled_from(["", "train", "val", "test"]), min_size=20, max_size=20))
    splits[:3] = ["train", "val", "test"]
    examples = _examples(splits, list(range(20)))
    places = data.draw(_places(20))
    divided = with_splits(examples, twins=_pairs(places))
    assert all(after.split == before.split for before, after in zip(examples, divided, strict=True) if before.split)
    near: dict[int, set[int]] = defaultdict(set)
    for one, other in places:
        near[one].add(other)
        near[other].add(one)
    order = ["test", "val", "train", ""]
    for place, example in enumerate(examples):
        reached, left = {place}, [place]
        while left:
            left += (more := near[left.pop()] - reached)
            reached |= more
        if not example.split and (strict := min((splits[n] for n in reached), key=order.index)):
            assert divided[place].split == strict


def _recording(seed: int) -> npt.NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    fine, coarse = (
        cv2.GaussianBlur(rng.standard_normal((120, 160)).astype(np.float32), (0, 0), reach) for reach in (2, 12)
    )
    return np.clip(110 + 60 * coarse / coarse.std() + 30 * fine / fine.std(), 0, 255).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve recordings; r0 and r1 come again, cropped, under other names, r1 twice."""
    root = tmp_path / "d"
    pictures = {f"r{n}": _recording(n) for n in range(12)}
    pictures |= {"s0": pictures["r0"][5:, 5:], "s1": pictures["r1"][5:, :-5], "t1": pictures["r1"][:-5, 5:]}
    for kind in ("images", "masks"):
        (root / kind).mkdir(parents=True)
        for name, picture in pictures.items():
            stored = np.ascontiguousarray(picture) if kind == "images" else (picture > 240).astype(np.uint8) * 255
            cv2.imwrite(str(root / kind / f"{name}.png"), stored)
    return root


def _declare(folder: Path, **splits: str) -> list[Example]:
    names = sorted(path.stem for path in (folder / "images").iterdir())
    rows = "".join(f"{name}.png,{splits.get(name, 'train')}\n" for name in names)
    (folder / "labels.csv").write_text("file,split\n" + rows)
    return load(folder)


def test_p_n10_without_declared_splits_near_duplicates_are_one_group_and_that_is_said(folder: Path) -> None:
    read: list[None] = []
    division = divide(load(folder), on_read=lambda: read.append(None))
    assert len(read) == 15
    assert division.joined == (("d/r0.png", "d/s0.png"), ("d/r1.png", "d/s1.png", "d/t1.png"))
    sides = {example.key: example.split for example in division.examples}
    assert all(len({sides[key] for key in keys}) == 1 for keys in division.joined)
    assert division.across == () and len(division.examples) == 15
    assert f"{len(division.pairs)}; the two of each were kept on one side." in division.sentence()
    assert division.counts() == {
        "setting": "join",
        "pairs": len(division.pairs),
        "joined": 2,
        "across": 0,
        "left_out": 0,
    }
    document = json.loads(json.dumps(division.document))
    assert document["joined"] == [list(keys) for keys in division.joined]
    assert document["leaks"] == {"groups": 0, "same_file": 0, "near_duplicates": 0}
    assert "each group stands for a patient" in document["patient_note"]


def test_p_n10_declared_splits_stay_and_the_pairs_across_are_counted(folder: Path) -> None:
    examples = _declare(folder, s0="test", s1="val", t1="val", r2="test")
    division = divide(examples)
    assert _sides(list(division.examples)) == _sides(examples)
    assert {pair.keys for pair in division.across} >= {("d/r0.png", "d/s0.png"), ("d/r1.png", "d/s1.png")}
    assert f"{len(division.across)} in two of the declared splits, for instance d/" in division.sentence()
    assert "split.near_duplicates=drop" in division.sentence()
    assert division.document["leaks"]["near_duplicates"] == len(division.across)


def test_p_n10_drop_leaves_the_training_side_out(folder: Path) -> None:
    division = divide(_declare(folder, s0="test", s1="val", r2="test"), near_duplicates="drop")
    assert division.left_out == ("d/r0.png", "d/r1.png", "d/t1.png")
    assert {e.key for e in division.examples if e.split != "train"} == {"d/s0.png", "d/s1.png", "d/r2.png"}
    assert len(division.examples) == 12
    assert division.sentence().endswith("Training images left out for it: 3.")
    assert division.document["left_out"] == list(division.left_out)


def test_folds_keep_near_duplicates_together_and_drop_nothing(folder: Path) -> None:
    examples = _declare(folder, s0="test", s1="val")
    for index in range(3):
        division = divide(examples, near_duplicates="drop", folds=3, index=index)
        assert division.across == () and division.left_out == () and len(division.pairs) >= 3


def test_off_reads_nothing_and_claims_nothing(folder: Path) -> None:
    division = divide(_declare(folder, s0="test"), near_duplicates="off", on_read=lambda: pytest.fail("was read"))
    assert division.counts() == {"setting": "off"} and division.sentence() == ""
    assert division.document["leaks"] == {"groups": 0, "same_file": 0}
    assert not {"near_duplicates", "near_duplicates_across", "label_conflicts_found"} & set(division.document)


def test_blank_groups_conflicts_and_patients_are_in_the_report(folder: Path) -> None:
    """A blank dup_group is a group of its own; a declared one is not looked into again."""
    rows = "".join(f"r{n}.png,,{int(n == 3)}\n" for n in range(12)) + "s1.png,g,0\nt1.png,g,0\ns0.png,,0\n"
    (folder / "labels.csv").write_text("file,dup_group,label_conflict\n" + rows)
    examples = load(folder)
    assert len({example.group for example in examples}) == 14
    division = divide(examples)
    assert ("d/s1.png", "d/t1.png") not in {pair.keys for pair in division.pairs}
    assert division.document["label_conflicts_declared"] == ["d/r3.png"]
    assert division.document["groups"] == 14
    assert "No patient is named" in division.document["patient_note"]


def test_an_image_that_cannot_be_read_stops_nothing(folder: Path) -> None:
    (folder / "images" / "r5.png").write_bytes(b"no image")
    assert len(divide(load(folder)).joined) == 2


def test_the_validation_images_of_a_project_are_those_that_training_uses(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`load` looks for near-duplicates where a project declares no splits, as the training does."""
    monkeypatch.setattr(dataset, "is_project", lambda path: True)
    chosen = {example.key for split in ("train", "val") for example in load(folder, split=split)}
    assert len(chosen) == 15
    val = {example.key for example in load(folder, split="val")}
    assert val == {example.key for example in divide(load(folder)).examples if example.split == "val"}
    without = {example.key for example in load(folder, split="val", near_duplicates=False)}
    off = divide(load(folder), near_duplicates="off").examples
    assert without == {example.key for example in off if example.split == "val"} != val


def test_files_of_equal_size_are_hashed_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often a training asks which of them are the same; a changed file again."""
    for number in range(12):  # equal sizes
        (folder / "images" / f"r{number}.png").write_bytes(bytes([number]) * 50)
    hashed: list[str] = []
    monkeypatch.setattr(twins, "hash_source", lambda source: hashed.append(source.relative) or source.relative)
    divide(load(folder), near_duplicates="off")
    assert len(hashed) == len(set(hashed)) >= 12
    hashed.clear()
    (folder / "images" / "r3.png").write_bytes(b"x" * 50)
    os.utime(folder / "images" / "r3.png", ns=(1, 1))
    divide(load(folder), near_duplicates="off")
    assert hashed == ["r3.png"]


def test_images_without_a_split_are_counted_where_others_of_their_dataset_have_one() -> None:
    partly = _examples(["train", "val", *[""] * 6], list(range(8)))
    found = divide(partly, twins=[])
    sides = [example.split for example in found.examples[2:]]
    assert found.note == (
        f"6 images without a split were divided here: {sides.count('train')} train, {sides.count('val')} val."
    )
    one = divide(_examples(["train", "val", ""], [0, 1, 0]), twins=[])
    assert one.note == "1 image without a split was divided here: 1 train."
    assert divide(_examples([""] * 8, list(range(8))), twins=[]).note == ""
    other = [replace(example, dataset="other", split="train") for example in _examples([""] * 2, [8, 9])]
    assert divide([*_examples([""] * 8, list(range(8))), *other], twins=[]).note == ""


@pytest.mark.data
def test_p_n10_no_near_duplicate_of_busi_parts_in_five_folds(data_root: Path) -> None:
    """Without looking some do part: the data's own groups do not know them."""
    examples = load(data_root / "busi")
    twins = undeclared_twins(examples)
    assert len(twins) == 19
    for index, part in enumerate(folds(examples, k=5, seed=0, twins=twins)):
        assert all(part[pair.first].split == part[pair.second].split for pair in twins)
        assert {example.split for example in part} == {"train", "val", "test"}
        counted = sum(example.split == "test" for example in part)
        assert abs(counted - 708 / 5) <= 3, index
    plain = folds(examples, k=5, seed=0)[0]
    assert any(plain[pair.first].split != plain[pair.second].split for pair in twins)


@pytest.mark.data
def test_p_n10_breast_has_no_near_duplicate_so_its_folds_are_what_they_were(data_root: Path) -> None:
    examples = load(data_root / "breast")
    division = divide(examples, folds=5, index=2)
    assert division.pairs == () and division.joined == ()
    assert list(division.examples) == folds(examples, k=5, seed=0)[2]


@pytest.mark.data
def test_p_n10_busis_declared_splits_stay_and_three_training_images_can_be_left_out(data_root: Path) -> None:
    named = ["benign_062", "benign_140", "benign_214", "benign_260", "benign_281", "normal_029", "normal_123"]
    examples = [
        example
        for place, example in enumerate(load(data_root / "busi"))
        if place % 12 == 0 or example.label_conflict or example.source.path.stem in named
    ]
    division = divide(examples, near_duplicates="drop")
    assert len(division.across) == 4
    assert {"busi/benign_140.png", "busi/benign_214.png", "busi/normal_029.png"} <= set(division.left_out)
    assert [e for e in division.examples if e.split != "train"] == [e for e in examples if e.split != "train"]
    assert len(division.document["label_conflicts_declared"]) == 14
