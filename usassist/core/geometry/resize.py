"""Bringing a picture or a map to a given size without aliasing, each axis by what suits it."""

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from usassist.core.geometry.cv import cv2

_Number = TypeVar("_Number", np.uint8, np.float32)


def resized(picture: npt.NDArray[_Number], side: int, *, smooth: bool = True) -> npt.NDArray[_Number]:
    """Squash an HxW picture (uint8 or float32) to side x side: averaged where it shrinks, interpolated where it grows.

    OpenCV averages areas only where no axis grows, so of a picture that is wide and low its width shrinks first, alone.
    Without `smooth` what grows keeps the edges of its pixels.
    """
    rows, cols = picture.shape
    if min(rows, cols) < side < max(rows, cols):
        picture = cv2.resize(picture, (min(cols, side), min(rows, side)), interpolation=cv2.INTER_AREA)
        rows, cols = picture.shape
    grows = smooth and min(rows, cols) < side
    how = cv2.INTER_LINEAR if grows else cv2.INTER_AREA
    return np.asarray(cv2.resize(picture, (side, side), interpolation=how), dtype=picture.dtype)
