"""NIfTI masks keep their pixels, their orientation and a spacing that is known."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - its own documentation's name

from usassist.core.domain import Box, Frame, FrameRef, Mask, ScanRegion
from usassist.core.errors import ExchangeError
from usassist.core.exchange import nifti

SHAPE = (20, 30)
PIXELS = np.zeros(SHAPE, dtype=np.bool_)
PIXELS[2:8, 3:12] = True
PIXELS[4, 5] = False
MASK = Mask.from_array(PIXELS)


def frame(*regions: ScanRegion, spacing: tuple[float, float] | None = None) -> Frame:
    return Frame(FrameRef("a-00000000", 0), np.zeros(SHAPE, np.uint8), regions, spacing)


def test_columns_are_x_and_rows_are_y(tmp_path: Path) -> None:
    path = tmp_path / "ä" / "a.nii.gz"
    nifti.write(path, MASK, frame=frame(spacing=(0.1, 0.25)))
    image = sitk.ReadImage(str(path))
    assert image.GetSize() == (30, 20)
    assert image.GetSpacing() == pytest.approx((0.25, 0.1))
    assert np.array_equal(sitk.GetArrayFromImage(image), PIXELS)
    assert nifti.read(path, SHAPE) == MASK
    assert [found.name for found in path.parent.iterdir()] == ["a.nii.gz"]


def test_an_unknown_spacing_is_said(tmp_path: Path) -> None:
    left, right = Box(0, 0, 20, 15), Box(0, 15, 20, 30)
    known, other = ScanRegion(left, "b_mode", (0.2, 0.3)), ScanRegion(right, "b_mode", (0.4, 0.4))
    crossing = PIXELS.copy()
    crossing[3, 12:20] = True
    for mask, given, spacing in (
        (MASK, None, None),
        (MASK, frame(), None),
        (MASK, frame(known, other), (0.2, 0.3)),
        (Mask.from_array(crossing), frame(known, other), None),
        (Mask.empty(SHAPE), frame(known, other), None),
        (Mask.empty(SHAPE), frame(spacing=(0.5, 0.6)), (0.5, 0.6)),
    ):
        nifti.write(tmp_path / "a.nii.gz", mask, frame=given)
        image = sitk.ReadImage(str(tmp_path / "a.nii.gz"))
        assert image.GetSpacing() == pytest.approx((1, 1) if spacing is None else spacing[::-1])
        assert ("unknown" in image.GetMetaData("descrip")) == (spacing is None)
        assert image.GetMetaData("xyzt_units") == ("0" if spacing is None else "10")
        assert nifti.read(tmp_path / "a.nii.gz", SHAPE) == mask


def test_the_same_mask_gives_the_same_bytes(tmp_path: Path) -> None:
    nifti.write(tmp_path / "a.nii.gz", MASK)
    nifti.write(tmp_path / "b.nii.gz", MASK)
    nifti.write(tmp_path / "c.nii", MASK)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
    assert gzip.decompress((tmp_path / "a.nii.gz").read_bytes()) == (tmp_path / "c.nii").read_bytes()
    assert nifti.read(tmp_path / "c.nii", SHAPE) == MASK


def test_a_volume_of_one_slice_and_every_label_but_0(tmp_path: Path) -> None:
    path = str(tmp_path / "a.nii")
    sitk.WriteImage(sitk.GetImageFromArray(PIXELS[None].astype(np.float32) * 3), path)
    assert nifti.read(Path(path), SHAPE) == MASK


def test_what_is_no_mask_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    nifti.write(path, MASK)
    whole = path.read_bytes()
    with pytest.raises(ExchangeError, match=r"has 20 x 30 pixels .* has 30 x 20"):
        nifti.read(path, (30, 20))
    for data in (b"", b"text", whole[: len(whole) // 2]):
        path.write_bytes(data)
        with pytest.raises(ExchangeError):
            nifti.read(path, SHAPE)
    with pytest.raises(ExchangeError, match="is no file"):
        nifti.read(tmp_path / "missing.nii", SHAPE)
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((3, *SHAPE), np.uint8)), str(path))
    with pytest.raises(ExchangeError, match="one slice"):
        nifti.read(path, SHAPE)
    sitk.WriteImage(sitk.GetImageFromArray(np.full(SHAPE, 0.5, np.float32)), str(path))
    with pytest.raises(ExchangeError, match="fractions"):
        nifti.read(path, SHAPE)
