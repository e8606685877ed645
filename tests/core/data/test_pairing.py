import doctest

import pytest

from usassist.core.data import pairing, splits
from usassist.core.data.pairing import pair_masks
from usassist.core.errors import TrainingError
from usassist.core.io.open_study import find_sources


@pytest.mark.parametrize("module", [pairing, splits])
def test_examples_in_docstrings(module) -> None:
    assert doctest.testmod(module).failed == 0


def _files(root, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def _paired(root) -> dict[str, list[tuple[int, str]]]:
    masks = root / "masks"
    found = pair_masks(find_sources(root / "images"), masks)
    return {key: [(index, path.relative_to(masks).as_posix()) for index, path in pairs] for key, pairs in found.items()}


def test_a_cine_takes_its_frames_and_leaves_a_still_its_own(tmp_path) -> None:
    _files(tmp_path, "images/a.dcm", "images/a_0001.png", "images/v.nii.gz", "images/deep/c.dcm")
    _files(
        tmp_path, "masks/a_0002.png", "masks/a_0000.png", "masks/a_0001.png", "masks/v_0003.png", "masks/v_12000.png"
    )
    _files(tmp_path, "masks/deep/c_0007.png")
    assert _paired(tmp_path) == {
        "a.dcm": [(0, "a_0000.png"), (2, "a_0002.png")],
        "a_0001.png": [(0, "a_0001.png")],
        "deep/c.dcm": [(7, "deep/c_0007.png")],
        "v.nii.gz": [(3, "v_0003.png"), (12000, "v_12000.png")],
    }


def test_a_dicom_uid_is_a_name_with_dots(tmp_path) -> None:
    _files(tmp_path, "images/1.2.840.113.dcm", "masks/1.2.840.113.png")
    assert _paired(tmp_path) == {"1.2.840.113.dcm": [(0, "1.2.840.113.png")]}


def test_a_flat_folder_of_masks_serves_images_in_depth_whose_names_differ(tmp_path, caplog) -> None:
    _files(tmp_path, "images/p1/a.png", "images/p2/b.png", "masks/a.png", "masks/b.png", "masks/c.png")
    assert _paired(tmp_path) == {"p1/a.png": [(0, "a.png")], "p2/b.png": [(0, "b.png")]}
    assert "1 masks belong to no image" in caplog.text


def test_what_has_no_mask_is_counted(tmp_path) -> None:
    _files(tmp_path, "images/a.png", "images/b.png", "masks/a.png")
    with pytest.raises(TrainingError, match=r"1 images have no mask.*b\.png"):
        _paired(tmp_path)
