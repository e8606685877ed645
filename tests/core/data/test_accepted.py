"""What a project has to train on, counted as training takes it."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from usassist.core.data.accepted import LEAST_SHOWING, accepted_frames
from usassist.core.data.dataset import load, with_splits
from usassist.core.data.few_shot import choose
from usassist.core.domain import Annotation, Label, Mask, Project, Reader, Region
from usassist.core.geometry.cv import cv2
from usassist.core.io.open_study import find_sources
from usassist.core.project import store

SHAPE = (20, 30)
IMAGES = 12
Save = Callable[..., None]


def _region(label: str) -> Region:
    pixels = np.zeros(SHAPE, dtype=np.bool_)
    pixels[4:9, 3:9] = True
    return Region(f"r-{label}", label, Mask.from_array(pixels))


def _project(tmp_path: Path, *, labels: tuple[Label, ...] = ()) -> Project:
    images = tmp_path / "images"
    images.mkdir()
    for index in range(IMAGES):
        cv2.imwrite(str(images / f"{index}.png"), np.full(SHAPE, 9 * index, dtype=np.uint8))
    named = {"labels": labels} if labels else {}
    made = store.create_project(tmp_path / "project", images_root=images, **named)
    return store.register_sources(store.add_reader(made, Reader("ann", "Ann")), find_sources(images))


def _save(project: Project, source: int, *labels: str, status: str = "accepted", frame: int = 0) -> None:
    key = f"{project.sources[source].key}_{frame:05d}"
    store.save_annotation(project, Annotation(key, "ann", SHAPE, tuple(map(_region, labels)), status))


def test_N15_counts_are_those_of_the_training(tmp_path: Path) -> None:
    project = _project(tmp_path)
    for source in range(8):
        _save(project, source, "lesion", *(["structure"] if source < 2 else []))
    _save(project, 8)
    _save(project, 9, "structure")
    _save(project, 10, "lesion", status="draft")
    _save(project, 11, "lesion", status="unusable")
    found = accepted_frames(project.root)
    assert {label.id: count for label, count in found.labels} == {"lesion": 8, "structure": 3}
    assert (found.nothing, found.others, found.showing, found.files) == (1, 1, 8, 9)
    assert (found.learned.id, found.target) == ("lesion", "breast_lesion")
    assert found.shortage() == ""
    trained = with_splits(load(project.root))
    assert [(e.key, e.split) for e in found.examples] == [(e.key, e.split) for e in trained]
    for part in ({}, {"ratio": 0.5}, {"per_class": 1}, {"per_class": 3}):
        chosen = choose(trained, **part)
        sides = found.sides(**part)
        assert sides.train == sum(e.split == "train" for e in chosen)
        assert sides.val == sum(e.split == "val" for e in chosen)
        assert sides.train_showing == sum(e.split == "train" and e.class_name == "lesion" for e in chosen)


def test_too_few_frames_are_said_with_how_many_are_missing(tmp_path: Path) -> None:
    project = _project(tmp_path)
    assert "0 do" in accepted_frames(project.root).shortage()
    assert accepted_frames(project.root).sides().train == 0
    _save(project, 0, "lesion")
    _save(project, 1)  # a negative is not what is missing
    sentence = accepted_frames(project.root).shortage()
    assert f"at least {LEAST_SHOWING} accepted frames that show Lesion; 1 does. Accept 4 more." in sentence


def test_frames_of_one_file_cannot_validate_each_other(tmp_path: Path) -> None:
    project = _project(tmp_path)
    for frame in range(LEAST_SHOWING):
        _save(project, 0, "lesion", frame=frame)
    assert "come from one file" in accepted_frames(project.root).shortage()


@pytest.mark.parametrize(
    ("label", "target"),
    [
        (Label("nodule", "Nodule", "#e69f00", "thyroid nodule"), "thyroid_nodule"),
        (Label("follicle", "Follicle", "#e69f00"), ""),
    ],
)
def test_the_vocabulary_may_know_what_is_learned(tmp_path: Path, label: Label, target: str) -> None:
    project = _project(tmp_path, labels=(label,))
    _save(project, 0, label.id)
    assert accepted_frames(project.root).target == target


def test_outlines_that_nobody_corrected_are_counted(tmp_path: Path) -> None:
    project = _project(tmp_path)
    kinds = (("engine", False), ("engine", True), ("human", False), ("human", True))
    for source in range(8):
        origin, edited = kinds[source % 4]
        drawn = dataclasses.replace(_region("lesion"), origin=origin, edited=edited)
        other = dataclasses.replace(_region("structure"), origin="engine")
        key = f"{project.sources[source].key}_00000"
        store.save_annotation(project, Annotation(key, "ann", SHAPE, (drawn, other), "accepted"))
    found = accepted_frames(project.root)
    assert (found.outlines, found.unchanged) == (8, 2), "of what is learned; a person's own are nobody's answer"
