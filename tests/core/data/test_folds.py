"""Cross-validation: every image is tested once, groups stay whole, and the parts are alike."""

import random
from collections import Counter
from pathlib import Path

import pytest

from usassist.core.data.dataset import Example, load
from usassist.core.data.folds import fold, folds
from usassist.core.domain import Source
from usassist.core.errors import TrainingError


def examples(count: int, tmp_path: Path) -> list[Example]:
    """Return examples of two classes, 2 to 1, every third in a group with the one before."""
    made = []
    for index in range(count):
        source = Source(f"k{index}", tmp_path / f"{index}.png", f"{index}.png", 1000 + index)
        group = f"g{index - 1 if index % 3 == 1 else index}"
        class_name = "malignant" if index % 9 < 3 else "benign"
        made.append(Example(f"d/{index}", "d", source, 0, class_name=class_name, group=group, split="test"))
    return made


def test_P_N10_every_image_is_tested_once_and_no_group_is_on_two_sides(tmp_path: Path) -> None:
    made = examples(207, tmp_path)
    parts = folds(made, k=5, seed=0)
    tested = Counter(example.key for part in parts for example in part if example.split == "test")
    assert tested == Counter(example.key for example in made)
    for part in parts:
        sides: dict[str, set[str]] = {}
        for example in part:
            sides.setdefault(example.group, set()).add(example.split)
        assert all(len(side) == 1 for side in sides.values())
        assert {example.split for example in part} == {"train", "val", "test"}


def test_the_parts_are_alike_in_size_and_class(tmp_path: Path) -> None:
    for part in folds(examples(207, tmp_path), k=5, seed=3):
        counted = Counter(example.class_name for example in part if example.split == "test")
        assert abs(counted["malignant"] - 69 / 5) <= 2
        assert abs(counted["benign"] - 138 / 5) <= 2


def test_the_seed_decides_and_the_order_does_not(tmp_path: Path) -> None:
    made = examples(60, tmp_path)
    shuffled = random.Random(0).sample(made, len(made))
    first = {example.key: example.split for example in fold(made, k=5, index=2, seed=7)}
    assert {example.key: example.split for example in fold(shuffled, k=5, index=2, seed=7)} == first
    assert {example.key: example.split for example in fold(made, k=5, index=2, seed=8)} != first


def test_too_few_groups_and_no_such_fold_are_said(tmp_path: Path) -> None:
    made = examples(60, tmp_path)
    with pytest.raises(TrainingError, match="at least 3 folds"):
        folds(made, k=2, seed=0)
    with pytest.raises(TrainingError, match="2 groups"):
        folds(made[:3], k=3, seed=0)
    with pytest.raises(TrainingError, match="0 to 4"):
        fold(made, k=5, index=5, seed=0)


@pytest.mark.data
def test_breast_is_divided_into_five_alike_parts(data_root: Path) -> None:
    parts = folds(load(data_root / "breast"), k=5, seed=0)
    malignant = [
        sum(example.class_name == "malignant" for example in part if example.split == "test") for part in parts
    ]
    assert sum(malignant) == 79
    assert max(malignant) - min(malignant) <= 2
