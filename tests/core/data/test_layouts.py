"""Datasets as other projects lay them out, generated here: what is paired, what is refused, and in which words."""

import numpy as np
import pytest

from usassist.core.data.dataset import load, with_splits
from usassist.core.data.layouts import specs
from usassist.core.errors import ExchangeError, TrainingError
from usassist.core.geometry.cv import cv2

SHAPE = (20, 30)


def _picture(path, value=40) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full(SHAPE, value, dtype=np.uint8))


def _mask(path, rows=3) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = np.zeros(SHAPE, dtype=np.uint8)
    mask[:rows] = 255
    cv2.imwrite(str(path), mask)


@pytest.fixture
def nextgen(tmp_path):
    root = tmp_path / "NextGen-UIA"
    for index, name in enumerate(["b1", "b2", "b3", "t1", "t2", "c1"]):
        _picture(root / "all" / "images" / f"{name}.png", 10 * index)
        if name != "c1":
            _mask(root / "all" / "masks" / f"{name}.png", rows=index + 1)
    for dataset, lists in {
        "BUSI": {"train": ["b1.png", "b2.png"], "test": ["b3.png"]},
        "TN3K": {"train": ["t1.png"], "val": ["t2.png"]},
    }.items():
        folder = root / "segmentation" / dataset
        folder.mkdir(parents=True)
        for split, names in lists.items():
            (folder / f"{split}.txt").write_text("\r\n".join(names) + "\r\n\r\n")
    for dataset, rows in {"BUSI": "b1.png,0\nb2.png,1\n", "LN-1": "c1.png,malignant\n"}.items():
        folder = root / "classification" / dataset
        folder.mkdir(parents=True)
        (folder / "labels.csv").write_text(rows)
    (root / "classification" / "LN-1" / "test.txt").write_text("c1.png\n")
    return root


def test_nextgen_a_dataset_of_a_task_is_a_dataset(nextgen) -> None:
    examples = load(nextgen / "segmentation" / "BUSI")
    assert [(e.key, e.split, e.class_name) for e in examples] == [
        ("BUSI/b1.png", "train", "benign"),
        ("BUSI/b2.png", "train", "malignant"),
        ("BUSI/b3.png", "test", ""),
    ]
    assert [int(e.read_truth(SHAPE).sum()) // 30 for e in examples] == [1, 2, 3]
    assert [e.key for e in load(nextgen / "segmentation" / "TN3K", split="val")] == ["TN3K/t2.png"]


def test_nextgen_the_whole_is_every_dataset_once(nextgen) -> None:
    examples = load(nextgen)
    assert [e.key for e in examples] == [
        *("BUSI/b1.png", "BUSI/b2.png", "BUSI/b3.png"),
        *("TN3K/t1.png", "TN3K/t2.png", "LN-1/c1.png"),
    ]
    assert {e.dataset for e in load(nextgen / "segmentation")} == {"BUSI", "TN3K"}


def test_nextgen_an_image_for_classification_needs_no_mask_and_says_so(nextgen) -> None:
    (example,) = load(nextgen / "classification" / "LN-1")
    assert (example.class_name, example.split) == ("malignant", "test")
    with pytest.raises(ExchangeError, match=r"LN-1/c1\.png has no mask"):
        example.read_truth(SHAPE)


def test_nextgen_one_image_in_two_lists_is_one_group(nextgen) -> None:
    both = load(nextgen / "segmentation" / "BUSI") + load(nextgen / "classification" / "BUSI")
    sides = {}
    for example in with_splits(both):
        sides.setdefault(example.source.path, set()).add(example.split)
    assert all(len(side) == 1 for side in sides.values())


@pytest.mark.parametrize(
    "line", ["/etc/passwd", "../../secret.png", "..\\secret.png", "C:\\secret.png", "a//b.png", "a\0.png"]
)
def test_nextgen_a_list_that_names_a_file_elsewhere_is_refused(nextgen, line: str) -> None:
    (nextgen / "segmentation" / "BUSI" / "train.txt").write_text(f"b1.png\n{line}\n")
    with pytest.raises(TrainingError, match=r"line 2 names the file .* inside the dataset's own folder"):
        load(nextgen / "segmentation" / "BUSI")


def test_nextgen_what_a_list_names_must_be_there(nextgen) -> None:
    lists = nextgen / "segmentation" / "BUSI"
    (lists / "val.txt").write_text("gone.png\n")
    with pytest.raises(TrainingError, match=r"BUSI names 1 images that are not in .*images, for instance gone\.png"):
        load(lists)
    (lists / "val.txt").write_text("b1.png\n")
    with pytest.raises(TrainingError, match=r"b1\.png is in train\.txt as well"):
        load(lists)
    (lists / "val.txt").write_text("c1.png\n")
    with pytest.raises(TrainingError, match=r"1 images have no mask of the same stem in masks/, for instance c1\.png"):
        load(lists)


def test_nextgen_two_labels_of_one_image_are_refused(nextgen) -> None:
    (nextgen / "classification" / "BUSI" / "labels.csv").write_text("file,label\nb1.png,0\nb1.png,1\n")
    with pytest.raises(TrainingError, match=r"line 3: b1\.png is malignant here and benign above"):
        load(nextgen / "segmentation" / "BUSI")


@pytest.fixture
def medclip(tmp_path):
    root = tmp_path / "breast_tumors"
    for split, names in {"train": ["001", "002"], "test": ["001"]}.items():
        for rows, name in enumerate(names, start=1):
            _picture(root / f"{split}_images" / f"{name}.png")
            _mask(root / f"{split}_masks" / f"{name}.png", rows=rows)
    return root


def test_medclip_sam_splits_are_folders_and_equal_names_differ(medclip) -> None:
    examples = load(medclip)
    assert [(e.key, e.split) for e in examples] == [
        ("breast_tumors/train_images/001.png", "train"),
        ("breast_tumors/train_images/002.png", "train"),
        ("breast_tumors/test_images/001.png", "test"),
    ]
    assert len({e.group for e in examples}) == len({e.source.key for e in examples}) == 3
    assert [int(e.read_truth(SHAPE).sum()) // 30 for e in examples] == [1, 2, 1]
    with pytest.raises(TrainingError, match="no split 'val': it has test, train"):
        load(medclip, split="val")


def test_medclip_sam_an_image_without_mask_and_a_split_without_masks_are_sentences(medclip) -> None:
    (medclip / "test_masks" / "001.png").unlink()
    with pytest.raises(TrainingError, match=r"1 images have no mask of the same stem in test_masks/.*001\.png"):
        load(medclip)
    (medclip / "test_masks").rmdir()
    with pytest.raises(TrainingError, match="no folder test_masks beside it"):
        load(medclip)


@pytest.fixture
def cotexnet(tmp_path):
    root = tmp_path / "cotex"
    for name in "abc":
        _picture(root / "images" / f"{name}.jpg")
        _mask(root / "masks" / f"{name}_mask.png", rows=ord(name) - ord("a") + 1)
        _picture(root / "ROIs" / f"{name}.jpg", 200)
    _tables(root, train="BUSI,a.jpg,a_mask.png\nDDTI,b.jpg,b_mask.png\n", test="BUSI,c.jpg,c_mask.png\n")
    return root


def _tables(root, **splits: str) -> None:
    for split, rows in splits.items():
        (root / f"{split}_data.csv").write_text("dataset,img_name,mask_name\n" + rows)


def test_cotexnet_tables_pair_images_and_masks(cotexnet) -> None:
    examples = load(cotexnet)
    assert [(e.key, e.split) for e in examples] == [
        ("BUSI/a.jpg", "train"),
        ("DDTI/b.jpg", "train"),
        ("BUSI/c.jpg", "test"),
    ]
    assert [int(e.read_truth(SHAPE).sum()) // 30 for e in examples] == [1, 2, 3]
    assert not any("ROIs" in str(e.source.path) for e in examples)


@pytest.mark.parametrize("place", ["image", "mask"])
def test_cotexnet_a_table_that_names_a_file_elsewhere_is_refused(cotexnet, place: str) -> None:
    _picture(cotexnet.parent / "secret.png")
    hostile = "../../secret.png"
    row = f"BUSI,{hostile},a_mask.png\n" if place == "image" else f"BUSI,a.jpg,{hostile}\n"
    _tables(cotexnet, train=row)
    with pytest.raises(TrainingError, match=r"line 2 names the file '\.\./\.\./secret\.png'"):
        load(cotexnet)


def test_cotexnet_what_is_missing_or_twice_names_both(cotexnet) -> None:
    _tables(cotexnet, train="BUSI,a.jpg,gone.png\n")
    with pytest.raises(TrainingError, match=r"line 2: the mask gone\.png of a\.jpg is not in"):
        load(cotexnet)
    _tables(cotexnet, train="BUSI,gone.jpg,a_mask.png\n")
    with pytest.raises(TrainingError, match=r"names 1 images that are not in .*gone\.jpg"):
        load(cotexnet)
    _tables(cotexnet, train="BUSI,c.jpg,a_mask.png\n")
    with pytest.raises(TrainingError, match=r"c\.jpg with the mask c_mask\.png .* with the mask a_mask\.png"):
        load(cotexnet)
    (cotexnet / "train_data.csv").write_text("name\nx\n")
    with pytest.raises(TrainingError, match="expected a column 'dataset', found name"):
        load(cotexnet)


def test_a_folder_in_no_layout_is_told_all_of_them(tmp_path) -> None:
    (tmp_path / "images").mkdir()
    with pytest.raises(TrainingError) as caught:
        load(tmp_path)
    assert all(layout.expected in str(caught.value) for layout in specs())
    assert [layout.name for layout in specs()] == ["cotexnet", "medclip_sam", "nextgen_uia", "project", "plain"]


def test_the_objects_of_every_layout_may_be_named(medclip) -> None:
    (medclip / "classes.csv").write_text("value,name\n100,cyst\n255,mass\n")
    assert all(e.objects == ("cyst", "mass") for e in load(medclip))
    assert set(np.unique(load(medclip)[0].read_classes(SHAPE))) == {0, 2}
