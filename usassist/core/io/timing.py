"""When each frame of a DICOM cine was taken (DICOM PS3.3 C.7.6.5, Cine Module).

The file's own pointer (0028,0009) decides between FrameTime (0018,1063) and FrameTimeVector (0018,1065); without it
FrameTime, the vector, ActualFrameDuration (0018,1242), CineRate (0018,0040) and RecommendedDisplayFrameRate (0008,2144)
are tried in this order. What is missing or impossible is None, never a default rate.
"""

import math
import statistics
from collections.abc import Iterable
from itertools import accumulate
from typing import Any

_FRAME_TIME_VECTOR = 0x00181065
# From 100,000 frames a second (plane-wave imaging) to one frame a minute.
_PLAUSIBLE_MS = (0.01, 60_000.0)


def frame_times_ms(dataset: Any, *, frames: int) -> tuple[float | None, tuple[float | None, ...]]:
    """Return the time between two frames, and each frame's time from the first, all in ms.

    `dataset` is a pydicom Dataset. Where the file declares a time for every frame, the first value is their median
    interval. A still, and a cine without any timing, gives None for all.
    """
    if frames < 2:
        return None, (None,) * frames
    vector = _vector(dataset, frames=frames)
    interval = _plausible(dataset.get("FrameTime", None))
    if vector is not None and (interval is None or _points_to_vector(dataset)):
        times = tuple(accumulate(vector))
        return statistics.median(vector[1:]), tuple(time - times[0] for time in times)
    interval = interval or _plausible(dataset.get("ActualFrameDuration", None))
    interval = interval or _from_rate(dataset.get("CineRate", None))
    interval = interval or _from_rate(dataset.get("RecommendedDisplayFrameRate", None))
    if interval is None:
        return None, (None,) * frames
    return interval, tuple(index * interval for index in range(frames))


def _points_to_vector(dataset: Any) -> bool:
    pointer = dataset.get("FrameIncrementPointer", None)
    pointers = pointer if isinstance(pointer, Iterable) else [pointer]
    return any(value is not None and int(value) == _FRAME_TIME_VECTOR for value in pointers)


def _vector(dataset: Any, *, frames: int) -> list[float] | None:
    """Return the increments between frames, the first one 0 by definition; None where they do not fit the frames."""
    values = dataset.get("FrameTimeVector", None)
    if values is None or isinstance(values, str | bytes) or not isinstance(values, Iterable):
        return None
    increments = [_number(value) for value in values]
    if len(increments) != frames or not all(_plausible(value) is not None for value in increments[1:]):
        return None
    return [0.0, *increments[1:]]


def _from_rate(value: Any) -> float | None:
    rate = _number(value)
    return _plausible(1000.0 / rate) if math.isfinite(rate) and rate > 0 else None


def _plausible(value: Any) -> float | None:
    number = _number(value)
    return number if math.isfinite(number) and _PLAUSIBLE_MS[0] <= number <= _PLAUSIBLE_MS[1] else None


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan
