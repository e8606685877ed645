import numpy as np
import pytest

from usassist.core.data import frames
from usassist.core.data.dataset import fingerprint, load, open_frames, with_splits
from usassist.core.errors import ExchangeError, ReadError, TrainingError
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


def test_p_n10_a_file_in_two_datasets_stands_on_one_side_and_what_is_tested_is_never_trained_on(tmp_path) -> None:
    """The same image as a published test image, in a second dataset without splits, and as a copy under a new name."""
    published = _write(tmp_path / "published", names=["a", "b", "c"])
    (published / "labels.csv").write_text("file,split\na.png,test\nb.png,val\nc.png,train\n")
    mine = _write(tmp_path / "mine", names=["x", "y", "z"])
    examples = with_splits(load(published) + load(mine))
    assert {e.key: e.split for e in examples} == {
        "published/a.png": "test",
        "published/b.png": "val",
        "published/c.png": "train",
        "mine/x.png": "test",
        "mine/y.png": "val",
        "mine/z.png": "train",
    }


def test_p_n10_a_group_declared_on_two_sides_goes_to_the_stricter_one(tmp_path, caplog) -> None:
    folder = _write(tmp_path / "d", names=["a", "b", "c", "e"])
    rows = "a.png,train,p1,\nb.png,test,p2,g\nc.png,train,p2,\ne.png,val,,g\n"
    (folder / "labels.csv").write_text("file,split,patient,dup_group\n" + rows)
    assert [e.split for e in with_splits(load(folder))] == ["train", "test", "test", "test"]
    assert "2 images share a group" in caplog.text
    assert [e.split for e in load(folder)] == ["train", "test", "train", "val"]  # evaluation uses them as published


def test_one_patient_is_one_group_whatever_else_is_said(tmp_path) -> None:
    folder = _write(tmp_path / "d", names=["a", "b", "c"])
    (folder / "labels.csv").write_text("file,patient,dup_group\na.png,7,\nb.png,7,g\nc.png,,g\n")
    assert len({e.group for e in load(folder)}) == 1


@pytest.mark.parametrize("groups", [2, 3, 4, 7])
def test_a_handful_of_groups_still_gets_both_sides_and_no_group_is_cut(tmp_path, groups: int) -> None:
    folder = _write(tmp_path / "d", names=[f"i{n}" for n in range(3 * groups)])
    rows = "".join(f"i{n}.png,g{n // 3}\n" for n in range(3 * groups))
    (folder / "labels.csv").write_text("file,dup_group\n" + rows)
    examples = with_splits(load(folder))
    assert {e.split for e in examples} == {"train", "val"}
    assert all(len({e.split for e in examples if e.group == group}) == 1 for group in {e.group for e in examples})


def test_one_group_alone_is_trained_on(tmp_path) -> None:
    folder = _write(tmp_path / "d")
    for name in ("p1", "p2", "p3", "p4", "p5", "p6"):  # whichever side its name falls on
        (folder / "labels.csv").write_text("file,patient\n" + "".join(f"{n}.png,{name}\n" for n in "abc"))
        assert {e.split for e in with_splits(load(folder))} == {"train"}


def test_equal_stems_in_two_folders_take_the_mask_of_their_own_folder(tmp_path) -> None:
    folder = tmp_path / "d"
    for index, patient in enumerate(("p1", "p2")):
        for kind, value in (("images", 50), ("masks", 255)):
            (folder / kind / patient).mkdir(parents=True)
            picture = np.zeros((20, 30), dtype=np.uint8)
            picture[: 3 + index] = value
            cv2.imwrite(str(folder / kind / patient / "001.png"), picture)
    (folder / "labels.csv").write_text("file,class\np1/001.png,benign\np2\\001.png,malignant\n")
    examples = load(folder)
    assert [int(e.read_truth((20, 30)).sum()) for e in examples] == [3 * 30, 4 * 30]
    assert [e.class_name for e in examples] == ["benign", "malignant"]


def test_one_mask_that_two_images_could_mean_is_refused(tmp_path) -> None:
    folder = _write(tmp_path / "d", names=["a"])
    (folder / "images" / "a.bmp").write_bytes((folder / "images" / "a.png").read_bytes())
    with pytest.raises(TrainingError, match=r"could belong to a\.bmp and to a\.png.*a\.bmp\.png"):
        load(folder)
    (folder / "masks" / "a.png").rename(folder / "masks" / "a.png.png")
    cv2.imwrite(str(folder / "masks" / "a.bmp.png"), np.full((20, 30), 255, dtype=np.uint8))
    assert [int(e.read_truth((20, 30)).sum()) for e in load(folder)] == [600, 24]


def test_one_mask_in_a_flat_folder_never_serves_two_patients(tmp_path) -> None:
    folder = _write(tmp_path / "d", names=["001"])
    for patient in ("p1", "p2"):
        (folder / "images" / patient).mkdir()
        (folder / "images" / patient / "001.png").write_bytes((folder / "images" / "001.png").read_bytes())
    with pytest.raises(TrainingError, match="2 images have no mask"):
        load(folder)


def test_masks_of_another_suffix_pair_and_files_that_are_no_masks_do_not(tmp_path) -> None:
    folder = _write(tmp_path / "d", names=["a"])
    mask = cv2.imread(str(folder / "masks" / "a.png"), cv2.IMREAD_GRAYSCALE)
    (folder / "masks" / "a.png").unlink()
    cv2.imwrite(str(folder / "masks" / "a.bmp"), mask)
    for name in ("a.txt", "a.json", "Thumbs.db", "._a.png"):
        (folder / "masks" / name).write_text("not a mask")
    assert load(folder)[0].read_truth((20, 30)).sum() == 24


def test_two_masks_of_one_image_are_refused(tmp_path) -> None:
    folder = _write(tmp_path / "d", names=["a"])
    (folder / "masks" / "a.bmp").write_bytes(b"")
    with pytest.raises(TrainingError, match=r"several masks of one name: a\.bmp, a\.png"):
        load(folder)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("name,class\na.png,x\n", "expected a column 'file', found name, class"),
        ("", "expected a column 'file', found nothing"),
        ("file,split\na.png,Validation\n", "split of a.png is 'Validation'; expected train, val, test"),
        ("file,class\na.png,x\na.png,y\n", "more than once, for instance a.png"),
        ("file,class\na,x\n", "no row is about an image"),
        ("file,spacing_row_mm,spacing_col_mm\na.png,0.1,nan\n", "spacing of a.png is 0.1 x nan"),
        ("file,spacing_row_mm,spacing_col_mm\na.png,-1,1\n", "expected millimetres a pixel"),
    ],
)
def test_a_table_that_says_something_else_is_a_sentence(tmp_path, table: str, message: str) -> None:
    folder = _write(tmp_path / "d")
    (folder / "labels.csv").write_text(table)
    with pytest.raises(TrainingError, match=message):
        load(folder)


def test_short_rows_blanks_and_capitals_are_understood(tmp_path) -> None:
    folder = _write(tmp_path / "d")
    (folder / "labels.csv").write_text("file , class,split\na.png\n b.png, benign , Test ,more,columns\n\n")
    a, b, c = load(folder)
    assert (a.class_name, a.split, a.caption, a.spacing_mm) == ("", "", "", None)
    assert (b.class_name, b.split, c.split) == ("benign", "test", "")


def test_a_table_in_another_encoding_is_a_sentence(tmp_path) -> None:
    folder = _write(tmp_path / "d")
    (folder / "labels.csv").write_bytes("file,class\na.png,größer\n".encode("latin-1"))
    with pytest.raises(TrainingError, match="CSV UTF-8"):
        load(folder)


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path) -> None:
    with pytest.raises(TrainingError, match="no folder"):
        load(tmp_path / "nowhere")


def test_the_fingerprint_ignores_order_and_notices_content(tmp_path) -> None:
    examples = load(_write(tmp_path / "d"))
    assert fingerprint(examples) == fingerprint(examples[::-1]) != fingerprint(examples[:2])


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


class _Opened:
    """Counts how often a file is opened and closed."""

    def __init__(self, monkeypatch) -> None:
        self.opened: list[str] = []
        self.closed = 0
        whole = frames.open_source

        def open_source(source):
            self.opened.append(source.relative)
            reader = whole(source)
            close = reader.close

            def closing() -> None:
                self.closed += 1
                close()

            monkeypatch.setattr(reader, "close", closing, raising=False)
            return reader

        monkeypatch.setattr(frames, "open_source", open_source)


def test_a_cine_is_opened_once_for_all_of_its_frames(sample_dir, monkeypatch) -> None:
    examples = load(sample_dir)
    counted = _Opened(monkeypatch)
    read = list(open_frames([*examples[:4], *examples[-2:]]))
    assert counted.opened == ["breast_cine.dcm", "linear_lesions.png"]
    assert counted.closed == 2
    assert [example.key for example, _ in read] == [e.key for e in [*examples[:4], *examples[-2:]]]
    for example, grey in read:
        assert np.array_equal(grey, example.read_grey())


def test_a_file_that_cannot_be_read_is_told_and_left_out(tmp_path) -> None:
    folder = _write(tmp_path / "d")
    (folder / "images" / "b.png").write_bytes(b"no image")
    failed: list[str] = []
    read = [e.key for e, _ in open_frames(load(folder), on_error=lambda e, error: failed.append(f"{e.key}: {error}"))]
    assert read == ["d/a.png", "d/c.png"]
    assert len(failed) == 1 and failed[0].startswith("d/b.png: ")
    with pytest.raises(ReadError):
        list(open_frames(load(folder)))
