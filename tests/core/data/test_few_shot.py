import doctest
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usassist.core.data import few_shot
from usassist.core.data.dataset import load, with_splits
from usassist.core.data.example import Example
from usassist.core.data.few_shot import PUBLISHED_RATIOS, choose, shares
from usassist.core.domain import Annotation, Mask, Reader, Region, Source
from usassist.core.errors import TrainingError
from usassist.core.io.open_study import find_sources
from usassist.core.project import store


def _example(name: str, class_name: str, *, group: str = "", split="train") -> Example:
    source = Source(name, Path(name), name, 1)
    return Example(name, "d", source, 0, class_name=class_name, split=split, group=group or name)


def _pool(**classes: int) -> list[Example]:
    return [_example(f"{name}{n}", name, split=split) for split in ("train", "val", "test")
            for name, size in classes.items() for n in range(size)]  # fmt: skip


def _train(examples: list[Example]) -> list[Example]:
    return [e for e in examples if e.split == "train"]


def test_examples_in_docstrings() -> None:
    assert doctest.testmod(few_shot).failed == 0


@pytest.mark.parametrize("ratio", PUBLISHED_RATIOS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_n15_counts_by_ratio_are_exact_and_stratified(ratio: float, seed: int) -> None:
    pool = _pool(benign=306, malignant=148, normal=93)
    chosen = _train(choose(pool, ratio=ratio, seed=seed))
    assert len(chosen) == max(3, int(547 * ratio + 0.5))
    counts = Counter(e.class_name for e in chosen)
    for name, size in (("benign", 306), ("malignant", 148), ("normal", 93)):
        assert counts[name] >= 1
        assert abs(counts[name] - size * ratio) <= 1


@pytest.mark.parametrize("k", [1, 5, 16])
def test_n15_k_of_each_class_exactly(k: int, caplog) -> None:
    chosen = _train(choose(_pool(benign=40, malignant=20, normal=3), per_class=k, seed=3))
    assert Counter(e.class_name for e in chosen) == {"benign": k, "malignant": k, "normal": min(k, 3)}
    assert ("normal" in caplog.text) == (k > 3)


def test_n15_the_seed_decides_and_the_order_of_the_examples_does_not() -> None:
    pool = _pool(benign=60, malignant=30)
    first = {e.key for e in _train(choose(pool, ratio=0.2, seed=1))}
    assert first == {e.key for e in _train(choose(pool[::-1], ratio=0.2, seed=1))}
    assert first != {e.key for e in _train(choose(pool, ratio=0.2, seed=2))}


@given(
    sizes=st.dictionaries(st.sampled_from("abcde"), st.integers(1, 40), min_size=1),
    ratios=st.lists(st.floats(0.001, 1), min_size=2, max_size=5),
    seed=st.integers(0, 99),
)
def test_n15_a_part_contains_every_smaller_part(sizes: dict[str, int], ratios: list[float], seed: int) -> None:
    pool = _pool(**sizes)
    parts = [{e.key for e in _train(choose(pool, ratio=ratio, seed=seed))} for ratio in sorted(ratios)]
    assert all(small <= large for small, large in pairwise(parts))
    ks = [{e.key for e in _train(choose(pool, per_class=k, seed=seed))} for k in (1, 2, 5)]
    assert ks[0] <= ks[1] <= ks[2]


@given(sizes=st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 200), min_size=1), share=st.floats(0, 1))
def test_n15_shares_are_exact_and_never_more_than_there_is(sizes: dict[str, int], share: float) -> None:
    total = max(len(sizes), round(share * sum(sizes.values())))
    counts = shares(sizes, total)
    assert sum(counts.values()) == total
    assert all(1 <= counts[name] <= size for name, size in sizes.items())


def test_n15_of_each_class_at_most_one_patient_is_cut() -> None:
    pool = [_example(f"{c}{p}-{n}", c, group=f"{c}{p}") for c in "ab" for p in range(12) for n in range(1 + p % 4)]
    whole = Counter(e.group for e in pool)
    for ratio in PUBLISHED_RATIOS:
        counts: dict[str, list[str]] = defaultdict(list)
        taken = Counter(e.group for e in choose(pool, ratio=ratio, seed=4))
        for group, count in taken.items():
            if count < whole[group]:
                counts[group[0]].append(group)
        assert all(len(cut) <= 1 for cut in counts.values())


def test_p_n10_val_and_test_stay_whole_unless_val_is_thinned_too() -> None:
    pool = _pool(benign=60, malignant=40)
    for thin_val, expected in ((False, 100), (True, 5)):
        chosen = choose(pool, ratio=0.05, seed=0, thin_val=thin_val)
        counts = Counter(e.split for e in chosen)
        assert counts == {"train": 5, "val": expected, "test": 100}
    assert [e.key for e in chosen] == [e.key for e in pool if e in chosen]


def test_without_a_number_everything_stays() -> None:
    pool = _pool(benign=3)
    assert choose(pool) == pool
    assert choose(pool, ratio=1.0) == pool


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ratio": 0.0}, "more than 0 and at most 1"),
        ({"ratio": 1.01}, "more than 0 and at most 1"),
        ({"ratio": float("nan")}, "more than 0 and at most 1"),
        ({"per_class": 0}, "at least 1"),
        ({"ratio": 0.1, "per_class": 1}, "not by both"),
    ],
)
def test_numbers_out_of_range_are_sentences(options, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        choose(_pool(benign=3), **options)


def test_examples_without_a_split_are_a_sentence() -> None:
    with pytest.raises(TrainingError, match="give the data splits first"):
        choose([replace(e, split="") for e in _pool(benign=3)], ratio=0.5)


def test_n15_from_the_accepted_frames_of_a_project(tmp_path) -> None:
    import cv2
    import numpy as np

    images = tmp_path / "images"
    images.mkdir()
    for n in range(20):
        cv2.imwrite(str(images / f"{n}.png"), np.full((20, 30), n, dtype=np.uint8))
    project = store.create_project(tmp_path / "project", images_root=images)
    project = store.register_sources(store.add_reader(project, Reader("ann", "Ann")), find_sources(images))
    pixels = np.zeros((20, 30), dtype=bool)
    pixels[2:5, 2:5] = True
    for n, entry in enumerate(project.sources):
        regions = (Region("r1", "lesion", Mask.from_array(pixels)),) if n % 2 else ()
        status = "draft" if n == 0 else "accepted"
        store.save_annotation(project, Annotation(f"{entry.key}_00000", "ann", (20, 30), regions, status))
    examples = with_splits(load(project.root))
    chosen = choose(examples, per_class=2, seed=1)
    assert len(examples) == 19
    assert Counter(e.class_name for e in _train(chosen)) == {"lesion": 2, "normal": 2}
    assert [e for e in chosen if e.split == "val"] == [e for e in examples if e.split == "val"]
