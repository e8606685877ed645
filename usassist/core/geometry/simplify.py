"""Contours with fewer points."""

import numpy as np
import numpy.typing as npt

from usassist.core.domain import Contour


def simplify(contour: Contour, tolerance: float) -> Contour:
    """Return the contour with the points left out that lie within `tolerance` pixels of the line that remains.

    Douglas and Peucker (1973). The points that stay are points of the contour, in its order. A closed contour is never
    reduced below a triangle: one that would be comes back as it was, as it does for a tolerance of 0 or less.
    """
    points = contour.points
    if tolerance <= 0 or len(points) < (4 if contour.closed else 3):
        return contour
    if not contour.closed:
        return Contour(points[_kept(points, tolerance)], closed=False)
    # A ring has no ends: two points far apart from each other serve as such.
    first = int(np.argmax(np.sum((points - points.mean(axis=0)) ** 2, axis=1)))
    ring = np.roll(points, -first, axis=0)
    far = int(np.argmax(np.sum((ring - ring[0]) ** 2, axis=1)))
    round_trip = np.concatenate([ring, ring[:1]])
    kept = np.concatenate([_kept(round_trip[: far + 1], tolerance)[:-1], far + _kept(round_trip[far:], tolerance)[:-1]])
    if len(kept) < 3:
        return contour
    original = np.sort((kept + first) % len(points))
    return Contour(points[original])


def _kept(points: npt.NDArray[np.float64], tolerance: float) -> npt.NDArray[np.intp]:
    """Return the indices of the points of an open line that stay, both ends among them."""
    keep = np.zeros(len(points), dtype=np.bool_)
    keep[[0, -1]] = True
    waiting = [(0, len(points) - 1)]
    while waiting:
        start, stop = waiting.pop()
        if stop - start < 2:
            continue
        distance = _distance_to_segment(points[start + 1 : stop], points[start], points[stop])
        worst = int(np.argmax(distance))
        if distance[worst] > tolerance:
            middle = start + 1 + worst
            keep[middle] = True
            waiting += [(start, middle), (middle, stop)]
    return np.flatnonzero(keep)


def _distance_to_segment(
    points: npt.NDArray[np.float64], a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    along = b - a
    squared = float(along @ along)
    share = np.clip((points - a) @ along / squared, 0.0, 1.0) if squared > 0 else np.zeros(len(points))
    foot = a + share[:, None] * along
    apart = points - foot
    return np.hypot(apart[:, 0], apart[:, 1])
