"""Decoding 8-bit JPEG frames of DICOM files with OpenCV, in the colour space that DICOM means.

libjpeg guesses the colour space from markers that many DICOM files lack or contradict, so the decision is taken here
(as pydicom takes it) and written into the stream as the one marker that libjpeg obeys (Adobe APP14).
"""

import numpy as np
import numpy.typing as npt

from usassist.core.geometry.cv import cv2
from usassist.core.io.headers import jpeg_segments

_RGB_IDS = ([82, 71, 66], [114, 103, 98])
_APP0, _APP14 = 0xE0, 0xEE


def decode_jpeg8(data: bytes, *, photometric: str) -> npt.NDArray[np.uint8]:
    """Return a JPEG frame as HxW, or as HxWx3 RGB, uint8; raises ValueError where it cannot be decoded."""
    stream = np.frombuffer(_with_colour_space(data, photometric), np.uint8)
    try:
        decoded = cv2.imdecode(stream, cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise ValueError("the JPEG data is damaged") from error
    if decoded is None or decoded.dtype != np.uint8:
        raise ValueError("the JPEG data is damaged")
    if decoded.ndim == 2:
        return decoded.astype(np.uint8, copy=False)
    return decoded[:, :, 2::-1].astype(np.uint8)


def _with_colour_space(data: bytes, photometric: str) -> bytes:
    """Return the stream with an APP14 marker just before its frame header; unchanged for a single channel."""
    is_jfif = False
    for marker, start, end in jpeg_segments(data):
        body = data[start + 4 : end]
        is_jfif = is_jfif or (marker == _APP0 and body.startswith(b"JFIF"))
        if marker in (0xC0, 0xC1, 0xC2):
            channels = body[5] if len(body) > 5 else 1
            if channels != 3:
                return data
            is_rgb = list(body[6::3][:3]) in _RGB_IDS or (photometric == "RGB" and not is_jfif)
            # JFIF means YCbCr to libjpeg whatever Adobe says; RGB component ids beside it would be ignored.
            head = data[:start] if not (is_rgb and is_jfif) else data[:2] + _without_jfif(data, start)
            adobe = b"\xff\xee\x00\x0eAdobe\x00\x64" + bytes(4) + (b"\x00" if is_rgb else b"\x01")
            return head + adobe + data[start:]
    return data


def _without_jfif(data: bytes, stop: int) -> bytes:
    """Return the bytes between the start mark and `stop` without APP0 segments."""
    return b"".join(data[start:end] for marker, start, end in jpeg_segments(data) if marker != _APP0 and end <= stop)
