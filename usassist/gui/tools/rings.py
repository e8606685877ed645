"""The outline of a mask with few corners to drag, which changes nothing until one is dragged."""

import numpy as np
import numpy.typing as npt

from usassist.core.domain import Contour, Mask
from usassist.core.geometry.hit import nearest_edge
from usassist.core.geometry.raster import contours_of, mask_of
from usassist.core.geometry.simplify import simplify

Points = npt.NDArray[np.float64]
_NOTHING: Points = np.zeros((0, 2), dtype=np.float64)


class Ring:
    """One closed outline: `vertices` can be moved, and between two of them the outline's own points stay exact.

    Only the two sides of a vertex that moves become straight, so every other pixel of the mask stays what it was.
    """

    def __init__(self, contour: Contour, tolerance: float) -> None:
        dense, kept = contour.points, simplify(contour, tolerance).points
        at = _positions(dense, kept)
        self.vertices: Points = kept.copy()
        ends = [*at[1:], at[0] + len(dense)]
        wrapped = np.concatenate([dense, dense])
        self._spans: list[Points] = [wrapped[i + 1 : j] for i, j in zip(at, ends, strict=True)]

    @property
    def outline(self) -> Points:
        """Return the whole outline, Nx2 (x, y)."""
        parts = [part for i, span in enumerate(self._spans) for part in (self.vertices[i : i + 1], span)]
        return np.concatenate(parts)

    def move(self, index: int, x: float, y: float) -> None:
        """Move a vertex; its two sides become straight."""
        self.vertices[index] = (x, y)
        self._spans[index - 1] = self._spans[index] = _NOTHING

    def beside(self, index: int) -> list[tuple[float, float]]:
        """Return a vertex between its two neighbours, in order."""
        count = len(self.vertices)
        near = (self.vertices[place % count] for place in (index - 1, index, index + 1))
        return [(float(x), float(y)) for x, y in near]

    def nearest(self, x: float, y: float) -> tuple[int, float, tuple[float, float]]:
        """Return the side nearest to a point, its distance and the nearest place on it."""
        place, distance, foot = nearest_edge(self.outline, x, y)
        starts = np.cumsum([0, *(1 + len(span) for span in self._spans)])
        return int(np.searchsorted(starts, place, side="right")) - 1, distance, foot

    def insert(self, x: float, y: float) -> int:
        """Put a vertex on the outline at the place nearest to (x, y), which changes no pixel; return its index."""
        side, _, foot = self.nearest(x, y)
        stop = self.vertices[(side + 1) % len(self.vertices)]
        chain = np.vstack([self.vertices[side], self._spans[side], stop])
        edge, _, _ = nearest_edge(chain, *foot, closed=False)
        self.vertices = np.insert(self.vertices, side + 1, foot, axis=0)
        self._spans[side : side + 1] = [chain[1 : edge + 1], chain[edge + 1 : -1]]
        return side + 1

    def remove(self, index: int) -> None:
        """Take a vertex away and join its neighbours by a straight side."""
        self.vertices = np.delete(self.vertices, index, axis=0)
        del self._spans[index]
        self._spans[index - 1] = _NOTHING


def rings_of(mask: Mask) -> list[Ring]:
    """Return the rings of a mask, holes too; a large mask gets corners further apart."""
    tolerance = float(np.clip(np.sqrt(mask.area) / 60, 0.75, 4.0))
    return [Ring(contour, tolerance) for contour in contours_of(mask)]


def mask_of_rings(rings: list[Ring], shape: tuple[int, int]) -> Mask:
    """Return the mask the rings enclose; the very mask they came from while nothing has moved."""
    return mask_of([Contour(ring.outline) for ring in rings], shape)


def _positions(dense: Points, kept: Points) -> list[int]:
    """Return where the points that were kept stand among all of them; both are in the same order."""
    at: list[int] = []
    place = 0
    for point in kept:
        place += int(np.argmax((dense[place:] == point).all(axis=1)))
        at.append(place)
        place += 1
    return at
