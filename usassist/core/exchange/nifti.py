"""Masks as compressed NIfTI label images, for ITK-SNAP, 3D Slicer and nnU-Net."""

import gzip
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from usassist.core.domain import Frame, Mask
from usassist.core.errors import ExchangeError
from usassist.core.exchange.format import FormatSpec, check_size
from usassist.core.geometry.measure import spacing_of
from usassist.core.project import atomic

_MAX_BYTES = 256 * 2**20
_MAX_PIXELS = 2**27
# NIfTI-1 header, field xyzt_units; ITK always writes 10 there, mm and seconds.
_UNITS_AT = 123


def write(path: Path, mask: Mask, *, frame: Frame | None = None) -> None:
    """Write a 2-D uint8 image, 0 outside and 1 inside, in one step; compressed unless the name ends in ".nii".

    The spacing is in mm where all of the mask lies in one scan region that declares it. Else it is 1, the header's
    units are "unknown" and its description says so: a reader must not take pixels for mm. Raises ExchangeError.
    """
    if min(mask.shape) == 0:
        raise ExchangeError(f"A mask of {mask.shape[0]} x {mask.shape[1]} pixels cannot be a NIfTI image: {path}.")
    try:
        data = _encoded(mask, _spacing(mask, frame))
    except (RuntimeError, OSError) as fault:
        raise ExchangeError(f"{path} was not written: {_reason(fault)}. Check the disk and retry.") from fault
    atomic.make_folder(path.parent, error=ExchangeError)
    # No time stamp in the archive: the same mask gives the same bytes.
    atomic.write_bytes(path, data if path.suffix == ".nii" else gzip.compress(data, mtime=0), error=ExchangeError)


def read(path: Path, shape: tuple[int, int]) -> Mask:
    """Return the mask of a frame of `shape` (rows, columns): every label but 0.

    A volume is taken if it has one slice. The header is checked before pixels are read; raises ExchangeError.
    """
    import SimpleITK as sitk  # noqa: N813 - its own documentation's name

    if not path.is_file():
        raise ExchangeError(f"{path} is no file. Check the path.")
    if path.stat().st_size > _MAX_BYTES:
        raise ExchangeError(f"{path} is larger than {_MAX_BYTES:,} bytes, which no mask is. Check the file.")
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO("NiftiImageIO")
    try:
        reader.ReadImageInformation()
        _check_header(path, reader, shape)
        values = sitk.GetArrayFromImage(reader.Execute())
    except RuntimeError as fault:
        raise ExchangeError(f"{path} is no whole NIfTI image: {_reason(fault)}. Write or copy it again.") from fault
    values = values.reshape(shape)
    if not np.issubdtype(values.dtype, np.integer) and not np.array_equal(values, np.rint(values)):
        raise ExchangeError(f"{path} holds fractions, not labels. Threshold it first; a mask has whole numbers.")
    return Mask.from_array(values != 0)


def _encoded(mask: Mask, spacing: tuple[float, float] | None) -> bytes:
    """Return an uncompressed NIfTI-1 file; `spacing` is (row, col) in mm, None where it is unknown."""
    import SimpleITK as sitk  # noqa: N813 - its own documentation's name

    image = sitk.GetImageFromArray(mask.to_array().astype(np.uint8))
    if spacing is not None:
        image.SetSpacing((spacing[1], spacing[0]))
    # ITK's name for the header's field "descrip".
    image.SetMetaData("ITK_FileNotes", f"usassist mask, spacing {'unknown' if spacing is None else 'in mm'}")
    with tempfile.TemporaryDirectory(prefix="usassist-") as folder:
        file = Path(folder) / "mask.nii"
        sitk.WriteImage(image, str(file), useCompression=False)
        data = bytearray(file.read_bytes())
    if spacing is None:
        data[_UNITS_AT] = 0
    return bytes(data)


def _check_header(path: Path, reader: Any, shape: tuple[int, int]) -> None:
    columns, rows, *deeper = reader.GetSize()
    if reader.GetNumberOfComponents() != 1 or any(size != 1 for size in deeper):
        raise ExchangeError(
            f"{path} has the size {reader.GetSize()} and {reader.GetNumberOfComponents()} values a pixel; a mask has "
            "one slice and one value a pixel. Export the slice you want."
        )
    check_size(path, (rows, columns), shape)
    if rows * columns > _MAX_PIXELS:
        raise ExchangeError(f"{path} claims {rows} x {columns} pixels, which no ultrasound frame has.")


def _spacing(mask: Mask, frame: Frame | None) -> tuple[float, float] | None:
    """Return (row, col) mm per pixel where it holds for the whole mask, None where it is unknown."""
    if frame is None:
        return None
    return spacing_of(mask, frame) if not mask.is_empty else frame.spacing_mm


def _reason(fault: Exception) -> str:
    lines = [line.strip() for line in str(fault).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else "SimpleITK gave no reason"


SPEC = FormatSpec(name="nifti", suffix=".nii.gz", write=write, read=read)
