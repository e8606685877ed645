"""From stored values to what is seen: windows, inversion and grey, each a table look-up."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from usassist.core.domain.frame import Frame
from usassist.core.errors import UsassistError
from usassist.core.geometry.cv import cv2


@dataclass(frozen=True, slots=True)
class Window:
    """The stored values shown as black (`low`) and as white (`high`); between them brightness is linear."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise UsassistError(f"A window needs finite low < high; found {self.low} and {self.high}.")


def default_window(frame: Frame) -> Window:
    """Return the window the file declares; else all 8-bit values, or the frame's own range for deeper ones.

    A 16-bit file rarely says how many of its bits carry the picture, and often it is 10 or 12: with all 16 bits it
    would be shown black.
    """
    if frame.window is not None and frame.window[0] < frame.window[1]:
        return Window(*frame.window)
    if frame.pixels.dtype == np.uint8:
        return _full_range(frame)
    low, high = float(frame.pixels.min(initial=0xFFFF)), float(frame.pixels.max(initial=0))
    return Window(low, high) if low < high else _full_range(frame)


def to_display(frame: Frame, *, window: Window | None) -> npt.NDArray[np.uint8]:
    """Return the frame as the view shows it: HxW or HxWx3 (RGB) uint8, bright values bright.

    `window` is in stored values; None takes `default_window`. Colour has the window applied to each channel. The
    result may share memory with `frame.pixels` and is then read-only.
    """
    return _through(frame, window or default_window(frame))


def to_grey8(frame: Frame) -> npt.NDArray[np.uint8]:
    """Return the frame as engines and models see it: HxW uint8, the full range of `bits_stored`, bright values bright.

    Colour becomes BT.601 luma, so equal channels keep their value exactly; MONOCHROME1 is inverted. A declared window
    is not applied: it is a setting of the view, and the same tissue must look the same to a model in every study. The
    result may share memory with `frame.pixels` and is then read-only.
    """
    shown = _through(frame, _full_range(frame))
    return cv2.cvtColor(shown, cv2.COLOR_RGB2GRAY) if shown.ndim == 3 else shown


def _full_range(frame: Frame) -> Window:
    return Window(0.0, float((1 << max(1, frame.bits_stored)) - 1))


def _through(frame: Frame, window: Window) -> npt.NDArray[np.uint8]:
    top = int(np.iinfo(frame.pixels.dtype).max)
    if frame.pixels.dtype == np.uint8 and not frame.inverted and (window.low, window.high) == (0.0, 255.0):
        return frame.pixels.view(np.uint8)
    scaled = (np.arange(top + 1, dtype=np.float64) - window.low) * (255.0 / (window.high - window.low))
    table = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    if frame.inverted:
        table = 255 - table
    return table[frame.pixels]
