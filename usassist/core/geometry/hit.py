"""Which point or edge of a contour is under the pointer."""

import numpy as np
import numpy.typing as npt

from usassist.core.errors import UsassistError


def nearest_vertex(points: npt.NDArray[np.float64], x: float, y: float) -> tuple[int, float]:
    """Return the index of the point nearest to (x, y) and its distance in pixels.

    `points` is Nx2 (x, y) with N >= 1, otherwise UsassistError; the first of several nearest ones is returned.
    """
    _require(points, 1)
    distance = np.hypot(points[:, 0] - x, points[:, 1] - y)
    index = int(np.argmin(distance))
    return index, float(distance[index])


def nearest_edge(
    points: npt.NDArray[np.float64], x: float, y: float, *, closed: bool = True
) -> tuple[int, float, tuple[float, float]]:
    """Return the edge nearest to (x, y): its index, its distance in pixels, and the nearest place (x, y) on it.

    Edge `i` runs from point `i` to point `i + 1`; a closed contour's last edge runs back to point 0, so a new point
    goes in at index `i + 1`. `points` is Nx2 (x, y) with N >= 2, otherwise UsassistError.
    """
    _require(points, 2)
    start = points if closed else points[:-1]
    stop = np.roll(points, -1, axis=0) if closed else points[1:]
    along = stop - start
    squared = np.einsum("ij,ij->i", along, along)
    offset = np.array([x, y]) - start
    share = np.einsum("ij,ij->i", offset, along) / np.where(squared > 0, squared, 1.0)
    foot = start + np.clip(share, 0.0, 1.0)[:, None] * along
    distance = np.hypot(foot[:, 0] - x, foot[:, 1] - y)
    index = int(np.argmin(distance))
    return index, float(distance[index]), (float(foot[index, 0]), float(foot[index, 1]))


def _require(points: npt.NDArray[np.float64], count: int) -> None:
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < count:
        raise UsassistError(f"A contour needs at least {count} (x, y) points here; found an array of {points.shape}.")
