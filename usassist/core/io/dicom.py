"""DICOM studies: stills and cines, in every transfer syntax a decoder is installed for."""

import math
import struct
from dataclasses import replace
from typing import Any

from usassist.core.domain.frame import Frame, FrameRef, ModalityFacts, Source, Study
from usassist.core.errors import ReadError
from usassist.core.io.calibration import pixel_spacing_mm, scan_regions
from usassist.core.io.dicom_head import looks_like_bare_dicom, looks_like_dicom
from usassist.core.io.dicom_header import DicomHeader, read_header
from usassist.core.io.dicom_pixels import (
    Palette,
    PixelLayout,
    check_decoder,
    decode_compressed,
    decode_native,
    palette_table,
    pixel_layout,
    to_stored,
)
from usassist.core.io.fragments import FrameFragments, frame_fragments
from usassist.core.io.quiet import dicom_errors, quiet
from usassist.core.io.reader import ReaderSpec, check_bounds, check_frame_count, check_index, reading
from usassist.core.io.timing import frame_times_ms


def sniff(head: bytes) -> bool:
    """Return whether the first bytes are DICOM, with its "DICM" mark or as a bare data set."""
    return looks_like_dicom(head) or looks_like_bare_dicom(head)


def open_dicom(source: Source) -> "DicomReader":
    """Open a DICOM file: reads its header and finds its frames, decodes nothing; raises ReadError."""
    with quiet(), reading(source, "the DICOM header", also=dicom_errors()):
        header = read_header(source)
        layout = pixel_layout(source, header.dataset)
        check_bounds(
            source,
            rows=layout.rows,
            columns=layout.columns,
            samples=layout.samples,
            bytes_per_sample=(layout.allocated + 7) // 8,
        )
        check_frame_count(source, layout.frames)
        check_decoder(source, header.syntax, bits=layout.stored)
        layout = _corrected(header, layout)
        palette = palette_table(layout, header.dataset) if layout.photometric == "PALETTE COLOR" else None
        study = _study(source, header, layout)
        window = _stored_window(header.dataset, layout)
        spacing = None if study.regions else pixel_spacing_mm(header.dataset)
    fragments = _find_frames(source, header, layout)
    # The data set has served; keeping it would keep every table and sequence of the file in memory.
    return DicomReader(
        study, replace(header, dataset=None), layout, fragments, palette=palette, window=window, spacing=spacing
    )


class DicomReader:
    """An open DICOM file; each frame is read and decoded on its own when it is asked for."""

    def __init__(
        self,
        study: Study,
        header: DicomHeader,
        layout: PixelLayout,
        fragments: tuple[FrameFragments, ...] | None,
        *,
        palette: Palette | None,
        window: tuple[float, float] | None,
        spacing: tuple[float, float] | None,
    ) -> None:
        self._study = study
        self._header = header
        self._layout = layout
        self._fragments = fragments
        self._palette = palette
        self._window = window
        self._spacing = spacing

    @property
    def study(self) -> Study:
        return self._study

    @property
    def held_bytes(self) -> int:
        return len(self._header.inflated or b"")

    def frame(self, index: int) -> Frame:
        """Decode the frame at `index`: grey HxW as stored, colour HxWx3 RGB; raises ReadError."""
        check_index(self._study, index)
        source = self._study.source
        with quiet(), reading(source, f"frame {index}", also=dicom_errors()):
            if self._fragments is None:
                array = decode_native(self._header, self._layout, source.path, index=index)
            else:
                array = decode_compressed(source, self._header, self._layout, self._fragments[index])
            pixels = to_stored(array, self._layout, self._palette)
            if pixels.shape[:2] != (self._layout.rows, self._layout.columns):
                raise ReadError(
                    f"{source.relative}: frame {index} decodes to {pixels.shape}; expected {self._layout.rows} x "
                    f"{self._layout.columns}. The file is damaged."
                )
        return Frame(
            self._study.frames[index],
            pixels,
            regions=self._study.regions,
            spacing_mm=self._spacing,
            bits_stored=self._layout.stored if self._palette is None else 8,
            inverted=self._layout.photometric == "MONOCHROME1",
            window=self._window,
        )

    def close(self) -> None:
        """Let go of the inflated pixels of a deflated file; nothing else is held."""
        self._header = replace(self._header, inflated=None)


def _corrected(header: DicomHeader, layout: PixelLayout) -> PixelLayout:
    """Return the layout that the bytes have where an uncompressed file claims subsampled colour and stores it whole."""
    if header.length is None or layout.photometric != "YBR_FULL_422":
        return layout
    whole = replace(layout, photometric="YBR_FULL")
    return whole if header.length >= math.floor(whole.frame_bytes * layout.frames) else layout


def _find_frames(source: Source, header: DicomHeader, layout: PixelLayout) -> tuple[FrameFragments, ...] | None:
    """Return each frame's fragments, None for uncompressed pixels; raises ReadError where pixels are missing."""
    from pydicom.uid import UID

    size = len(header.inflated) if header.inflated is not None else source.path.stat().st_size
    with reading(source, "the pixel data"):
        if UID(header.syntax).is_encapsulated:
            extended = _extended_offsets(header.dataset)
            with source.path.open("rb") as file:
                return frame_fragments(file, header.start, size=size, frames=layout.frames, extended=extended)
    if header.length is None:
        raise ReadError(f"{source.relative} says it is uncompressed, but its pixel data has no length; it is damaged.")
    needed = math.ceil(layout.frame_bytes * layout.frames)
    present = min(header.length, size - header.start)
    if present < needed:
        raise ReadError(
            f"{source.relative} is cut short: {layout.frames} frame(s) of {layout.columns} x {layout.rows} need "
            f"{needed} bytes, {present} are there. Export or copy it again."
        )
    return None


def _extended_offsets(dataset: Any) -> tuple[int, ...]:
    table = dataset.get("ExtendedOffsetTable", None) or b""
    return struct.unpack(f"<{len(table) // 8}Q", table[: len(table) // 8 * 8])


def _study(source: Source, header: DicomHeader, layout: PixelLayout) -> Study:
    dataset = header.dataset
    interval, times = frame_times_ms(dataset, frames=layout.frames)
    facts = ModalityFacts(
        format="DICOM",
        modality=_text(dataset, "Modality"),
        photometric=_text(dataset, "PhotometricInterpretation") or layout.photometric,
        transfer_syntax=header.syntax,
        manufacturer=_text(dataset, "Manufacturer"),
        model=_text(dataset, "ManufacturerModelName"),
        frame_time_ms=interval,
        bits_stored=layout.stored,
    )
    frames = tuple(FrameRef(source.key, index, time) for index, time in enumerate(times))
    regions = scan_regions(dataset, rows=layout.rows, columns=layout.columns)
    return Study(source, frames, layout.rows, layout.columns, facts, regions)


def _text(dataset: Any, keyword: str) -> str:
    return str(dataset.get(keyword, None) or "").strip()


def _stored_window(dataset: Any, layout: PixelLayout) -> tuple[float, float] | None:
    """Return the first declared window as (low, high) of our pixel values; None for colour or where none is usable.

    DICOM PS3.3 C.11.2.1.2: the window is in output values of the Modality LUT, so it is taken back through the
    rescale slope and intercept.
    """
    if not layout.is_grey:
        return None
    centre, width = _first_number(dataset, "WindowCenter"), _first_number(dataset, "WindowWidth")
    slope, intercept = _first_number(dataset, "RescaleSlope"), _first_number(dataset, "RescaleIntercept")
    slope = 1.0 if math.isnan(slope) else slope
    intercept = 0.0 if math.isnan(intercept) else intercept
    # A negative slope would turn the picture round; that is not a window any more.
    if not (math.isfinite(centre) and math.isfinite(width) and width >= 1 and math.isfinite(intercept) and slope > 0):
        return None
    if _text(dataset, "VOILUTFunction") != "LINEAR_EXACT":
        centre, width = centre - 0.5, width - 1
    low, high = ((edge - intercept) / slope + layout.offset for edge in (centre - width / 2, centre + width / 2))
    return (low, high) if low < high else None


def _first_number(dataset: Any, keyword: str) -> float:
    value = dataset.get(keyword, None)
    if value is not None and not isinstance(value, str | bytes) and hasattr(value, "__len__"):
        value = value[0] if len(value) else None
    try:
        return float(value) if value is not None else math.nan
    except (TypeError, ValueError):
        return math.nan


SPEC = ReaderSpec(
    name="dicom",
    suffixes=(".dcm", ".dicom", ".dic", ".ima"),
    sniff=sniff,
    open=open_dicom,
)
