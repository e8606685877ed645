import cv2
import numpy as np
import pytest

from usassist.core.data.marked_frames import marked_frame
from usassist.core.data.marks import without_marks
from usassist.core.domain import Box, Frame, FrameRef, ScanRegion


def _frame(pixels: np.ndarray, **facts) -> Frame:
    return Frame(FrameRef("key", 3), pixels, **facts)


def _marked() -> np.ndarray:
    grey = np.full((120, 160), 60, np.uint8)
    for x, y in ((40, 50), (110, 70)):
        cv2.drawMarker(grey, (x, y), 230, cv2.MARKER_CROSS, 11)
    return grey


def test_keep_is_the_frame_itself() -> None:
    frame = _frame(_marked())
    assert marked_frame(frame, "keep", key="a") is frame


def test_remove_fills_the_marks_in_and_leaves_a_frame_without_marks_alone() -> None:
    frame = _frame(_marked(), spacing_mm=(0.2, 0.3))
    shown = marked_frame(frame, "remove", key="a")
    assert np.array_equal(shown.pixels, without_marks(_marked()))
    assert shown.pixels.max() < 100
    assert (shown.ref, shown.spacing_mm, shown.shape) == (frame.ref, frame.spacing_mm, frame.shape)
    plain = _frame(np.full((120, 160, 3), 60, np.uint8))
    assert marked_frame(plain, "remove", key="a") is plain


def test_add_depends_on_the_key_and_not_on_what_is_shown() -> None:
    dark, light = (_frame(np.full((200, 300), value, np.uint8)) for value in (0, 20))
    one, again, other = (marked_frame(dark, "add", key=key).pixels for key in ("a", "a", "b"))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert 0.001 < (one > 0).mean() < 0.2
    assert ((one > 100) != (marked_frame(light, "add", key="a").pixels > 100)).mean() < 0.002
    assert dark.pixels.max() == 0


@pytest.mark.parametrize("setting", ["remove", "add"])
def test_only_the_scan_is_changed(setting) -> None:
    pixels = np.zeros((300, 400), np.uint8)
    pixels[20:140, 30:190] = _marked()
    pixels[160:280, 220:380] = _marked()
    region = ScanRegion(Box(150, 200, 300, 400), "b_mode")
    shown = marked_frame(_frame(pixels, regions=(region,)), setting, key="a").pixels
    assert np.array_equal(shown[:150], pixels[:150]) and np.array_equal(shown[:, :200], pixels[:, :200])
    assert not np.array_equal(shown, pixels)


def test_what_is_shown_is_what_models_see() -> None:
    """An inverted 12-bit frame: bright values are bright, and stay where nothing was drawn."""
    stored = np.full((100, 100), 4095 - 1600, np.uint16)
    shown = marked_frame(_frame(stored, bits_stored=12, inverted=True, window=(0.0, 500.0)), "add", key="a")
    assert shown.pixels.dtype == np.uint8
    assert (shown.bits_stored, shown.inverted, shown.window) == (8, False, None)
    assert np.median(shown.pixels) == pytest.approx(1600 / 4095 * 255, abs=1)
