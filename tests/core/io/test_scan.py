import numpy as np

from usassist.core.domain import Box, Frame, FrameRef, ScanRegion
from usassist.core.io.scan import scan_box, scan_grey


def _frame(*regions: ScanRegion) -> Frame:
    return Frame(FrameRef("f", 0), np.zeros((100, 200), dtype=np.uint8), regions)


def test_without_regions_the_whole_frame_is_looked_at() -> None:
    assert scan_box(_frame()) == Box(0, 0, 100, 200)


def test_the_largest_tissue_region_wins_and_a_trace_never() -> None:
    small, large = ScanRegion(Box(0, 0, 50, 50), "b_mode"), ScanRegion(Box(0, 60, 90, 150), "b_mode")
    trace = ScanRegion(Box(0, 0, 100, 200), "spectral_doppler")
    assert scan_box(_frame(small, large, trace)) == large.box


def test_a_region_that_reaches_out_of_the_picture_is_cut() -> None:
    assert scan_box(_frame(ScanRegion(Box(10, 10, 500, 500), "b_mode"))) == Box(10, 10, 100, 200)


def test_the_scans_grey_is_cut_out_of_the_whole_picture() -> None:
    pixels = np.arange(100 * 200, dtype=np.uint16).reshape(100, 200).astype(np.uint8)
    frame = Frame(FrameRef("f", 0), pixels, (ScanRegion(Box(10, 20, 60, 120), "b_mode"),))
    grey = scan_grey(frame)
    assert np.array_equal(grey, pixels[10:60, 20:120])
    assert grey.flags.c_contiguous
