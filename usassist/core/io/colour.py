"""Whether a frame shows colour where models look: they see it in grey only."""

import numpy as np

from usassist.core.domain import Frame
from usassist.core.geometry.cv import cv2
from usassist.core.io.scan import scan_box

COLOUR_LIMIT = 0.005
"""Share of the scan from which a frame counts as coloured; markers and small text stay below."""
_SPREAD = 60 / 255
"""How far a pixel's channels are apart, as a share of the full range, where it is no tint of a grey display."""
_LOOKED_AT = 256


def colour_share(frame: Frame) -> float:
    """Return the share (0 to 1) of the scan that is clearly coloured, thin lines and letters left out.

    Pixels are looked at on a grid of about 256 along the shorter side. Complexity: constant in the frame's size.
    """
    if not frame.is_colour:
        return 0.0
    inside = frame.pixels[scan_box(frame).slices]
    step = max(1, min(inside.shape[:2]) // _LOOKED_AT)
    red, green, blue = cv2.split(np.ascontiguousarray(inside[::step, ::step]))
    highest, lowest = cv2.max(cv2.max(red, green), blue), cv2.min(cv2.min(red, green), blue)
    coloured = (cv2.subtract(highest, lowest) > _SPREAD * (2**frame.bits_stored - 1)).astype(np.uint8)
    return float(cv2.erode(coloured, np.ones((3, 3), dtype=np.uint8)).mean())
