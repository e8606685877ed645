"""Volumes: slices in order, exact values, spacing only where it is declared."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK

from usassist.core.domain.frame import Source
from usassist.core.errors import ReadError
from usassist.core.io import volume
from usassist.core.io.open_study import open_source

SourceOf = Callable[[Path], Source]
RNG = np.random.default_rng(5)
SUFFIXES = [".nii", ".nii.gz", ".nrrd", ".mha"]


def write(path: Path, array: np.ndarray, *, spacing: tuple[float, ...] | None = None, is_vector: bool = False) -> Path:
    image = SimpleITK.GetImageFromArray(array, isVector=is_vector)
    if spacing is not None:
        image.SetSpacing(spacing)
    SimpleITK.WriteImage(image, str(path), useCompression=path.suffix != ".nii")
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_slices_are_frames(tmp_path: Path, source_of: SourceOf, suffix: str, dtype: Any) -> None:
    array = RNG.integers(0, np.iinfo(dtype).max + 1, (4, 5, 6)).astype(dtype)
    reader = open_source(source_of(write(tmp_path / f"a{suffix}", array, spacing=(0.2, 0.3, 2.0))))
    assert (reader.study.rows, reader.study.columns, len(reader.study.frames)) == (5, 6, 4)
    assert reader.held_bytes == 0
    for index in (3, 0):
        frame = reader.frame(index)
        assert frame.pixels.dtype == dtype
        assert np.array_equal(frame.pixels, array[index])
        assert frame.spacing_mm == pytest.approx((0.3, 0.2))
    assert reader.held_bytes == array.nbytes
    reader.close()
    assert reader.held_bytes == 0


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_spacing_of_one_is_unknown(tmp_path: Path, source_of: SourceOf, suffix: str) -> None:
    path = write(tmp_path / f"a{suffix}", RNG.integers(0, 256, (2, 5, 6)).astype(np.uint8))
    assert open_source(source_of(path)).frame(0).spacing_mm is None


def test_nifti_without_units_has_no_spacing(tmp_path: Path, source_of: SourceOf) -> None:
    path = write(tmp_path / "a.nii", RNG.integers(0, 256, (2, 5, 6)).astype(np.uint8), spacing=(0.2, 0.3, 1))
    data = bytearray(path.read_bytes())
    data[123] = 0  # xyzt_units
    path.write_bytes(data)
    assert open_source(source_of(path)).frame(0).spacing_mm is None


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_colour(tmp_path: Path, source_of: SourceOf, suffix: str) -> None:
    array = RNG.integers(0, 256, (2, 5, 6, 3)).astype(np.uint8)
    path = write(tmp_path / f"a{suffix}", array, is_vector=True)
    if suffix.startswith(".nii"):  # a plain NIfTI vector is no colour; RGB24 is
        image = SimpleITK.GetImageFromArray(array, isVector=True)
        SimpleITK.WriteImage(image, str(path))
    frame = open_source(source_of(path)).frame(1)
    assert np.array_equal(frame.pixels, array[1])


def test_one_slice_and_four_dimensions(tmp_path: Path, source_of: SourceOf) -> None:
    flat = RNG.integers(0, 256, (5, 6)).astype(np.uint8)
    reader = open_source(source_of(write(tmp_path / "flat.mha", flat)))
    assert len(reader.study.frames) == 1
    assert np.array_equal(reader.frame(0).pixels, flat)
    moving = RNG.integers(0, 256, (3, 2, 5, 6)).astype(np.uint8)
    image = SimpleITK.JoinSeries([SimpleITK.GetImageFromArray(part) for part in moving])
    SimpleITK.WriteImage(image, str(tmp_path / "moving.nii.gz"))
    reader = open_source(source_of(tmp_path / "moving.nii.gz"))
    assert len(reader.study.frames) == 6
    assert np.array_equal(reader.frame(3).pixels, moving[1, 1])


def test_whole_numbers_in_other_types_keep_their_value(tmp_path: Path, source_of: SourceOf) -> None:
    values = RNG.integers(0, 60000, (2, 5, 6))
    for dtype in (np.float32, np.int32, np.float64, np.uint32):
        path = write(tmp_path / "a.nrrd", values.astype(dtype))
        assert np.array_equal(open_source(source_of(path)).frame(1).pixels, values[1])


@pytest.mark.parametrize(("dtype", "half"), [(np.int8, 128), (np.int16, 32768)])
def test_signed_values_move_up(tmp_path: Path, source_of: SourceOf, dtype: Any, half: int) -> None:
    values = RNG.integers(-half, half, (2, 5, 6)).astype(dtype)
    frame = open_source(source_of(write(tmp_path / "a.mha", values))).frame(0)
    assert np.array_equal(frame.pixels.astype(int), values[0].astype(int) + half)


@pytest.mark.parametrize("value", [0.5, -1.0, 70000.0, float("nan")])
def test_other_numbers_are_refused(tmp_path: Path, source_of: SourceOf, value: float) -> None:
    path = write(tmp_path / "a.nrrd", np.full((2, 3, 4), value, dtype=np.float32))
    with pytest.raises(ReadError, match="whole numbers"):
        open_source(source_of(path)).frame(0)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_cut_volumes_are_reasons(tmp_path: Path, source_of: SourceOf, suffix: str) -> None:
    path = write(tmp_path / f"a{suffix}", RNG.integers(0, 256, (9, 30, 30)).astype(np.uint8))
    data = path.read_bytes()
    for cut in (40, 360, len(data) // 2, len(data) - 60):
        path.write_bytes(data[:cut])
        with pytest.raises(ReadError, match=r"a\."):
            open_source(source_of(path)).frame(8)


def test_claims_are_checked_before_reading(
    tmp_path: Path, source_of: SourceOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.mha").write_text(
        "ObjectType = Image\nNDims = 2\nDimSize = 100000 100000\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n"
    )
    with pytest.raises(ReadError, match="100000 x 100000"):
        open_source(source_of(tmp_path / "a.mha"))
    monkeypatch.setattr(volume, "_MAX_VOLUME_BYTES", 10)
    with pytest.raises(ReadError, match="GiB of pixels"):
        open_source(source_of(write(tmp_path / "b.mha", np.zeros((2, 3, 4), np.uint8))))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "a.mha",
            "ObjectType = Image\nNDims = 2\nDimSize = 4 4\nElementType = MET_UCHAR\nElementDataFile = /etc/passwd\n",
        ),
        ("a.nrrd", "NRRD0004\ntype: uchar\ndimension: 2\nsizes: 4 4\nencoding: raw\ndata file: /etc/passwd\n\n"),
    ],
)
def test_pixels_in_another_file_are_refused(tmp_path: Path, source_of: SourceOf, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ReadError, match="another file"):
        open_source(source_of(tmp_path / name))


def test_a_volume_without_suffix_says_what_to_do(tmp_path: Path, source_of: SourceOf) -> None:
    path = write(tmp_path / "a.nii", np.zeros((2, 3, 4), np.uint8)).rename(tmp_path / "volume")
    with pytest.raises(ReadError, match="name it"):
        open_source(source_of(path))


def test_complex_numbers_are_refused(tmp_path: Path, source_of: SourceOf) -> None:
    image = SimpleITK.Image([4, 4], SimpleITK.sitkComplexFloat32)
    SimpleITK.WriteImage(image, str(tmp_path / "a.mha"))
    with pytest.raises(ReadError, match="type that is not read"):
        open_source(source_of(tmp_path / "a.mha"))
