"""The geometry of an augmented view: one resampling that an image and its mask go through alike."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from usassist.core.geometry.cv import cv2

_GRID = 6
"""Control points along each side of a bent view: few enough that tissue bends and does not tear."""

Bytes = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Warp:
    """A view of size x size pixels: `matrix` (2x3) takes (x, y) of the image to the view, which is then bent.

    `bend` is None, or float32 2xGxG: how far from its straight place the view is looked up, in its pixels, x and y, at
    a grid of points over it; between them the distance is smooth.
    """

    matrix: npt.NDArray[np.float64]
    size: int
    bend: Plane | None = None

    def sources(self) -> tuple[Plane, Plane]:
        """Return where in the image each pixel of the view comes from: x and y, each float32 size x size."""
        back = np.asarray(cv2.invertAffineTransform(self.matrix), dtype=np.float32)
        along = np.arange(self.size, dtype=np.float32)
        x, y = ((row[0] * along)[None, :] + (row[1] * along + row[2])[:, None] for row in back)
        if self.bend is not None:
            # Turned into the image's pixels at the few points where it is given, not at all of the view's.
            moves = np.tensordot(back[:, :2], self.bend, axes=1)
            x += cv2.resize(moves[0], (self.size, self.size), interpolation=cv2.INTER_CUBIC)
            y += cv2.resize(moves[1], (self.size, self.size), interpolation=cv2.INTER_CUBIC)
        return x, y

    def pair(self, grey: Bytes, values: Bytes) -> tuple[Bytes, Bytes]:
        """Return the views of an HxW image and of its mask or index, 0 outside.

        An image that shrinks is smoothed first; of the mask no values are mixed.
        """
        shrink = min(self.size / grey.shape[0], self.size / grey.shape[1])
        source = cv2.GaussianBlur(grey, (0, 0), 0.35 / shrink) if shrink < 0.7 else grey
        if self.bend is None:
            size = (self.size, self.size)
            view = cv2.warpAffine(source, self.matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
            moved = cv2.warpAffine(values, self.matrix, size, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT)
        else:
            x, y = self.sources()
            view = cv2.remap(source, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
            moved = cv2.remap(values, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT)
        return np.asarray(view, dtype=np.uint8), np.asarray(moved, dtype=np.uint8)


def random_bend(size: int, *, strength: float, rng: np.random.Generator) -> Plane:
    """Return a random `bend` for a view of size x size: its points move by `strength` x size (one deviation).

    Simard, Steinkraus and Platt, ICDAR 2003, with a grid of control points in place of filtered noise.
    """
    moves = np.clip(rng.standard_normal((2, _GRID, _GRID), dtype=np.float32), -2, 2)
    return np.asarray(moves * np.float32(strength * size), dtype=np.float32)
