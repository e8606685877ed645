"""Lengths as files declare them: never a guess, never a length where the unit is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from usassist.core.domain.box import Box
from usassist.core.io.calibration import UNITS, pixel_spacing_mm, region_kind, scan_regions


def region(**changes: object) -> Dataset:
    item = Dataset()
    values: dict[str, object] = {
        "RegionSpatialFormat": 1,
        "RegionDataType": 1,
        "RegionFlags": 0,
        "RegionLocationMinX0": 10,
        "RegionLocationMinY0": 20,
        "RegionLocationMaxX1": 109,
        "RegionLocationMaxY1": 69,
        "PhysicalUnitsXDirection": 3,
        "PhysicalUnitsYDirection": 3,
        "PhysicalDeltaX": 0.01,
        "PhysicalDeltaY": 0.02,
    } | changes
    for keyword, value in values.items():
        if value is not None:
            setattr(item, keyword, value)
    return item


def dataset(*regions: Dataset, **elements: object) -> Dataset:
    found = Dataset()
    if regions:
        found.SequenceOfUltrasoundRegions = Sequence(regions)
    for keyword, value in elements.items():
        setattr(found, keyword, value)
    return found


def test_a_b_mode_region_has_mm_and_ends_with_its_last_pixel() -> None:
    (found,) = scan_regions(dataset(region()), rows=100, columns=200)
    assert found.box == Box(20, 10, 70, 110)
    assert found.kind == "b_mode"
    assert found.units == ("cm", "cm")
    assert found.spacing_mm == pytest.approx((0.2, 0.1))
    assert not found.detected


@pytest.mark.parametrize(
    ("spatial", "data", "kind"),
    [
        (1, 1, "b_mode"),
        (1, 2, "colour_doppler"),
        (2, 1, "m_mode"),
        (2, 2, "m_mode"),
        (3, 3, "spectral_doppler"),
        (3, 4, "spectral_doppler"),
        (4, 0xA, "other"),
        (5, 0xD, "other"),
        (0, 0, "other"),
    ],
)
def test_kinds(spatial: int, data: int, kind: str) -> None:
    assert region_kind(spatial, data) == kind


def test_doppler_and_m_mode_have_units_but_no_spacing() -> None:
    spectrum = region(RegionSpatialFormat=3, RegionDataType=3, PhysicalUnitsXDirection=4, PhysicalUnitsYDirection=7)
    m_mode = region(RegionSpatialFormat=2, PhysicalUnitsXDirection=4)
    found = scan_regions(dataset(spectrum, m_mode), rows=100, columns=200)
    assert [item.spacing_mm for item in found] == [None, None]
    assert [item.units for item in found] == [("cm/s", "s"), ("cm", "s")]


def test_a_spectrum_that_claims_centimetres_is_not_a_length() -> None:
    (found,) = scan_regions(dataset(region(RegionSpatialFormat=3, RegionDataType=3)), rows=100, columns=200)
    assert found.spacing_mm is None


def test_negative_deltas_are_lengths_pointing_back() -> None:
    (found,) = scan_regions(dataset(region(PhysicalDeltaX=-0.01, PhysicalDeltaY=-0.02)), rows=100, columns=200)
    assert found.spacing_mm == pytest.approx((0.2, 0.1))


@pytest.mark.parametrize("delta", [0.0, float("nan"), float("inf"), 1e-9, 100.0, None])
def test_impossible_deltas_are_unknown(delta: float | None) -> None:
    (found,) = scan_regions(dataset(region(PhysicalDeltaX=delta)), rows=100, columns=200)
    assert found.spacing_mm is None
    assert found.kind == "b_mode"


def test_boxes_are_clipped_and_useless_ones_left_out() -> None:
    outside = region(RegionLocationMinX0=500, RegionLocationMaxX1=600)
    turned = region(RegionLocationMinX0=50, RegionLocationMaxX1=40)
    nothing = region(RegionLocationMaxX1=None)
    large = region(RegionLocationMaxX1=5000, RegionLocationMaxY1=5000)
    (found,) = scan_regions(dataset(outside, turned, nothing, large), rows=100, columns=200)
    assert found.box == Box(20, 10, 100, 200)


def test_regions_of_high_priority_come_last() -> None:
    colour = region(RegionDataType=2, RegionFlags=1)
    found = scan_regions(dataset(colour, region()), rows=100, columns=200)
    assert [item.kind for item in found] == ["b_mode", "colour_doppler"]


def test_no_regions() -> None:
    assert scan_regions(dataset(), rows=10, columns=10) == ()


def test_pixel_spacing_fallbacks_in_order() -> None:
    assert pixel_spacing_mm(dataset()) is None
    assert pixel_spacing_mm(dataset(ImagerPixelSpacing=[0.3, 0.4])) == (0.3, 0.4)
    measures, group = dataset(PixelSpacing=[0.1, 0.2]), Dataset()
    group.PixelMeasuresSequence = Sequence([measures])
    shared = dataset(SharedFunctionalGroupsSequence=Sequence([group]), ImagerPixelSpacing=[0.3, 0.4])
    assert pixel_spacing_mm(shared) == (0.1, 0.2)
    assert pixel_spacing_mm(dataset(PixelSpacing=[0.5, 0.6], ImagerPixelSpacing=[0.3, 0.4])) == (0.5, 0.6)
    assert pixel_spacing_mm(dataset(PixelSpacing=[0, 0.6])) is None
    assert pixel_spacing_mm(dataset(PixelSpacing=0.6)) is None


numbers = st.none() | st.floats(width=32)


@given(
    corners=st.lists(st.integers(0, 2**31), min_size=4, max_size=4),
    units=st.tuples(st.integers(0, 20), st.integers(0, 20)),
    deltas=st.tuples(numbers, numbers),
    kinds=st.tuples(st.integers(0, 9), st.integers(0, 0x20)),
)
def test_whatever_is_declared_stays_within_the_picture_and_is_mm_only_for_lengths(
    corners: list[int], units: tuple[int, int], deltas: tuple[float | None, float | None], kinds: tuple[int, int]
) -> None:
    item = region(
        RegionLocationMinX0=corners[0],
        RegionLocationMinY0=corners[1],
        RegionLocationMaxX1=corners[2],
        RegionLocationMaxY1=corners[3],
        PhysicalUnitsXDirection=units[0],
        PhysicalUnitsYDirection=units[1],
        PhysicalDeltaX=deltas[0],
        PhysicalDeltaY=deltas[1],
        RegionSpatialFormat=kinds[0],
        RegionDataType=kinds[1],
    )
    for found in scan_regions(dataset(item), rows=480, columns=640):
        assert not found.box.is_empty
        assert found.box.intersection(Box(0, 0, 480, 640)) == found.box
        assert found.units == (UNITS.get(units[1], "unknown"), UNITS.get(units[0], "unknown"))
        if found.spacing_mm is not None:
            assert units == (3, 3)
            assert found.kind in ("b_mode", "colour_doppler")
            assert found.spacing_mm == (abs(deltas[1] or 0) * 10, abs(deltas[0] or 0) * 10)
