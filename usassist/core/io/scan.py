"""Where in a frame the scan is: what models look at, in training and at work."""

import numpy as np
import numpy.typing as npt

from usassist.core.domain import Box, Frame
from usassist.core.io.display import to_grey8


def scan_box(frame: Frame) -> Box:
    """Return the box a model looks at: the largest region of tissue (B-mode, colour, detected), else all of it."""
    whole = Box(0, 0, *frame.shape)
    boxes = [
        region.box.intersection(whole)
        for region in frame.regions
        if region.kind in ("b_mode", "sector", "colour_doppler")
    ]
    usable = [box for box in boxes if not box.is_empty]
    return max(usable, key=lambda box: box.height * box.width) if usable else whole


def scan_grey(frame: Frame) -> npt.NDArray[np.uint8]:
    """Return what is in the `scan_box` as `to_grey8` shows it: rows x columns of the box, uint8, contiguous.

    It may share memory with `frame.pixels` and is then read-only.
    """
    return np.ascontiguousarray(to_grey8(frame)[scan_box(frame).slices])
