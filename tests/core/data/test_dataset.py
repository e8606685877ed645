import numpy as np
import pytest

from usassist.core.data.dataset import fingerprint, load, union_truth, with_splits
from usassist.core.domain import Mask
from usassist.core.errors import ExchangeError, TrainingError, UsassistError
from usassist.core.geometry.cv import cv2


def _write(folder, names=("a", "b", "c")):
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    for index, name in enumerate(names):
        mask = np.zeros((20, 30), dtype=np.uint8)
        mask[5:9, 4 + index : 10] = 255
        cv2.imwrite(str(folder / "images" / f"{name}.png"), np.full((20, 30), 40 * index % 256, dtype=np.uint8))
        cv2.imwrite(str(folder / "masks" / f"{name}.png"), mask)
    return folder


def test_images_and_masks_pair_by_stem(tmp_path) -> None:
    examples = load(_write(tmp_path / "d"))
    assert [e.key for e in examples] == ["d/a.png", "d/b.png", "d/c.png"]
    grey = examples[1].read_grey()
    assert (grey == 40).all()
    assert examples[1].read_truth(grey.shape).sum() == 4 * 5


def test_labels_give_split_class_group_and_spacing(tmp_path) -> None:
    folder = _write(tmp_path / "d")
    (folder / "labels.csv").write_text(
        "file,class,split,dup_group,spacing_row_mm,spacing_col_mm\n"
        "a.png,benign,train,g1,0.1,0.2\nb.png,malignant,test,g1,,\nc.png,normal,val,,,\n"
    )
    a, b, c = load(folder)
    assert (a.class_name, a.split, a.spacing_mm) == ("benign", "train", (0.1, 0.2))
    assert a.group == b.group != c.group
    assert b.spacing_mm is None
    assert [e.key for e in load(folder, split="test")] == ["d/b.png"]


def test_a_split_that_does_not_exist_names_those_that_do(tmp_path) -> None:
    folder = _write(tmp_path / "d")
    (folder / "labels.csv").write_text("file,split\na.png,train\n")
    with pytest.raises(TrainingError, match="no split 'test': it has train"):
        load(folder, split="test")


def test_an_image_without_mask_is_a_sentence(tmp_path) -> None:
    folder = _write(tmp_path / "d")
    (folder / "masks" / "b.png").unlink()
    with pytest.raises(TrainingError, match=r"1 images have no mask.*b\.png"):
        load(folder)


def test_a_mask_of_another_size_names_both_sizes(tmp_path) -> None:
    folder = _write(tmp_path / "d")
    cv2.imwrite(str(folder / "masks" / "a.png"), np.zeros((10, 10), dtype=np.uint8))
    with pytest.raises(ExchangeError, match=r"10.*20|20.*10"):
        load(folder)[0].read_truth((20, 30))


def test_another_layout_is_a_sentence(tmp_path) -> None:
    with pytest.raises(TrainingError, match="not a dataset"):
        load(tmp_path)


def test_groups_never_straddle_a_split(tmp_path) -> None:
    folder = _write(tmp_path / "d", names=[f"i{n}" for n in range(30)])
    rows = "".join(f"i{n}.png,g{n // 3}\n" for n in range(30))
    (folder / "labels.csv").write_text("file,dup_group\n" + rows)
    examples = with_splits(load(folder))
    sides = {group: {e.split for e in examples if e.group == group} for group in {e.group for e in examples}}
    assert all(len(side) == 1 for side in sides.values())
    assert {e.split for e in examples} == {"train", "val"}


def test_the_fingerprint_ignores_order_and_notices_content(tmp_path) -> None:
    examples = load(_write(tmp_path / "d"))
    assert fingerprint(examples) == fingerprint(examples[::-1]) != fingerprint(examples[:2])


def test_union_of_regions() -> None:
    a, b = np.zeros((4, 4), dtype=bool), np.zeros((4, 4), dtype=bool)
    a[0, 0], b[3, 3] = True, True
    assert union_truth([Mask.from_array(a), Mask.from_array(b)], (4, 4)).sum() == 2
    with pytest.raises(UsassistError, match="does not fit"):
        union_truth([Mask.from_array(a)], (5, 5))


def test_the_sample_is_a_dataset_of_a_still_and_a_cine(sample_dir) -> None:
    examples = load(sample_dir)
    assert [e.frame for e in examples if e.source.relative.endswith(".dcm")] == list(range(60))
    last = examples[59]
    truth = last.read_truth(last.read_grey().shape)
    assert truth.any()
    assert len({e.group for e in examples}) == 2


@pytest.mark.data
def test_busi_as_published(data_root) -> None:
    examples = load(data_root / "busi")
    assert len(examples) == 708
    counts = {split: len(load(data_root / "busi", split=split)) for split in ("train", "val", "test")}
    assert counts == {"train": 547, "val": 82, "test": 79}
    groups = {side: {e.group for e in examples if e.split == side} for side in counts}
    assert not groups["train"] & groups["test"] and not groups["val"] & groups["test"]
    normal = next(e for e in examples if e.class_name == "normal")
    grey = normal.read_grey()
    assert not normal.read_truth(grey.shape).any()


@pytest.mark.data
def test_hc18_has_spacing_in_mm(data_root) -> None:
    example = load(data_root / "hc18")[0]
    assert example.spacing_mm == (0.144144, 0.144033)
