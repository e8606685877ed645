"""Sizes of a mask: millimetres only where they are known."""

import numpy as np
import pytest

from usassist.core.domain import Box, Frame, FrameRef, Mask, ScanRegion
from usassist.core.errors import UsassistError
from usassist.core.geometry.measure import measure, spacing_of

SHAPE = (120, 160)


def frame(*regions: ScanRegion, spacing_mm: tuple[float, float] | None = None) -> Frame:
    return Frame(FrameRef("a", 0), np.zeros(SHAPE, dtype=np.uint8), regions, spacing_mm)


def rectangle(top: int, left: int, height: int, width: int) -> Mask:
    return Mask(SHAPE, (top, left), np.ones((height, width), dtype=np.bool_))


def test_a_rectangle_in_pixels() -> None:
    found = measure(rectangle(10, 20, 30, 40), frame())
    assert found.area_px == 1200
    assert found.long_axis_px == pytest.approx(50)
    assert found.short_axis_px == pytest.approx(48)
    assert (found.area_mm2, found.long_axis_mm, found.short_axis_mm) == (None, None, None)


def test_unequal_spacing_turns_the_long_axis() -> None:
    found = measure(rectangle(10, 20, 30, 40), frame(spacing_mm=(0.4, 0.1)))
    assert found.area_mm2 == pytest.approx(1200 * 0.04)
    assert found.long_axis_mm == pytest.approx(np.hypot(12, 4))
    assert found.short_axis_mm == pytest.approx(2 * 12 * 4 / np.hypot(12, 4))


def test_a_disc() -> None:
    rows, cols = np.mgrid[: SHAPE[0], : SHAPE[1]]
    found = measure(Mask.from_array(np.hypot(rows - 60, cols - 80) <= 40), frame())
    assert found.long_axis_px == pytest.approx(81, abs=1)
    assert found.short_axis_px == pytest.approx(81, abs=1)
    assert found.perimeter_px == pytest.approx(2 * np.pi * 40.5, rel=0.02)


def test_nothing_measures_nothing() -> None:
    found = measure(Mask.empty(SHAPE), frame(spacing_mm=(0.1, 0.1)))
    assert (found.area_px, found.long_axis_px, found.short_axis_px, found.perimeter_px) == (0, 0, 0, 0)
    assert found.area_mm2 is None


def test_a_pixel_has_its_diagonal() -> None:
    found = measure(rectangle(0, 0, 1, 1), frame())
    assert (found.long_axis_px, found.short_axis_px) == pytest.approx((np.sqrt(2), np.sqrt(2)))


B_MODE = ScanRegion(Box(0, 0, 120, 80), "b_mode", (0.1, 0.2), ("cm", "cm"))
SPECTRAL = ScanRegion(Box(0, 80, 120, 160), "spectral_doppler", None, ("s", "cm/s"))
INSET = ScanRegion(Box(0, 0, 20, 20), "b_mode", (0.5, 0.5), ("cm", "cm"))


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (rectangle(30, 30, 10, 10), (0.1, 0.2)),
        (rectangle(30, 90, 10, 10), None),
        (rectangle(30, 75, 10, 10), None),
        (rectangle(5, 5, 10, 10), (0.5, 0.5)),
        (rectangle(15, 15, 10, 10), None),
        (Mask.empty(SHAPE), None),
    ],
)
def test_millimetres_need_one_region_that_has_them(mask: Mask, expected: tuple[float, float] | None) -> None:
    seen = frame(B_MODE, SPECTRAL, INSET)
    assert spacing_of(mask, seen) == expected
    assert (measure(mask, seen).area_mm2 is None) == (expected is None)


def test_only_the_pixels_of_the_mask_count_not_its_box() -> None:
    crop = np.zeros((10, 60), dtype=np.bool_)
    crop[0, :5] = True
    assert spacing_of(Mask(SHAPE, (30, 30), crop), frame(B_MODE, SPECTRAL)) == (0.1, 0.2)


def test_outside_every_region_nothing_is_known() -> None:
    assert spacing_of(rectangle(30, 90, 5, 5), frame(B_MODE, spacing_mm=(1.0, 1.0))) is None


def test_a_mask_of_another_frame_is_refused() -> None:
    with pytest.raises(UsassistError, match="own frame"):
        measure(Mask.empty((3, 3)), frame())
