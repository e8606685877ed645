"""Joint augmentation of a grey image and its mask, in one resampling, with cv2.

No vertical flip: it would put the skin below and turn shadows upward, which no scanner does.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from usassist.core.geometry.cv import cv2

Grey = npt.NDArray[np.uint8]
Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class AugmentConfig:
    """Strengths; 0 switches an operation off. Angles in degrees, the rest as fractions or probabilities."""

    flip: float = 0.5
    rotate_deg: float = 20.0
    scale: float = 0.3
    aspect: float = 0.2
    shift: float = 0.12
    gamma: float = 0.4
    contrast: float = 0.25
    blur: float = 0.2
    speckle: float = 0.3
    depth_gain: float = 0.3
    shadow: float = 0.1


def augment(grey: Grey, mask: Bool, *, size: int, config: AugmentConfig, rng: np.random.Generator) -> tuple[Grey, Bool]:
    """Return a random view of an HxW image and its mask, both size x size; the two stay aligned."""
    matrix = _warp_matrix(grey.shape[0], grey.shape[1], size=size, config=config, rng=rng)
    shrink = min(size / grey.shape[0], size / grey.shape[1])
    source = cv2.GaussianBlur(grey, (0, 0), 0.35 / shrink) if shrink < 0.7 else grey
    warped = cv2.warpAffine(source, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    inside = cv2.warpAffine(mask.view(np.uint8), matrix, (size, size), flags=cv2.INTER_NEAREST)
    return _intensity(np.asarray(warped, dtype=np.uint8), config=config, rng=rng), inside.astype(np.bool_)


def _warp_matrix(
    rows: int, cols: int, *, size: int, config: AugmentConfig, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Squash to size x size, then flip, rotate, scale and shift about the centre."""
    zoom = np.exp(rng.uniform(-config.scale, config.scale))
    stretch = np.exp(rng.uniform(-config.aspect, config.aspect) / 2)
    angle = np.deg2rad(rng.uniform(-config.rotate_deg, config.rotate_deg))
    mirror = -1.0 if rng.random() < config.flip else 1.0
    squash = np.diag([size / cols, size / rows])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn @ np.diag([mirror * zoom * stretch, zoom / stretch]) @ squash
    centre = np.array([(cols - 1) / 2, (rows - 1) / 2])
    target = (size - 1) / 2 + size * rng.uniform(-config.shift, config.shift, size=2)
    return np.hstack([linear, (target - linear @ centre)[:, None]])


def _intensity(grey: Grey, *, config: AugmentConfig, rng: np.random.Generator) -> Grey:
    x = grey.astype(np.float32) / 255.0
    x = np.power(x, np.float32(np.exp(rng.uniform(-config.gamma, config.gamma))))
    gain = np.float32(np.exp(rng.uniform(-config.contrast, config.contrast)))
    x = x * gain + np.float32(rng.uniform(-0.5, 0.5) * config.contrast * 0.4)
    depth = np.linspace(-1, 1, x.shape[0], dtype=np.float32)[:, None]
    x = x * np.exp(depth * np.float32(rng.uniform(-config.depth_gain, config.depth_gain)))
    if rng.random() < config.shadow:
        x = x * _shadow(x.shape[0], x.shape[1], rng=rng)
    if rng.random() < config.blur:
        x = cv2.GaussianBlur(x, (0, 0), float(rng.uniform(0.4, 1.3)))
    if rng.random() < config.speckle:
        noise = rng.standard_normal(x.shape, dtype=np.float32)
        grain = cv2.GaussianBlur(noise, (0, 0), float(rng.uniform(0.5, 1.2)))
        x = x * (1 + np.float32(rng.uniform(0.1, 0.4)) * grain / max(float(grain.std()), 1e-6) * 0.5)
    return np.asarray(np.clip(x * 255.0 + 0.5, 0, 255), dtype=np.uint8)


def _shadow(rows: int, cols: int, *, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return a soft dark band that falls from a random depth, as behind calcium or a rib."""
    centre, width = rng.uniform(0, cols), rng.uniform(0.03, 0.15) * cols
    across = np.exp(-0.5 * ((np.arange(cols) - centre) / width) ** 2)
    start = rng.uniform(0, 0.6) * rows
    along = 1 / (1 + np.exp(-(np.arange(rows) - start) / (0.03 * rows)))
    return np.asarray(1 - rng.uniform(0.3, 0.7) * along[:, None] * across[None, :], dtype=np.float32)
