"""What ultrasound does to a picture, on float32 images from 0 to 1; depth is downwards.

The picture is the logarithm of the echo, so what weakens an echo by so many decibels takes away so many grey levels.
"""

import numpy as np
import numpy.typing as npt

from usassist.core.geometry.cv import cv2

Float = npt.NDArray[np.float32]

_DYNAMIC_RANGE_DB = 60.0


def attenuate(x: Float, *, rng: np.random.Generator) -> Float:
    """Take away up to 20 dB towards the bottom, from a random depth on: a fatty layer, a probe without contact."""
    loss = rng.uniform(4, 20) / _DYNAMIC_RANGE_DB
    depth = np.linspace(0, 1, x.shape[0], dtype=np.float32)[:, None]
    start = rng.uniform(0, 0.6)
    ramp = np.clip((depth - np.float32(start)) / np.float32(1 - start), 0, None)
    return np.asarray(x - np.float32(loss) * ramp, dtype=np.float32)


def shadow(rows: int, cols: int, *, rng: np.random.Generator) -> Float:
    """Return factors of a soft dark band that falls from a random depth, as behind calcium or a rib."""
    centre, width = rng.uniform(0, cols), rng.uniform(0.03, 0.15) * cols
    across = np.exp(-0.5 * ((np.arange(cols) - centre) / width) ** 2)
    start = rng.uniform(0, 0.6) * rows
    along = 1 / (1 + np.exp(-(np.arange(rows) - start) / (0.03 * rows)))
    return np.asarray(1 - rng.uniform(0.3, 0.7) * along[:, None] * across[None, :], dtype=np.float32)


def haze(x: Float, *, rng: np.random.Generator) -> Float:
    """Lay cloudy clutter over the picture, densest in the near field, as reverberation and side lobes do."""
    rows, cols = x.shape
    cloud = cv2.resize(rng.random((5, 7), dtype=np.float32), (cols, rows), interpolation=cv2.INTER_CUBIC)
    reach = np.float32(rng.uniform(0.15, 0.8))
    fading = np.exp(-np.linspace(0, 1, rows, dtype=np.float32) / reach)[:, None]
    veil = np.clip(cloud, 0, 1) * fading * np.float32(rng.uniform(0.1, 0.45))
    return np.asarray(x + veil * (1 - x), dtype=np.float32)


def coarsen(x: Float, *, rng: np.random.Generator) -> Float:
    """Show fewer lines and samples: the picture of 35 to 80 % of its width and height, each drawn, enlarged again."""
    rows, cols = x.shape
    fewer = [max(1, round(side * share)) for side, share in zip((cols, rows), rng.uniform(0.35, 0.8, 2), strict=True)]
    small = cv2.resize(x, fewer, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (cols, rows), interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def speckle(x: Float, *, rng: np.random.Generator) -> Float:
    """Multiply with smooth grain of 5 to 20 % deviation."""
    noise = rng.standard_normal(x.shape, dtype=np.float32)
    grain = cv2.GaussianBlur(noise, (0, 0), float(rng.uniform(0.5, 1.2)))
    return np.asarray(
        x * (1 + np.float32(rng.uniform(0.1, 0.4)) * grain / max(float(grain.std()), 1e-6) * 0.5), dtype=np.float32
    )
