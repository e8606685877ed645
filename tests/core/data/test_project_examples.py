import numpy as np
import pytest

from usassist.core.data.dataset import load, with_splits
from usassist.core.domain import Annotation, Label, Mask, Reader, Region
from usassist.core.errors import TrainingError
from usassist.core.geometry.cv import cv2
from usassist.core.io.open_study import find_sources
from usassist.core.project import store

SHAPE = (20, 30)


def _region(name: str, label: str, row: int) -> Region:
    pixels = np.zeros(SHAPE, dtype=np.bool_)
    pixels[row : row + 2, 3:9] = True
    return Region(name, label, Mask.from_array(pixels))


@pytest.fixture
def project(tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    for index, name in enumerate("abcd"):
        cv2.imwrite(str(images / f"{name}.png"), np.full(SHAPE, 40 * index, dtype=np.uint8))
    made = store.create_project(tmp_path / "project", images_root=images)
    made = store.register_sources(store.add_reader(made, Reader("ann", "Ann")), find_sources(images))
    return store.add_reader(made, Reader("bob", "Bob"))


def _save(project, source: int, *regions: Region, reader: str = "ann", status="accepted") -> None:
    key = f"{project.sources[source].key}_00000"
    store.save_annotation(project, Annotation(key, reader, SHAPE, regions, status))


def test_only_the_first_label_is_the_object_and_other_structures_are_not(project) -> None:
    _save(project, 0, _region("r1", "lesion", 2), _region("r2", "structure", 10))
    _save(project, 1, _region("r1", "structure", 2))  # neither a lesion nor a normal image
    _save(project, 2)
    _save(project, 3, _region("r1", "lesion", 2), status="draft")
    first, nothing = load(project.root)
    assert first.read_truth(SHAPE)[2:4, 3:9].all() and first.read_truth(SHAPE).sum() == 12
    assert (first.class_name, nothing.class_name) == ("lesion", "normal")
    assert not nothing.read_truth(SHAPE).any()


def test_a_label_that_means_the_same_counts_too(project) -> None:
    labels = (Label("benign", "Benign", "#e69f00"), Label("bad", "Malignant", "#56b4e9"))
    made = store.create_project(project.root.parent / "other", images_root=project.images_root, labels=labels)
    made = store.register_sources(store.add_reader(made, Reader("ann", "Ann")), find_sources(project.images_root))
    _save(made, 0, _region("r1", "benign", 2), _region("r2", "bad", 10))
    (example,) = load(made.root)
    assert example.read_truth(SHAPE).sum() == 24


def test_two_readers_of_one_frame_stand_on_one_side(project) -> None:
    for reader in ("ann", "bob"):
        for source in range(4):
            _save(project, source, _region("r1", "lesion", 2), reader=reader)
    examples = with_splits(load(project.root))
    assert len(examples) == 8
    assert {e.split for e in examples} == {"train", "val"}
    for source in {e.source.relative for e in examples}:
        assert len({e.split for e in examples if e.source.relative == source}) == 1


def test_an_annotation_of_an_image_that_is_not_listed_is_a_sentence(project) -> None:
    store.save_annotation(project, Annotation("gone-00000000_00000", "ann", SHAPE, (), "accepted"))
    with pytest.raises(TrainingError, match="lists no such image"):
        load(project.root)


def test_the_objects_are_the_labels_that_accepted_frames_carry(project) -> None:
    _save(project, 0, _region("r1", "lesion", 2))
    assert [e.objects for e in load(project.root)] == [("lesion",)]
    _save(project, 1, _region("r1", "structure", 10), _region("r2", "lesion", 2))
    _save(project, 2, _region("r1", "structure", 10))
    first, both = load(project.root)
    assert first.objects == both.objects == ("lesion", "structure")
    index = both.read_classes(SHAPE)
    assert (index[2:4, 3:9] == 1).all() and (index[10:12, 3:9] == 2).all() and np.count_nonzero(index) == 24
    assert both.read_truth(SHAPE).sum() == 12  # the target of one-object training is unchanged
    assert len(load(project.root, every_object=True)) == 3


def test_the_sides_of_a_project_can_be_evaluated_as_training_takes_them(project) -> None:
    for source in range(4):
        _save(project, source, _region("r1", "lesion", 2))
    examples = with_splits(load(project.root))
    for split in ("train", "val"):
        assert [e.key for e in load(project.root, split=split)] == [e.key for e in examples if e.split == split]
    with pytest.raises(TrainingError, match="no split 'test'"):
        load(project.root, split="test")


@pytest.mark.parametrize(
    ("label", "shows"),
    [
        (Label("lesion", "Lesion", "#e69f00", "breast lesion"), "breast_lesion"),
        (Label("lesion", "Thyroid nodule", "#e69f00"), "thyroid_nodule"),
        (Label("x", "Kopf", "#e69f00", "Fetal Head"), "fetal_head"),
        (Label("x", "Kidney stone", "#e69f00", "a stone in the kidney"), "a stone in the kidney"),
        (Label("x", "Kidney stone", "#e69f00"), "Kidney stone"),
        (Label("lesion", "Kidney stone", "#e69f00"), "Kidney stone"),  # renamed: an id says nothing
        (Label("x", "Malignant", "#e69f00"), "breast_lesion"),
        (Label("x", "Foetal heads", "#e69f00", "the foetal heads"), "fetal_head"),
    ],
)
def test_an_example_says_what_its_label_asks_for(project, label: Label, shows: str) -> None:
    made = store.create_project(project.root.parent / "other", images_root=project.images_root, labels=(label,))
    made = store.register_sources(store.add_reader(made, Reader("ann", "Ann")), find_sources(project.images_root))
    _save(made, 0, _region("r1", label.id, 2))
    _save(made, 1)
    assert [example.shows for example in load(made.root)] == [shows, shows]


def test_images_that_were_replaced_since_they_were_annotated_are_named(project, caplog) -> None:
    for source in range(3):
        _save(project, source, _region("r1", "lesion", 2))
    load(project.root)
    assert "no longer" not in caplog.text
    cv2.imwrite(str(project.images_root / "a.png"), np.eye(*SHAPE, dtype=np.uint8) * 255)
    (project.images_root / "b.png").unlink()  # missing is another matter, and is told when it is read
    assert len(load(project.root)) == 3
    assert "1 of its images are no longer the files that were annotated (a.png)" in caplog.text
