"""What augmentation does to grey values alone: the strong list of NextGen-UIA, each operation on its own."""

import numpy as np
import numpy.typing as npt

from usassist.core.geometry.cv import cv2

Grey = npt.NDArray[np.uint8]
Float = npt.NDArray[np.float32]

_TAIL = 0.005
_STEPS = 5
_UNEVEN = 0.6


def autocontrast(grey: Grey) -> Grey:
    """Stretch an HxW image so that it spans 0 to 255, but for the half per cent at each end."""
    counts = np.cumsum(cv2.calcHist([grey], [0], None, [256], [0, 256]))
    low, high = np.searchsorted(counts, [_TAIL * counts[-1], (1 - _TAIL) * counts[-1]])
    if high <= low:
        return grey
    table = np.clip((np.arange(256) - low) * (255.0 / (high - low)) + 0.5, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(grey, table), dtype=np.uint8)


def equalise(grey: Grey) -> Grey:
    """Spread the grey values of an HxW image so that each is as frequent as the others."""
    return np.asarray(cv2.equalizeHist(grey), dtype=np.uint8)


def grey_map(grey: Grey, *, rng: np.random.Generator) -> Grey:
    """Map the values of an HxW image by a random curve that rises from 0 to 255, as scanners' post-processing does."""
    rises = np.exp(rng.normal(0.0, _UNEVEN, _STEPS))
    heights = np.concatenate([[0.0], np.cumsum(rises)]) * (255.0 / rises.sum())
    table = np.interp(np.arange(256), np.linspace(0, 255, _STEPS + 1), heights)
    return np.asarray(cv2.LUT(grey, (table + 0.5).astype(np.uint8)), dtype=np.uint8)


def posterise(grey: Grey, *, bits: int) -> Grey:
    """Keep the highest `bits` (1 to 8) bits of each value."""
    return grey & np.uint8(256 - (1 << (8 - bits)))


def solarise(grey: Grey, *, threshold: int) -> Grey:
    """Invert the values from `threshold` (0 to 255) up."""
    return np.where(grey >= threshold, 255 - grey, grey)


def sharpen(x: Float, *, factor: float) -> Float:
    """Return x with its detail times `factor`: 1 leaves it, less blurs, more sharpens."""
    smooth = cv2.blur(x, (3, 3))
    return np.asarray(smooth + np.float32(factor) * (x - smooth), dtype=np.float32)
