"""NIfTI, NRRD and MetaImage volumes through SimpleITK: every slice along the slowest axes is a frame.

Rows and columns are the file's own second and first axis; nothing is reoriented, so a mask written back lines up.
Whole numbers from 0 to 65,535 keep their stored values whatever type carries them; signed 8- and 16-bit values become
unsigned by adding half their range. Compressed volumes cannot be read in slices, so the volume is read once, when its
first frame is asked for, and held until the reader is closed.
"""

import gzip
import math
import re
import struct
import threading
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from usassist.core.domain.frame import Frame, FrameRef, ModalityFacts, Source, Study
from usassist.core.errors import ReadError
from usassist.core.io.reader import (
    HEAD_BYTES,
    MAX_FRAME_BYTES,
    ReaderSpec,
    check_bounds,
    check_frame_count,
    check_index,
    reading,
)

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

_FORMATS = {".nii": "NIfTI", ".nii.gz": "NIfTI", ".nrrd": "NRRD", ".mha": "MetaImage"}
_MAX_VOLUME_BYTES = 4 * MAX_FRAME_BYTES
_NIFTI_UNKNOWN_UNITS = 0


def sniff(head: bytes) -> bool:
    """Return whether the first bytes are those of a NIfTI (also compressed), NRRD or MetaImage file."""
    if head.startswith(b"\x1f\x8b"):
        try:
            head = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(head, 512)
        except zlib.error:
            return False
    is_nifti = head[344:348] in (b"n+1\0", b"ni1\0") or head[4:8] == b"n+2\0"
    return is_nifti or head.startswith(b"NRRD000") or head.lstrip()[:10] in (b"ObjectType", b"NDims = 2", b"NDims = 3 ")


def open_volume(source: Source) -> "VolumeReader":
    """Open a volume: reads its header only; raises ReadError."""
    suffix = next(
        (suffix for suffix in sorted(_FORMATS, reverse=True) if source.path.name.lower().endswith(suffix)), ""
    )
    if not suffix:
        raise ReadError(f"{source.relative} is a volume; name it .nii, .nii.gz, .nrrd or .mha so that it can be read.")
    with reading(source, "the volume's header"):
        _refuse_detached(source, suffix)
        reader = _itk_reader(source)
        reader.ReadImageInformation()
        size = [int(length) for length in reader.GetSize()]
        components = int(reader.GetNumberOfComponents())
        type_name = _type_name(reader)
        spacing = _spacing_mm(source, reader, suffix)
    dtype = np.dtype(type_name) if type_name else None
    if dtype is None or components not in (1, 3):
        raise ReadError(
            f"{source.relative} holds {components} component(s) of a type that is not read; expected grey or RGB of 8 "
            "or 16 bits. Convert it."
        )
    columns, rows = size[0], size[1] if len(size) > 1 else 0
    frames = math.prod(size[2:])
    check_bounds(source, rows=rows, columns=columns, samples=components, bytes_per_sample=dtype.itemsize)
    check_frame_count(source, frames)
    claimed = rows * columns * frames * components * dtype.itemsize
    if claimed > _MAX_VOLUME_BYTES:
        raise ReadError(
            f"{source.relative} claims {claimed / 1024**3:,.1f} GiB of pixels; volumes up to "
            f"{_MAX_VOLUME_BYTES / 1024**3:.0f} GiB are read. Split or crop it."
        )
    if suffix.startswith(".nii"):
        with reading(source, "the volume"):
            _check_nifti_is_complete(source, claimed)
    bits = 8 if dtype.itemsize == 1 else 16
    facts = ModalityFacts(
        format=_FORMATS[suffix], photometric="RGB" if components == 3 else "MONOCHROME2", bits_stored=bits
    )
    refs = tuple(FrameRef(source.key, index) for index in range(frames))
    return VolumeReader(Study(source, refs, rows, columns, facts), spacing=spacing)


class VolumeReader:
    """An open volume: header at once, pixels when the first frame is asked for."""

    def __init__(self, study: Study, *, spacing: tuple[float, float] | None) -> None:
        self._study = study
        self._spacing = spacing
        self._slices: Pixels | None = None
        self._lock = threading.Lock()

    @property
    def study(self) -> Study:
        return self._study

    @property
    def held_bytes(self) -> int:
        return 0 if self._slices is None else self._slices.nbytes

    def frame(self, index: int) -> Frame:
        """Return the slice at `index`: HxW or HxWx3 (RGB), uint8 or uint16; raises ReadError."""
        check_index(self._study, index)
        with self._lock:
            if self._slices is None:
                self._slices = self._load()
            pixels = self._slices[index].copy()
        return Frame(self._study.frames[index], pixels, spacing_mm=self._spacing, bits_stored=8 * pixels.dtype.itemsize)

    def close(self) -> None:
        """Let go of the volume's pixels."""
        with self._lock:
            self._slices = None

    def _load(self) -> Pixels:
        import SimpleITK

        study = self._study
        with reading(study.source, "the volume"):
            array = SimpleITK.GetArrayFromImage(_itk_reader(study.source).Execute())
            colour = (3,) if study.facts.photometric == "RGB" else ()
            slices = array.reshape(len(study.frames), study.rows, study.columns, *colour)
        return _as_unsigned(study.source, slices)


def _as_unsigned(source: Source, values: npt.NDArray[Any]) -> Pixels:
    if values.dtype in (np.uint8, np.uint16):
        return values
    if values.dtype in (np.int8, np.int16):
        half = 1 << (8 * values.dtype.itemsize - 1)
        unsigned = values.astype(np.int32) + half
        return unsigned.astype(np.uint8) if half == 128 else unsigned.astype(np.uint16)
    low, high = (values.min(), values.max()) if values.size else (0, 0)
    # NaN fails both comparisons.
    if not (low >= 0 and high <= 0xFFFF) or (values.dtype.kind == "f" and np.any(values != np.rint(values))):
        raise ReadError(
            f"{source.relative} holds {values.dtype} values from {low} to {high}; expected whole numbers from 0 to "
            "65,535. Convert it to 8 or 16 bits."
        )
    return values.astype(np.uint16)


def _itk_reader(source: Source) -> Any:
    import SimpleITK

    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(source.path))
    return reader


def _type_name(reader: Any) -> str:
    """Return the numpy name of the volume's samples, "" where we do not read them (complex and label types)."""
    import SimpleITK

    kind = SimpleITK.GetPixelIDValueAsString(reader.GetPixelIDValue())
    match = re.fullmatch(r"(?:vector of )?(?:(\d+)-bit )?(un)?(signed integer|float|double)", kind.strip())
    match = match or re.fullmatch(r"(?:vector of )?(\d+)-bit (un)?(signed integer|float|double)", kind.strip())
    if match is None:
        return ""
    bits = match.group(1) or ("64" if match.group(3) == "double" else "32")
    if match.group(3) != "signed integer":
        return f"float{bits}"
    return f"{'u' if match.group(2) else ''}int{bits}"


def _header_text(source: Source) -> str:
    with source.path.open("rb") as file:
        return file.read(HEAD_BYTES * 4).decode("latin-1")


def _refuse_detached(source: Source, suffix: str) -> None:
    """Raise ReadError where a header points at pixels in another file: that file could be anything, anywhere."""
    text = _header_text(source)
    field = {".nrrd": r"^data ?file:", ".mha": r"^ElementDataFile\s*=(?!\s*LOCAL\b)"}.get(suffix)
    header = text.split("\n\n")[0] if suffix == ".nrrd" else text
    if field is not None and re.search(field, header, flags=re.MULTILINE | re.IGNORECASE):
        raise ReadError(f"{source.relative} keeps its pixels in another file; save it as one file.")


def _check_nifti_is_complete(source: Source, needed: int) -> None:
    """Raise EOFError where pixels are missing: the NIfTI library would hand out zeros for them."""
    is_packed = source.path.name.lower().endswith(".gz")
    with gzip.open(source.path) if is_packed else source.path.open("rb") as file:
        header = file.read(352)
        order = "<" if header[:4] in (b"\x5c\x01\0\0", b"\x1c\x02\0\0") else ">"
        is_second = header[4:8] == b"n+2\0"
        offset = (
            struct.unpack_from(f"{order}q", header, 168) if is_second else struct.unpack_from(f"{order}f", header, 108)
        )
        missing = int(offset[0]) + needed - len(header)
        while missing > 0:
            piece = file.read(min(missing, 1 << 22))
            if not piece:
                raise EOFError(f"{missing} of {needed} bytes of pixels are missing")
            missing -= len(piece)


def _spacing_mm(source: Source, reader: Any, suffix: str) -> tuple[float, float] | None:
    """Return (row, col) mm, None where the file does not declare lengths.

    Libraries write a spacing of exactly 1 where they know none, so that is taken as unknown.
    """
    if suffix.startswith(".nii"):
        keys = reader.GetMetaDataKeys()
        units = int(float(reader.GetMetaData("xyzt_units"))) & 0b111 if "xyzt_units" in keys else _NIFTI_UNKNOWN_UNITS
        declared = units != _NIFTI_UNKNOWN_UNITS
    else:
        field = r"^space directions:|^spacings:" if suffix == ".nrrd" else r"^Element(Spacing|Size)\s*="
        text = _header_text(source)
        units_of_nrrd = re.search(r"^space units:(.*)$", text, flags=re.MULTILINE)
        is_mm = units_of_nrrd is None or "mm" in units_of_nrrd.group(1)
        declared = is_mm and re.search(field, text, flags=re.MULTILINE) is not None
    column, row = (float(value) for value in reader.GetSpacing()[:2])
    usable = all(math.isfinite(value) and value > 0 for value in (row, column)) and (row, column) != (1.0, 1.0)
    return (row, column) if declared and usable else None


SPEC = ReaderSpec(name="volume", suffixes=tuple(_FORMATS), sniff=sniff, open=open_volume)
