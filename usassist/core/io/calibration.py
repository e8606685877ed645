"""What a DICOM file declares about lengths: scan regions with their own spacing, or one spacing for the picture.

Source: DICOM PS3.3 C.8.5.5 (US Region Calibration Module) and C.7.6.3.1.7 / 10.7.1.3 (pixel spacing). Nothing is
guessed: a unit that is not a length, a missing or an impossible number means that the spacing is unknown (None).
"""

import logging
import math
from collections.abc import Iterable, Sequence
from typing import Any

from usassist.core.domain.box import Box
from usassist.core.domain.frame import RegionKind, ScanRegion

_log = logging.getLogger(__name__)

# Physical Units X/Y Direction (0018,6024), (0018,6026)
UNITS = {
    0x0: "none",
    0x1: "%",
    0x2: "dB",
    0x3: "cm",
    0x4: "s",
    0x5: "Hz",
    0x6: "dB/s",
    0x7: "cm/s",
    0x8: "cm2",
    0x9: "cm2/s",
    0xA: "cm3",
    0xB: "cm3/s",
    0xC: "degrees",
}
_MM_PER_CM = 10.0
# An ultrasound pixel is between a micrometre and a centimetre; beyond that the number is a mistake, not a spacing.
_PLAUSIBLE_MM = (1e-4, 10.0)

# Region Spatial Format (0018,6012) and Region Data Type (0018,6014)
_TWO_D, _M_MODE, _SPECTRAL = 1, 2, 3
_TISSUE, _COLOUR_FLOW, _PW_SPECTRAL, _CW_SPECTRAL = 1, 2, 3, 4
_HIGH_PRIORITY = 1


def scan_regions(dataset: Any, *, rows: int, columns: int) -> tuple[ScanRegion, ...]:
    """Return every region of SequenceOfUltrasoundRegions (0018,6011), clipped to the picture.

    `dataset` is a pydicom Dataset. Regions of low pixel priority come first, so that where two overlap the one the
    file puts on top is the later one. `spacing_mm` is set only where both directions of a two-dimensional region are
    lengths; a region without a usable box is left out and logged.
    """
    items = dataset.get("SequenceOfUltrasoundRegions", None) or ()
    ordered = sorted(items, key=lambda item: _integer(item, "RegionFlags", default=0) & _HIGH_PRIORITY)
    return tuple(region for item in ordered if (region := _region(item, rows=rows, columns=columns)) is not None)


def pixel_spacing_mm(dataset: Any) -> tuple[float, float] | None:
    """Return (row, col) mm per pixel of a file that declares no scan region.

    Taken from PixelSpacing (0028,0030), the shared PixelMeasuresSequence (0028,9110) of an enhanced file, or
    ImagerPixelSpacing (0018,1164), in this order; None where all are missing or impossible.
    """
    shared = dataset.get("SharedFunctionalGroupsSequence", None) or ()
    measures = [item for group in shared for item in (group.get("PixelMeasuresSequence", None) or ())]
    candidates = [dataset.get("PixelSpacing", None)]
    candidates += [item.get("PixelSpacing", None) for item in measures]
    candidates += [dataset.get("ImagerPixelSpacing", None)]
    return next((found for value in candidates if (found := _pair(value)) is not None), None)


def region_kind(spatial_format: int, data_type: int) -> RegionKind:
    """Return our word for a region's spatial format (0018,6012) and data type (0018,6014)."""
    if spatial_format == _M_MODE:
        return "m_mode"
    if spatial_format == _SPECTRAL or data_type in (_PW_SPECTRAL, _CW_SPECTRAL):
        return "spectral_doppler"
    if spatial_format not in (0, _TWO_D):
        return "other"
    by_type: dict[int, RegionKind] = {_TISSUE: "b_mode", _COLOUR_FLOW: "colour_doppler"}
    return by_type.get(data_type, "other")


def _region(item: Any, *, rows: int, columns: int) -> ScanRegion | None:
    corners = [_integer(item, f"RegionLocation{name}", default=-1) for name in ("MinX0", "MinY0", "MaxX1", "MaxY1")]
    left, top, right, bottom = corners
    if min(corners) < 0 or right < left or bottom < top or left >= columns or top >= rows:
        _log.info("left out a scan region at %s of a picture of %d x %d", corners, columns, rows)
        return None
    # The corners are pixels that belong to the region, a Box ends before its last.
    box = Box(top, left, min(bottom + 1, rows), min(right + 1, columns))
    kind = region_kind(_integer(item, "RegionSpatialFormat", default=0), _integer(item, "RegionDataType", default=0))
    codes = [_integer(item, f"PhysicalUnits{axis}Direction", default=-1) for axis in "YX"]
    units = (UNITS.get(codes[0], "unknown"), UNITS.get(codes[1], "unknown")) if max(codes) >= 0 else None
    spacing = None
    if units == ("cm", "cm") and kind in ("b_mode", "colour_doppler"):
        # A delta may be negative, where an axis points up or left; its length is what counts here.
        spacing = _positive(
            [abs(_number(item.get(f"PhysicalDelta{axis}", None))) * _MM_PER_CM for axis in "YX"],
        )
    return ScanRegion(box, kind, spacing, units)


def _integer(item: Any, keyword: str, *, default: int) -> int:
    value = _number(item.get(keyword, None))
    return int(value) if math.isfinite(value) else default


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _pair(value: Any) -> tuple[float, float] | None:
    if value is None or isinstance(value, str | bytes | float | int) or not isinstance(value, Iterable):
        return None
    return _positive([_number(part) for part in value])


def _positive(values: Sequence[float]) -> tuple[float, float] | None:
    low, high = _PLAUSIBLE_MM
    if len(values) != 2 or not all(math.isfinite(value) and low <= value <= high for value in values):
        return None
    return values[0], values[1]
