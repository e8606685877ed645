"""Decoding one DICOM frame to the values usassist works with.

Grey frames keep their stored values: no rescale, no window, no inversion. Signed values become unsigned by adding
2 ** (bits_stored - 1), so that the smallest possible value is 0; a declared window is moved by the same amount. YBR and
palette frames are decoded to RGB, which is what was on the scanner's screen: uint8, a 16-bit palette by its high byte.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from usassist.core.domain.frame import Source
from usassist.core.errors import ReadError
from usassist.core.io.dicom_header import DicomHeader
from usassist.core.io.fragments import FrameFragments, read_fragments
from usassist.core.io.gdcm_apart import decode_apart
from usassist.core.io.gdcm_child import GdcmRequest
from usassist.core.io.headers import codestream_claim
from usassist.core.io.jpeg import decode_jpeg8

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
Palette = npt.NDArray[np.uint8]

_JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
_JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
_GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
# 8-bit sequential JPEG goes to OpenCV; what only gdcm decodes goes to gdcm in a process of its own.
_SEQUENTIAL_JPEG = (_JPEG_BASELINE, _JPEG_EXTENDED)
_JPEG = (*_SEQUENTIAL_JPEG, "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")
# The plug-ins that are used for the rest, in this order: gdcm and pillow are not among them.
_PLUGIN_ORDER = ("pylibjpeg", "pyjpegls", "pydicom")
_PACKAGES = {
    "1.2.840.10008.1.2.4.50": "python-gdcm",
    "1.2.840.10008.1.2.4.51": "python-gdcm",
    "1.2.840.10008.1.2.4.57": "python-gdcm",
    "1.2.840.10008.1.2.4.70": "python-gdcm",
    "1.2.840.10008.1.2.4.80": "pyjpegls",
    "1.2.840.10008.1.2.4.81": "pyjpegls",
    "1.2.840.10008.1.2.4.90": "pylibjpeg pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.91": "pylibjpeg pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.201": "pylibjpeg pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.202": "pylibjpeg pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.203": "pylibjpeg pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.5": "pylibjpeg pylibjpeg-rle",
}


@dataclass(frozen=True, slots=True)
class PixelLayout:
    """How a file's pixels are laid out: the Image Pixel module (DICOM PS3.3 C.7.6.3), with defaults filled in."""

    rows: int
    columns: int
    samples: int
    allocated: int
    stored: int
    high_bit: int
    signed: bool
    photometric: str
    planar: int
    frames: int

    @property
    def is_grey(self) -> bool:
        return self.photometric in _GREY

    @property
    def offset(self) -> int:
        """Return what is added to stored values to make them unsigned."""
        return 1 << (self.stored - 1) if self.signed else 0

    @property
    def frame_bytes(self) -> float:
        """Return the bytes of one uncompressed frame; a bit-packed one may end within a byte."""
        samples = 2.0 if self.photometric == "YBR_FULL_422" else float(self.samples)
        return self.rows * self.columns * samples * self.allocated / 8


def pixel_layout(source: Source, dataset: Any) -> PixelLayout:
    """Return the layout of a pydicom Dataset; raises ReadError where it is incomplete or of a kind not read."""

    def number(keyword: str, default: int | None = None) -> int:
        value = dataset.get(keyword, None)
        if value is None or value == "":
            if default is None:
                raise ReadError(f"{source.relative} does not declare its {keyword}; the file is damaged.")
            return default
        return int(value)

    allocated = number("BitsAllocated")
    stored = number("BitsStored", allocated)
    samples = number("SamplesPerPixel", 1)
    layout = PixelLayout(
        rows=number("Rows"),
        columns=number("Columns"),
        samples=samples,
        allocated=allocated,
        stored=stored,
        high_bit=number("HighBit", stored - 1),
        signed=number("PixelRepresentation", 0) == 1,
        photometric=str(dataset.get("PhotometricInterpretation", None) or ("MONOCHROME2", "RGB")[samples == 3]).strip(),
        planar=number("PlanarConfiguration", 0),
        # 0 frames are written by some scanners for a still.
        frames=number("NumberOfFrames", 1) or 1,
    )
    _check_layout(source, layout)
    return layout


def _check_layout(source: Source, layout: PixelLayout) -> None:
    expected = 3 if layout.photometric in _COLOUR else 1
    if layout.photometric not in (*_GREY, *_COLOUR, "PALETTE COLOR"):
        raise ReadError(
            f"{source.relative} has the photometric interpretation {layout.photometric!r}; expected grey, palette, RGB "
            "or YBR. Export it as RGB."
        )
    if layout.samples != expected:
        raise ReadError(
            f"{source.relative} declares {layout.samples} samples a pixel for {layout.photometric}; expected "
            f"{expected}. The file is damaged."
        )
    if layout.allocated not in (1, 8, 16, 32) or not 1 <= layout.stored <= layout.allocated:
        raise ReadError(
            f"{source.relative} declares {layout.stored} bits stored in {layout.allocated}; expected 1 to 16 bits in "
            "1, 8, 16 or 32. The file is damaged."
        )
    if layout.stored > 16:
        raise ReadError(
            f"{source.relative} stores {layout.stored} bits a sample; ultrasound of up to 16 bits is read. Convert it."
        )


def check_decoder(source: Source, syntax: str, *, bits: int) -> None:
    """Raise ReadError where no decoder is installed for a transfer syntax, naming the package where there is one."""
    from pydicom.pixels import get_decoder
    from pydicom.uid import UID

    name = UID(syntax).name
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError as error:
        raise ReadError(
            f"{source.relative} is compressed as {name}, which is not read yet. Export it uncompressed, or with JPEG "
            "or JPEG 2000."
        ) from error
    if decoder.is_native or (syntax in _SEQUENTIAL_JPEG and bits <= 8):
        return
    if not ("gdcm" in decoder.available_plugins if syntax in _JPEG else _plugins(decoder)):
        package = _PACKAGES.get(syntax, "pylibjpeg")
        raise ReadError(
            f"{source.relative} is compressed as {name}; the package that decodes it is missing. Install it with: "
            f"pip install {package}"
        )


def palette_table(layout: PixelLayout, dataset: Any) -> Palette:
    """Return the RGB of every stored value as an Nx3 uint8 table, from plain or segmented palette tables."""
    from pydicom.pixels import apply_color_lut

    values = np.arange(1 << layout.allocated, dtype=np.uint16 if layout.allocated == 16 else np.uint8)
    table = apply_color_lut(values, dataset)
    if table.dtype == np.uint8:
        return np.ascontiguousarray(table)
    # 16-bit palettes hold colours in the high byte, except those of writers that filled only the low one.
    return (table >> 8 if int(table.max()) > 255 else table).astype(np.uint8)


def decode_native(header: DicomHeader, layout: PixelLayout, path: Path, *, index: int) -> npt.NDArray[Any]:
    """Decode frame `index` of uncompressed pixel data; reads only that frame's bytes."""
    from pydicom.pixels import get_decoder

    shift = layout.high_bit - layout.stored + 1
    options = _options(header, layout) | {"pixel_vr": header.pixel_vr, "correct_unused_bits": shift <= 0}
    with header.open(path) as stream:
        array, _ = get_decoder(header.syntax).as_array(stream, index=index, **options)
    return array >> shift if shift > 0 else array


def decode_compressed(
    source: Source, header: DicomHeader, layout: PixelLayout, fragments: FrameFragments
) -> npt.NDArray[Any]:
    """Decode the frame that lies in `fragments`; raises ReadError where its own size is not the declared one."""
    with source.path.open("rb") as file:
        data = read_fragments(file, fragments)
    claim = codestream_claim(data)
    # A decoder allocates what the codestream claims, so the claim has to be the one that passed the bounds. 0 rows
    # are legal in JPEG: the number of lines then follows the picture.
    if claim is not None and ((claim.rows or layout.rows), claim.columns) != (layout.rows, layout.columns):
        raise ReadError(
            f"{source.relative} declares {layout.columns} x {layout.rows} pixels and holds a frame of "
            f"{claim.columns} x {claim.rows}; the file is damaged."
        )
    if claim is not None and claim.samples != layout.samples:
        raise ReadError(
            f"{source.relative} declares {layout.samples} samples a pixel and holds a frame of {claim.samples}; the "
            "file is damaged."
        )
    options = _options(header, layout) | {"number_of_frames": 1}
    if header.syntax in _SEQUENTIAL_JPEG and claim is not None and claim.bits == 8:
        return decode_jpeg8(data, photometric=layout.photometric)
    if header.syntax in _JPEG:
        return decode_apart(GdcmRequest(data, header.syntax, options))
    return _decode_with_plugin(header.syntax, data, options)


def _options(header: DicomHeader, layout: PixelLayout) -> dict[str, Any]:
    """Return the layout in the words of pydicom's decoders."""
    from pydicom.uid import UID

    return {
        "rows": layout.rows,
        "columns": layout.columns,
        "samples_per_pixel": layout.samples,
        "photometric_interpretation": layout.photometric,
        "bits_allocated": layout.allocated,
        "bits_stored": layout.stored,
        "pixel_representation": int(layout.signed),
        "planar_configuration": layout.planar,
        "number_of_frames": layout.frames,
        "pixel_keyword": "PixelData",
        "transfer_syntax_uid": UID(header.syntax),
    }


def _decode_with_plugin(syntax: str, data: bytes, options: dict[str, Any]) -> npt.NDArray[Any]:
    from pydicom.encaps import encapsulate
    from pydicom.pixels import get_decoder

    decoder = get_decoder(syntax)
    # One decoder and no second try: with several, pydicom would go on to gdcm, which may abort the process.
    plugin = min(_plugins(decoder), key=_PLUGIN_ORDER.index)
    array: npt.NDArray[Any] = decoder.as_array(
        encapsulate([data], has_bot=False), index=0, decoding_plugin=plugin, **options
    )[0]
    return array


def _plugins(decoder: Any) -> list[str]:
    """Return the installed plug-ins that are let into this process."""
    return [name for name in decoder.available_plugins if name in _PLUGIN_ORDER]


def to_stored(array: npt.NDArray[Any], layout: PixelLayout, palette: Palette | None) -> Pixels:
    """Return a decoded array as a frame's pixels: HxW or HxWx3, uint8 or uint16, in the machine's byte order."""
    if palette is not None:
        # Signed indices name the same entries as their bits read without a sign; np.take is four times faster than [].
        indices = array.view(f"u{array.dtype.itemsize}") if array.dtype.kind == "i" else array
        return np.take(palette, indices, axis=0)
    narrow = layout.stored <= 8
    if layout.offset or array.dtype.itemsize > (1 if narrow else 2):
        # A lossy codec may overshoot what the declared bits can hold.
        array = np.clip(array.astype(np.int64) + layout.offset, 0, (1 << layout.stored) - 1)
    return np.ascontiguousarray(array, dtype=np.uint8) if narrow else np.ascontiguousarray(array, dtype=np.uint16)
