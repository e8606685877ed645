"""Files to read, made on the spot: DICOM of any layout and compression, and the source of a path."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage, generate_uid

from usassist.core.domain.frame import Source
from usassist.core.io.open_study import find_sources

MakeDicom = Callable[..., Path]


@pytest.fixture
def source_of() -> Callable[[Path], Source]:
    """Return the source of one file."""
    return lambda path: find_sources(path)[0]


@pytest.fixture
def make_dicom(tmp_path: Path) -> MakeDicom:
    """Return a function that writes frames (one array each) as a DICOM file and returns its path."""

    def make(frames: list[np.ndarray], *, name: str = "made.dcm", **elements: Any) -> Path:
        dataset = dicom_dataset(frames, **elements)
        path = tmp_path / name
        write_dicom(dataset, path)
        return path

    return make


def dicom_dataset(
    frames: list[np.ndarray],
    *,
    syntax: str = ExplicitVRLittleEndian,
    encoded: list[bytes] | None = None,
    **elements: Any,
) -> Dataset:
    """Return an ultrasound data set of these frames; `elements` are set last and may contradict them."""
    first = frames[0]
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = UltrasoundMultiFrameImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid(entropy_srcs=["usassist"])
    dataset.Modality = "US"
    dataset.Rows, dataset.Columns = first.shape[:2]
    dataset.SamplesPerPixel = 3 if first.ndim == 3 else 1
    dataset.PhotometricInterpretation = "RGB" if first.ndim == 3 else "MONOCHROME2"
    if first.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = 8 * first.dtype.itemsize
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(first.dtype.kind == "i")
    if len(frames) > 1:
        dataset.NumberOfFrames = len(frames)
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    if encoded is not None:
        dataset.PixelData = encapsulate(encoded)
        dataset["PixelData"].is_undefined_length = True
        dataset["PixelData"].VR = "OB"
    else:
        data = b"".join(frame.tobytes() for frame in frames)
        dataset.PixelData = data + b"\0" * (len(data) % 2)
        dataset["PixelData"].VR = "OW" if dataset.BitsAllocated > 8 else "OB"
    return dataset


def write_dicom(dataset: Dataset, path: Path) -> None:
    """Write a data set with preamble and meta information."""
    dataset.save_as(path, enforce_file_format=True)
