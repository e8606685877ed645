"""From stored values to brightness."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from usassist.core.domain.frame import Frame, FrameRef
from usassist.core.errors import UsassistError
from usassist.core.io.display import Window, default_window, to_display, to_grey8


def frame(pixels: Any, dtype: Any = np.uint8, **facts: Any) -> Frame:
    return Frame(FrameRef("a-00000000", 0), np.array(pixels, dtype=dtype), **facts)


def test_8_bit_grey_is_shown_as_it_is() -> None:
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(to_display(frame(values), window=None), values)
    assert np.array_equal(to_grey8(frame(values)), values)


def test_monochrome1_is_turned_round_everywhere() -> None:
    inverted = frame([[0, 100, 255]], inverted=True)
    assert to_display(inverted, window=None).tolist() == [[255, 155, 0]]
    assert to_grey8(inverted).tolist() == [[255, 155, 0]]


def test_a_window_maps_low_to_black_and_high_to_white() -> None:
    shown = to_display(frame([[0, 50, 60, 100, 200]]), window=Window(50, 100))
    assert shown.tolist() == [[0, 0, 51, 255, 255]]


def test_the_declared_window_is_the_default_and_not_what_a_model_sees() -> None:
    deep = frame([[0, 1000, 2000, 4095]], np.uint16, bits_stored=12, window=(1000.0, 2000.0))
    assert default_window(deep) == Window(1000, 2000)
    assert to_display(deep, window=None).tolist() == [[0, 0, 255, 255]]
    assert to_grey8(deep).tolist() == [[0, 62, 125, 255]]


def test_deep_frames_without_a_window_show_their_own_range() -> None:
    deep = frame([[100, 200, 600]], np.uint16, bits_stored=16)
    assert to_display(deep, window=None).tolist() == [[0, 51, 255]]
    flat = frame([[700, 700]], np.uint16, bits_stored=10)
    assert default_window(flat) == Window(0, 1023)


def test_one_stored_bit_is_black_and_white() -> None:
    assert to_grey8(frame([[0, 1]], bits_stored=1)).tolist() == [[0, 255]]


def test_colour_keeps_its_channels_and_greys_keep_their_value() -> None:
    values = np.repeat(np.arange(256, dtype=np.uint8)[:, None, None], 3, axis=2)
    assert np.array_equal(to_display(frame(values), window=None), values)
    assert np.array_equal(to_grey8(frame(values)), values[:, :, 0])
    assert to_grey8(frame([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]])).tolist() == [[76, 150, 29]]


def test_deep_colour() -> None:
    assert to_grey8(frame([[[65535] * 3, [0] * 3]], np.uint16, bits_stored=16)).tolist() == [[255, 0]]


@pytest.mark.parametrize(("low", "high"), [(5, 5), (6, 5), (float("nan"), 5), (0, float("inf"))])
def test_windows_that_are_none(low: float, high: float) -> None:
    with pytest.raises(UsassistError, match="low < high"):
        Window(low, high)


@given(
    st.integers(1, 16).flatmap(
        lambda bits: st.tuples(st.just(bits), st.lists(st.integers(0, 2**bits - 1), min_size=2))
    ),
    st.booleans(),
)
def test_brighter_values_never_look_darker(case: tuple[int, list[int]], inverted: bool) -> None:
    bits, values = case
    dtype = np.uint8 if bits <= 8 else np.uint16
    grey = to_grey8(frame([sorted(values)], dtype, bits_stored=bits, inverted=inverted))[0].astype(int)
    assert np.all(np.diff(grey) <= 0 if inverted else np.diff(grey) >= 0)
