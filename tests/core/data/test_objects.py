import numpy as np
import pytest

from usassist.core.data.dataset import load
from usassist.core.data.objects import Legend, RegionTruth, read_legend
from usassist.core.domain import Mask, Region
from usassist.core.errors import ExchangeError, TrainingError, UsassistError
from usassist.core.geometry.cv import cv2

SHAPE = (20, 30)


def _dataset(root, *masks: np.ndarray):
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for number, mask in enumerate(masks):
        cv2.imwrite(str(root / "images" / f"{number}.png"), np.full(SHAPE, 50, np.uint8))
        cv2.imwrite(str(root / "masks" / f"{number}.png"), mask)
    return root


def _bands(*values: int) -> np.ndarray:
    out = np.zeros(SHAPE, np.uint8)
    for n, value in enumerate(values):
        out[:, 6 * n : 6 * n + 6] = value
    return out


def test_binary_masks_are_one_object_and_classes_are_the_truth(tmp_path) -> None:
    examples = load(_dataset(tmp_path / "d", _bands(0, 255), _bands(0, 1), _bands(0)))
    assert all(e.objects == ("object",) for e in examples)
    for example in examples:
        assert np.array_equal(example.read_classes(SHAPE), example.read_truth(SHAPE).astype(np.uint8))


def test_a_mask_that_lacks_an_object_does_not_rename_the_others(tmp_path) -> None:
    """The second mask has two values only; beside the first it is still the third object, not the first."""
    examples = load(_dataset(tmp_path / "d", _bands(0, 1, 2), _bands(0, 3), _bands(0)))
    assert all(e.objects == ("1", "2", "3") for e in examples)
    assert np.array_equal(examples[1].read_classes(SHAPE), _bands(0, 3))
    assert np.array_equal(examples[1].read_truth(SHAPE), _bands(0, 3) > 0)


def test_colours_keep_their_object_in_every_mask(tmp_path) -> None:
    red, blue = np.zeros((*SHAPE, 3), np.uint8), np.zeros((*SHAPE, 3), np.uint8)
    red[:, :6] = (0, 0, 128)
    blue[:, 6:12] = (200, 0, 0)
    both = red + blue
    examples = load(_dataset(tmp_path / "d", both, red, blue))
    assert examples[0].objects == ("#0000c8", "#800000")
    assert [sorted(np.unique(e.read_classes(SHAPE))) for e in examples] == [[0, 1, 2], [0, 2], [0, 1]]


def test_classes_csv_names_values_in_its_order(tmp_path) -> None:
    folder = _dataset(tmp_path / "d", _bands(0, 4, 9, 255), _bands(0, 9))
    (folder / "classes.csv").write_text("value,name\n9,cyst\n4,mass\n255,background\n")
    first, second = load(folder)
    assert first.objects == ("cyst", "mass")
    assert np.array_equal(first.read_classes(SHAPE), _bands(0, 2, 1, 0))
    assert np.array_equal(first.read_truth(SHAPE), first.read_classes(SHAPE) > 0)
    assert set(np.unique(second.read_classes(SHAPE))) == {0, 1}


def test_classes_csv_in_colours_and_several_values_of_one_name(tmp_path) -> None:
    colours = np.zeros((*SHAPE, 3), np.uint8)
    colours[:, :6], colours[:, 6:12], colours[:, 12:18] = (0, 0, 128), (200, 0, 0), (0, 60, 0)
    folder = _dataset(tmp_path / "d", colours)
    (folder / "classes.csv").write_text("r,g,b,name\n128,0,0,wall\n0,0,200,lumen\n0,60,0,wall\n")
    (example,) = load(folder)
    assert example.objects == ("wall", "lumen")
    assert [int(example.read_classes(SHAPE)[0, c]) for c in (0, 6, 12, 20)] == [1, 2, 1, 0]


def test_a_value_that_classes_csv_does_not_name_is_a_sentence(tmp_path) -> None:
    folder = _dataset(tmp_path / "d", _bands(0, 1, 2, 3))
    (folder / "classes.csv").write_text("value,name\n1,a\n2,b\n")
    (example,) = load(folder)
    with pytest.raises(ExchangeError, match=r"holds the value 3, which names no object.*classes\.csv"):
        example.read_classes(SHAPE)


def test_one_name_is_any_binary_mask(tmp_path) -> None:
    folder = _dataset(tmp_path / "d", _bands(0, 255))
    (folder / "classes.csv").write_text("value,name\n0,background\n1,lumen\n")
    (example,) = load(folder)
    assert example.objects == ("lumen",)
    assert example.read_classes(SHAPE).max() == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,name\n1,a\n", "expected a column 'value', found id, name"),
        ("value\n1\n", "expected a column 'name', found value"),
        ("value,name\n1,a\n1,b\n", "line 3: the value 1 is named twice"),
        ("value,name\n-1,a\n", "line 2: expected whole numbers from 0 to 65535, found -1"),
        ("r,g,b,name\n1,2,256,a\n", "whole numbers from 0 to 255"),
        ("value,name\n99999999999,a\n", "whole numbers"),
        ("value,name\n0,background\n", "names 0 objects"),
        ("value,name\n" + "".join(f"{n},n{n}\n" for n in range(1, 300)), "names 299 objects"),
    ],
)
def test_a_table_that_says_something_else_is_a_sentence(tmp_path, text: str, message: str) -> None:
    (tmp_path / "classes.csv").write_text(text)
    with pytest.raises(TrainingError, match=message):
        read_legend(tmp_path)


def test_no_table_is_no_legend(tmp_path) -> None:
    assert read_legend(tmp_path) is None
    assert Legend(("a",)).values == {}


def test_a_mask_that_cannot_be_read_says_so_when_it_is_read(tmp_path) -> None:
    folder = _dataset(tmp_path / "d", _bands(0, 255), _bands(0, 255))
    (folder / "masks" / "1.png").write_bytes(b"no image")
    first, second = load(folder)
    assert first.objects == ("object",)
    with pytest.raises(ExchangeError):
        second.read_classes(SHAPE)


def test_the_smaller_region_is_on_top_and_another_size_is_refused() -> None:
    big, small = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    big[2:18, 2:20], small[5:8, 5:8] = True, True
    regions = (Region("s", "cyst", Mask.from_array(small)), Region("b", "breast", Mask.from_array(big)))
    for order in (regions, regions[::-1]):
        truth = RegionTruth(order, ("breast", "cyst"))
        assert np.array_equal(truth.read(SHAPE), big.astype(np.uint8) + small)
    assert RegionTruth(regions, ("cyst",)).read(SHAPE).sum() == 9
    with pytest.raises(UsassistError, match="does not fit"):
        RegionTruth(regions, ("cyst",)).read((5, 5))


def test_the_samples_still_is_a_dataset_of_six_objects(tmp_path, sample_dir) -> None:
    for kind, name in (("images", "images"), ("class_masks", "masks")):
        (tmp_path / "d" / name).mkdir(parents=True)
        (tmp_path / "d" / name / "still.png").write_bytes((sample_dir / kind / "linear_lesions.png").read_bytes())
    (example,) = load(tmp_path / "d")
    assert example.objects == ("1", "2", "3", "4", "5", "6")
    assert set(np.unique(example.read_classes(example.read_grey().shape))) == set(range(7))


@pytest.mark.data
@pytest.mark.parametrize("name", ["breast", "carotid_mini", "buscot_mini"])
def test_real_datasets_are_binary(data_root, name: str) -> None:
    assert load(data_root / name)[0].objects == ("object",)
