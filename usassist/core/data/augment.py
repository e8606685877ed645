"""Joint augmentation of a grey image and its mask, in one resampling, with cv2; each operation is switched alone.

Off unless asked for are three that NextGen-UIA draws as often as the others: a vertical flip puts the skin below and
turns shadows upward, which no scanner does; solarising makes fluid white and walls black, so that a cyst looks solid;
posterising replaces the speckle that tells tissues apart by steps.
"""

import math
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from usassist.core.data import artefacts, drawn_marks, tone
from usassist.core.data.warp import Warp, random_bend
from usassist.core.errors import TrainingError
from usassist.core.geometry.cv import cv2

Grey = npt.NDArray[np.uint8]
MaskT = TypeVar("MaskT", npt.NDArray[np.bool_], npt.NDArray[np.uint8])

_MOST = {"rotate_deg": 180.0, "scale": 2.0, "aspect": 2.0, "gamma": 3.0, "contrast": 3.0, "depth_gain": 3.0}
"""How strong an operation may be whose strength is no probability or fraction."""


@dataclass(frozen=True, slots=True)
class AugmentConfig:
    """How much of each operation; 0 switches it off, and what is off draws no random number.

    Strengths are the largest change to either side: `rotate_deg` in degrees; `scale`, `aspect`, `gamma`, `contrast`
    and `depth_gain` as exponents of e; `shift` and `elastic` (0.01 is mild) as fractions of the size; `gain` as a
    fraction of the full range, `sharpness` of the detail. The others are the probability that it is done at all.
    `shadow`, `attenuation`, `haze` and `speckle` are ultrasound's own; `grey_map` and `resolution` are another
    scanner's: its map from echoes to grey, and its coarser lines; `calipers` and `text` are what scanners burn in,
    and `unmark` is how often that is taken out, where it is.
    `elsewhere` zooms into tissue beside the object, so that there is nothing to find: a normal image from any other.
    """

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
    elastic: float = 0.0
    gain: float = 0.0
    sharpness: float = 0.0
    autocontrast: float = 0.0
    equalise: float = 0.0
    attenuation: float = 0.0
    haze: float = 0.0
    calipers: float = 0.0
    text: float = 0.0
    vertical_flip: float = 0.0
    posterise: float = 0.0
    solarise: float = 0.0
    elsewhere: float = 0.0
    unmark: float = 0.0
    grey_map: float = 0.0
    resolution: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value, most = getattr(self, field.name), _MOST.get(field.name, 1.0)
            if not (math.isfinite(value) and 0 <= value <= most):
                raise TrainingError(f"augment.{field.name} is {value}; expected 0 (off) to {most:g}.")


def augment(
    grey: Grey, mask: MaskT, *, size: int, config: AugmentConfig, rng: np.random.Generator, clean: Grey | None = None
) -> tuple[Grey, MaskT]:
    """Return a random view of an HxW image and its mask, both size x size; the two stay aligned.

    The mask is bool, or uint8 indices of objects, and stays what it is. `clean` is the image without its marks, HxW;
    None where it has none or they are to stay.
    """
    if _drawn(config.unmark, rng) and clean is not None:
        grey = clean
    shape = (grey.shape[0], grey.shape[1])
    warp = None
    if _drawn(config.elsewhere, rng):
        warp = _beside(mask.view(np.uint8), size=size, config=config, rng=rng)
    warp = warp or random_warp(shape, size=size, config=config, rng=rng)
    view, moved = warp.pair(grey, mask.view(np.uint8))
    return _intensity(view, moved, config=config, rng=rng), moved.astype(mask.dtype, copy=False)


_TRIES = 12
_ZOOM = (1.5, 3.0)


def _beside(mask: Grey, *, size: int, config: AugmentConfig, rng: np.random.Generator) -> Warp | None:
    """Return a view into an image that shows nothing of its object; None where a few tries find none."""
    rows, cols = mask.shape
    for _ in range(_TRIES if mask.any() else 0):
        matrix = _warp_matrix(rows, cols, size=size, config=replace(config, shift=0.0), rng=rng)
        zoom = rng.uniform(*_ZOOM)
        matrix[:, :2] *= zoom
        # What is to lie in the middle: far enough from the borders that little black comes into the picture.
        centre = np.array([cols, rows]) * rng.uniform(0.5 / zoom, 1 - 0.5 / zoom, size=2)
        matrix[:, 2] = (size - 1) / 2 - matrix[:, :2] @ centre
        warp = Warp(matrix, size, None)
        if not warp.pair(mask, mask)[1].any():
            return warp
    return None


def random_warp(shape: tuple[int, int], *, size: int, config: AugmentConfig, rng: np.random.Generator) -> Warp:
    """Return a random view of an image of (rows, columns): squashed to size x size, then what `config` allows."""
    matrix = _warp_matrix(*shape, size=size, config=config, rng=rng)
    bend = random_bend(size, strength=config.elastic, rng=rng) if config.elastic > 0 else None
    return Warp(matrix, size, bend)


def _warp_matrix(
    rows: int, cols: int, *, size: int, config: AugmentConfig, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Squash to size x size, then flip, rotate, scale and shift about the centre."""
    zoom = np.exp(rng.uniform(-config.scale, config.scale))
    stretch = np.exp(rng.uniform(-config.aspect, config.aspect) / 2)
    angle = np.deg2rad(rng.uniform(-config.rotate_deg, config.rotate_deg))
    mirror = -1.0 if rng.random() < config.flip else 1.0
    upside_down = -1.0 if config.vertical_flip > 0 and rng.random() < config.vertical_flip else 1.0
    squash = np.diag([size / cols, size / rows])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn @ np.diag([mirror * zoom * stretch, upside_down * zoom / stretch]) @ squash
    centre = np.array([(cols - 1) / 2, (rows - 1) / 2])
    target = (size - 1) / 2 + size * rng.uniform(-config.shift, config.shift, size=2)
    return np.hstack([linear, (target - linear @ centre)[:, None]])


def _intensity(grey: Grey, mask: Grey, *, config: AugmentConfig, rng: np.random.Generator) -> Grey:
    """Change the grey values in the order in which they come about: the tissue, the receiver, the screen, the pen."""
    x = _toned(_remapped(grey, config=config, rng=rng), config=config, rng=rng)
    if _drawn(config.resolution, rng):
        x = artefacts.coarsen(x, rng=rng)
    depth = np.linspace(-1, 1, x.shape[0], dtype=np.float32)[:, None]
    x = x * np.exp(depth * np.float32(rng.uniform(-config.depth_gain, config.depth_gain)))
    if rng.random() < config.shadow:
        x = x * artefacts.shadow(x.shape[0], x.shape[1], rng=rng)
    if _drawn(config.attenuation, rng):
        x = artefacts.attenuate(x, rng=rng)
    if rng.random() < config.blur:
        x = cv2.GaussianBlur(x, (0, 0), float(rng.uniform(0.4, 1.3)))
    if config.sharpness > 0:
        x = tone.sharpen(x, factor=1 + rng.uniform(-config.sharpness, config.sharpness))
    if rng.random() < config.speckle:
        x = artefacts.speckle(x, rng=rng)
    if _drawn(config.haze, rng):
        x = artefacts.haze(x, rng=rng)
    shown = np.asarray(np.clip(x * 255.0 + 0.5, 0, 255), dtype=np.uint8)
    if _drawn(config.calipers, rng):
        drawn_marks.draw_calipers(shown, rng=rng, mask=mask)
    if _drawn(config.text, rng):
        drawn_marks.draw_text(shown, rng=rng)
    return shown


def _remapped(grey: Grey, *, config: AugmentConfig, rng: np.random.Generator) -> Grey:
    """Apply what maps stored values to stored values."""
    if _drawn(config.grey_map, rng):
        grey = tone.grey_map(grey, rng=rng)
    if _drawn(config.autocontrast, rng):
        grey = tone.autocontrast(grey)
    if _drawn(config.equalise, rng):
        grey = tone.equalise(grey)
    if _drawn(config.posterise, rng):
        grey = tone.posterise(grey, bits=int(rng.integers(4, 8)))
    if _drawn(config.solarise, rng):
        grey = tone.solarise(grey, threshold=int(rng.integers(128, 256)))
    return grey


def _toned(grey: Grey, *, config: AugmentConfig, rng: np.random.Generator) -> tone.Float:
    """Return the image as float32 from 0 to 1 with its gamma, contrast and gain, by a table of the 256 values."""
    table = np.arange(256, dtype=np.uint8).astype(np.float32) / 255.0
    table = np.power(table, np.float32(np.exp(rng.uniform(-config.gamma, config.gamma))))
    factor = np.float32(np.exp(rng.uniform(-config.contrast, config.contrast)))
    table = table * factor + np.float32(rng.uniform(-0.5, 0.5) * config.contrast * 0.4)
    if config.gain > 0:
        table = table + np.float32(rng.uniform(-config.gain, config.gain))
    return np.asarray(cv2.LUT(grey, table), dtype=np.float32)


def _drawn(probability: float, rng: np.random.Generator) -> bool:
    """Return whether an operation is done; one that is off draws nothing, so that all others stay as they were."""
    return probability > 0 and rng.random() < probability
