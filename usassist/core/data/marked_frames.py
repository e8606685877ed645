"""A frame as an evaluation shows it: with its burned-in marks, without them, or with more of them."""

import zlib
from dataclasses import replace
from typing import Literal

import numpy as np

from usassist.core.data.drawn_marks import draw_calipers, draw_text
from usassist.core.data.marks import without_marks
from usassist.core.domain import Frame
from usassist.core.io.display import to_grey8
from usassist.core.io.scan import scan_box

MarksSetting = Literal["keep", "remove", "add"]


def marked_frame(frame: Frame, setting: MarksSetting, *, key: str) -> Frame:
    """Return a frame whose marks are kept, filled in, or joined by calipers and a text drawn somewhere in the scan.

    What is drawn depends on `key` alone, never on what the frame shows. Everything else about the frame stays; a
    changed one is 8-bit grey, as models see it.
    """
    if setting == "keep":
        return frame
    grey = to_grey8(frame)
    inside = scan_box(frame).slices
    scan = np.ascontiguousarray(grey[inside])
    if setting == "remove":
        changed = without_marks(scan)
        if changed is scan:
            return frame
    else:
        changed = scan.copy()
        rng = np.random.default_rng(zlib.crc32(key.encode()))
        draw_calipers(changed, rng=rng)
        draw_text(changed, rng=rng)
    pixels = grey.copy()
    pixels[inside] = changed
    return replace(frame, pixels=pixels, bits_stored=8, inverted=False, window=None)
