"""A DICOM file up to its pixels: what it declares, and where the pixel data begins.

Only the elements that are used are kept, so a reader stays small however much private data a vendor added.
"""

import io
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from usassist.core.domain.frame import Source
from usassist.core.errors import ReadError
from usassist.core.io.dicom_head import looks_like_bare_dicom, looks_like_dicom
from usassist.core.io.reader import HEAD_BYTES

DEFLATED = "1.2.840.10008.1.2.1.99"
_DICOMDIR = "1.2.840.10008.1.3.10"
_IMPLICIT, _EXPLICIT, _EXPLICIT_BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
_MAX_INFLATED = 1024**3
_UNDEFINED_LENGTH = 0xFFFFFFFF
_PIXEL_DATA = (0x7FE0, 0x0010)
_PIXEL_VRS = (b"OB", b"OW", b"UN")
_FLOAT_PIXELS = ((0x7FE0, 0x0008), (0x7FE0, 0x0009))

_KEYWORDS = [
    *("SOPClassUID", "Modality", "Manufacturer", "ManufacturerModelName"),
    *("SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames", "Rows", "Columns"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
    *("WindowCenter", "WindowWidth", "VOILUTFunction", "RescaleSlope", "RescaleIntercept"),
    *("FrameIncrementPointer", "FrameTime", "FrameTimeVector", "ActualFrameDuration", "CineRate"),
    *("RecommendedDisplayFrameRate", "SequenceOfUltrasoundRegions", "PixelSpacing", "ImagerPixelSpacing"),
    *("SharedFunctionalGroupsSequence", "ExtendedOffsetTable", "ExtendedOffsetTableLengths"),
    *(f"{colour}PaletteColorLookupTableDescriptor" for colour in ("Red", "Green", "Blue")),
    *(f"{colour}PaletteColorLookupTableData" for colour in ("Red", "Green", "Blue")),
    *(f"Segmented{colour}PaletteColorLookupTableData" for colour in ("Red", "Green", "Blue")),
]


@dataclass(frozen=True)
class DicomHeader:
    """The used elements of a file and the place of its pixel data.

    `dataset` is a pydicom Dataset without pixels. `start` and `length` are the position and length in bytes of the
    pixel data's value, `length` None where it is undefined (compressed frames). `inflated` holds the value where the
    whole file is deflated; `start` is then 0.
    """

    dataset: Any
    syntax: str
    start: int
    length: int | None
    pixel_vr: str
    inflated: bytes | None = None

    def open(self, path: Path) -> BinaryIO:
        """Return a stream positioned at the pixel data's value; the caller closes it."""
        if self.inflated is not None:
            return io.BytesIO(self.inflated)
        file = path.open("rb")
        file.seek(self.start)
        return file


def read_header(source: Source) -> DicomHeader:
    """Read everything before the pixels; raises ReadError where there is nothing to show, library errors as they come.

    Files without the "DICM" mark are read as bare data sets where they begin like one.
    """
    with source.path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        file.seek(0)
        if not looks_like_dicom(head) and not looks_like_bare_dicom(head):
            raise ReadError(f"{source.relative} is not DICOM: it has no DICM mark at byte 128. Check what kind it is.")
        if DEFLATED.encode() in head:
            return _read_deflated(source, file)
        return _read_plain(source, file)


def _read_plain(source: Source, file: BinaryIO) -> DicomHeader:
    import pydicom

    dataset = pydicom.dcmread(file, stop_before_pixels=True, force=True, specific_tags=list(_KEYWORDS))
    is_implicit, is_little = dataset.original_encoding
    _refuse_index(source, dataset)
    syntax = str(dataset.file_meta.get("TransferSyntaxUID", None) or "")
    if not syntax:  # a bare data set says nothing, but how it parsed does
        syntax = _IMPLICIT if is_implicit else _EXPLICIT if is_little else _EXPLICIT_BIG
    order = "<" if is_little else ">"
    beginning = file.read(8)
    if len(beginning) < 8:
        raise _no_picture(source, dataset)
    tag = struct.unpack(f"{order}HH", beginning[:4])
    if tag in _FLOAT_PIXELS:
        raise ReadError(f"{source.relative} holds floating-point pixels; expected 8- or 16-bit integers. Convert it.")
    if tag != _PIXEL_DATA:
        raise _no_picture(source, dataset)
    vr = "OW"
    (length,) = struct.unpack(f"{order}I", beginning[4:])
    # Some writers announce explicit elements and write implicit ones; the letters are there or they are not.
    if beginning[4:6] in _PIXEL_VRS:
        vr = beginning[4:6].decode()
        (length,) = struct.unpack(f"{order}I", file.read(4))
    return DicomHeader(dataset, syntax, file.tell(), None if length == _UNDEFINED_LENGTH else length, vr)


def _read_deflated(source: Source, file: BinaryIO) -> DicomHeader:
    """Read a deflated file, which has to be inflated as a whole; a decompression bomb is refused first."""
    import pydicom

    meta = pydicom.filereader.read_file_meta_info(source.path)
    file.seek(132 + 12 + int(meta.FileMetaInformationGroupLength))
    _check_inflated_size(source, file)
    file.seek(0)
    dataset = pydicom.dcmread(file)
    _refuse_index(source, dataset)
    if "PixelData" not in dataset:
        raise _no_picture(source, dataset)
    pixels = bytes(dataset["PixelData"].value)
    del dataset.PixelData
    return DicomHeader(dataset, DEFLATED, 0, len(pixels), "OW", inflated=pixels)


def _check_inflated_size(source: Source, file: BinaryIO) -> None:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    total = 0
    pending = file.read(1 << 20)
    while pending and not inflater.eof:
        total += len(inflater.decompress(pending, 1 << 24))
        pending = inflater.unconsumed_tail or file.read(1 << 20)
        if total > _MAX_INFLATED:
            raise ReadError(
                f"{source.relative} inflates to more than {_MAX_INFLATED // 1024**2} MiB; it is refused as damaged or "
                "hostile. Export it again with another transfer syntax."
            )


def _refuse_index(source: Source, dataset: Any) -> None:
    if str(dataset.file_meta.get("MediaStorageSOPClassUID", "")) == _DICOMDIR:
        raise ReadError(f"{source.relative} is a DICOMDIR, an index of other files; open the folder that holds it.")


def _no_picture(source: Source, dataset: Any) -> ReadError:
    from pydicom.uid import UID

    kind = UID(str(dataset.get("SOPClassUID", None) or "")).name
    what = f"DICOM ({kind})" if kind else "DICOM"
    return ReadError(
        f"{source.relative} is {what} without pixel data: there is no picture in it, or it is cut short. Choose an "
        "image or cine file."
    )
