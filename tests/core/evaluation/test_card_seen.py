"""A model has seen an image where its training had the file, whatever its folder is called."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.core.evaluation.cards import facts, report
from usassist.core.data.dataset import fingerprint, load
from usassist.core.evaluation.card_seen import NEVER, NOT_NAMED, Shared, is_judging, read_learned, role_of
from usassist.core.evaluation.card_sources import CardReport
from usassist.core.geometry.cv import cv2
from usassist.core.models.config import CONFIG_FILE, ModelConfig

DIGEST = "cd" * 32


def dataset(folder: Path, *, first: int = 0, split: str = "train") -> Path:
    """Write a folder of four images, each of its own, the last one in the test split."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    lines = ["file,split"]
    for index in range(first, first + 4):
        grey = np.random.default_rng(index).integers(0, 255, (16, 16), dtype=np.uint8)
        cv2.imwrite(str(folder / "images" / f"{index}.png"), grey)
        cv2.imwrite(str(folder / "masks" / f"{index}.png"), np.zeros((16, 16), dtype=np.uint8))
        lines.append(f"{index}.png,{'test' if index == first + 3 else split}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def config(**more: str) -> ModelConfig:
    made = facts().config
    return replace(made, provenance={"data": ["a"], "data_fingerprint": DIGEST, **more})


def run(folder: Path, *data: Path, **more: str) -> Path:
    """Write what a run's folder tells about its data."""
    folder.mkdir(parents=True)
    (folder / CONFIG_FILE).write_text(config().to_json(), encoding="utf-8")
    (folder / "data.json").write_text(json.dumps({"data": [str(d) for d in data], **more}), encoding="utf-8")
    return folder


def on(folder: Path, plain: CardReport, *, split: str = "all") -> CardReport:
    """Return a report as it is of a folder of data."""
    examples = load(folder, split=split)
    inputs = frozenset(example.source.relative for example in examples)
    return replace(plain, data=folder.name, split=split, fingerprint=fingerprint(examples), inputs=inputs)


@pytest.fixture
def plain(tmp_path: Path) -> CardReport:
    return report(tmp_path / "report")


def shared(given: CardReport, made: Path) -> Shared:
    learned = read_learned(config(), [made])
    assert learned is not None
    return learned.shared_with(given)


def test_a_copy_under_another_name_is_found_by_its_bytes(tmp_path: Path, plain: CardReport) -> None:
    made = run(tmp_path / "run", dataset(tmp_path / "data" / "a"))
    copy = shutil.copytree(tmp_path / "data" / "a", tmp_path / "data" / "copy")
    for name in ("images", "masks"):
        (copy / name / "0.png").rename(copy / name / "x.png")
    (copy / "labels.csv").write_text((copy / "labels.csv").read_text().replace("0.png", "x.png"))
    found = shared(on(copy, plain), made)
    assert found == Shared(3, "content"), "its test image was never learned from"
    assert role_of(on(copy, plain), ["a"], found) == "3 of its files are of the training"
    assert not is_judging(on(copy, plain), ["a"], found)
    assert is_judging(on(copy, plain, split="test"), ["a"], shared(on(copy, plain, split="test"), made))


def test_other_data_were_never_trained_on(tmp_path: Path, plain: CardReport) -> None:
    made = run(tmp_path / "run", dataset(tmp_path / "data" / "a"))
    other = on(dataset(tmp_path / "data" / "b", first=10), plain)
    assert role_of(other, ["a"], shared(other, made)) == NEVER
    assert is_judging(other, ["a"], shared(other, made))


def test_data_that_lie_elsewhere_are_compared_by_name(tmp_path: Path, plain: CardReport) -> None:
    made = run(tmp_path / "run", dataset(tmp_path / "data" / "a"))
    copy = on(shutil.copytree(tmp_path / "data" / "a", tmp_path / "elsewhere" / "copy"), plain)
    assert shared(copy, made) == Shared(3, "name")
    assert role_of(copy, ["a"], Shared(3, "name")) == "3 of its files have names of the training"
    other = on(dataset(tmp_path / "elsewhere" / "b", first=10), plain)
    assert role_of(other, ["a"], shared(other, made)) == f"{NOT_NAMED}, nor any file's name"
    assert is_judging(other, ["a"], shared(other, made))


def test_a_folder_of_the_same_name_is_not_taken_at_its_word(tmp_path: Path, plain: CardReport) -> None:
    made = run(tmp_path / "run", dataset(tmp_path / "data" / "a"))
    test = on(tmp_path / "data" / "a", plain, split="test")
    assert role_of(test, ["a"], shared(test, made)) == ""
    fake = on(dataset(tmp_path / "elsewhere" / "a", split="test"), plain, split="test")
    assert role_of(fake, ["a"], shared(fake, made)) == "3 of its files have names of the training"
    assert not is_judging(fake, ["a"], shared(fake, made))


def test_what_is_not_known_is_not_said(tmp_path: Path, plain: CardReport) -> None:
    data = dataset(tmp_path / "data" / "a")
    assert read_learned(config(), []) is None
    assert read_learned(config(data_fingerprint="ef" * 32), [run(tmp_path / "other", data)]) is None
    assert read_learned(config(), [run(tmp_path / "gone", tmp_path / "nothing")]) is None
    assert read_learned(config(), [run(tmp_path / "went_on", data, start_from=str(tmp_path / "shipped"))]) is None
    assert role_of(replace(plain, data="b"), ["a"], None) == NOT_NAMED
    assert not is_judging(replace(plain, data="b"), ["a"], None)


def test_what_a_training_went_on_from_counts_too(tmp_path: Path, plain: CardReport) -> None:
    before = run(tmp_path / "before", dataset(tmp_path / "data" / "b", first=10))
    made = run(tmp_path / "run", dataset(tmp_path / "data" / "a"), start_from=str(before))
    assert shared(on(tmp_path / "data" / "b", plain), made) == Shared(3, "content")
