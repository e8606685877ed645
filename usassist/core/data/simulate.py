"""A B-mode simulator: point scatterers in breast-like tissue, seen by a linear or a convex probe, still or moving.

Speckle moves with the tissue because the scatterers do: each frame moves the same points and forms the picture
again. Everything follows from the seed. It serves the shipped sample, tests and benchmarks; it is not a model of
any patient and no clinical accuracy is claimed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from usassist.core.data.simulate_probe import Probe, Screen
from usassist.core.data.simulate_tissue import (
    CELL_MM,
    LESION_KINDS,
    Anatomy,
    FloatMap,
    Lesion,
    LesionKind,
    Tissue,
    build_tissue,
)

__all__ = [
    "LESION_KINDS",
    "Anatomy",
    "Lesion",
    "LesionKind",
    "Motion",
    "Picture",
    "Probe",
    "Scene",
    "Screen",
    "convex_probe",
    "linear_probe",
    "random_scene",
    "simulate",
    "simulate_still",
]


_STRIP = 1000
"""Scatterers are looked up in rows of this many: OpenCV's remap takes no side of 32768 or more."""


@dataclass(frozen=True, slots=True)
class Motion:
    """How tissue moves under the probe; amplitudes in mm, periods in seconds, `compression` as a strain.

    The skin stays on the probe's face: breathing and compression grow with depth from 0.
    """

    slide_mm: float = 0.0
    breathing_mm: float = 0.0
    compression: float = 0.0
    period_s: float = 3.0

    def displacement(self, x_mm: FloatMap, z_mm: FloatMap, *, time_s: float) -> tuple[FloatMap, FloatMap]:
        """Return (dx, dz) in mm of tissue that rests at the given positions, at a time."""
        turn = 2 * np.pi * time_s / self.period_s
        deep = np.clip(z_mm, 0.0, None) / (np.clip(z_mm, 0.0, None) + 12.0)
        press = self.compression * 0.5 * (1 - np.cos(turn))
        dx = self.slide_mm * np.sin(turn) + 0.5 * press * x_mm
        dz = self.breathing_mm * np.sin(turn + 0.9) * deep - press * np.clip(z_mm, 0.0, None)
        return dx.astype(np.float32), dz.astype(np.float32)

    def rest_of(self, x_mm: FloatMap, z_mm: FloatMap, *, time_s: float) -> tuple[FloatMap, FloatMap]:
        """Return where the tissue that is at the given positions at a time rests: the inverse of the motion."""
        rest_x, rest_z = x_mm, z_mm
        for _ in range(8):  # the motion is a contraction, so a fixed point is found quickly
            dx, dz = self.displacement(rest_x, rest_z, time_s=time_s)
            rest_x, rest_z = x_mm - dx, z_mm - dz
        return rest_x, rest_z


@dataclass(frozen=True)
class Scene:
    """What is scanned, with what, and how it moves."""

    probe: Probe
    screen: Screen
    anatomy: Anatomy = field(default_factory=Anatomy)
    lesions: tuple[Lesion, ...] = ()
    motion: Motion = field(default_factory=Motion)
    seed: int = 0
    density: float = 30.0
    noise_floor_db: float = -58.0


@dataclass(frozen=True, eq=False)
class Picture:
    """A simulated frame: `pixels` uint8 and `classes` uint8, both rows x cols; class 0 is no lesion."""

    pixels: npt.NDArray[np.uint8]
    classes: npt.NDArray[np.uint8]
    time_s: float

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """Return the union of all lesions, rows x cols."""
        return self.classes > 0


def convex_probe(*, depth_mm: float = 55.0) -> Probe:
    """Return a convex probe of 40 mm radius that opens 58 degrees."""
    return Probe(
        "convex",
        58.0,
        depth_mm,
        face_radius_mm=40.0,
        frequency_mhz=5.0,
        focus_mm=24.0,
        beam_mm=0.7,
        pulse_mm=0.32,
        looks=4,
        smoothing=(2.0, 1.1),
    )


def linear_probe(*, width_mm: float = 50.0, depth_mm: float = 40.0) -> Probe:
    """Return a linear probe of the given face width."""
    return Probe("linear", width_mm, depth_mm, frequency_mhz=9.0, focus_mm=18.0, beam_mm=0.34, pulse_mm=0.16)


def simulate(scene: Scene, *, frames: int = 1, frame_time_s: float = 0.05) -> Iterator[Picture]:
    """Yield the frames of a scene in order, the same for the same scene."""
    face = scene.probe.face_radius_mm if scene.probe.is_convex else None
    tissue = build_tissue(
        scene.anatomy,
        scene.lesions,
        width_mm=scene.probe.width_mm,
        depth_mm=scene.probe.depth_mm,
        seed=scene.seed,
        face_radius_mm=face,
    )
    points = _scatter(scene, tissue)
    for index in range(frames):
        yield _picture(scene, tissue, points, index=index, time_s=index * frame_time_s)


def simulate_still(scene: Scene) -> Picture:
    """Return the first frame of a scene."""
    return next(simulate(scene))


def random_scene(seed: int, *, kind: LesionKind | None, screen: Screen | None = None) -> Scene:
    """Return a linear-probe scene with one lesion of a kind somewhere in the breast, or with none.

    The depth of the layers, the lesion's place, size and tilt follow from the seed.
    """
    rng = np.random.default_rng([seed, 5])
    gland = float(rng.uniform(7.0, 13.0))
    end = float(rng.uniform(24.0, 29.0))
    anatomy = Anatomy(gland_mm=gland, gland_end_mm=end, muscle_mm=end + float(rng.uniform(1.5, 4.0)), pleura_mm=41.0)
    lesions: tuple[Lesion, ...] = ()
    if kind is not None:
        radius = float(rng.uniform(3.5, 8.0))
        tall = kind == "spiculated"
        lesions = (
            Lesion(
                kind,
                float(rng.uniform(-12.0, 12.0)),
                float(rng.uniform(gland + 2.0, end - 3.0)),
                radius,
                radius * float(rng.uniform(0.8, 1.1) if tall else rng.uniform(0.5, 0.8)),
                tilt_deg=float(rng.uniform(-18.0, 18.0)),
                seed=seed,
            ),
        )
    screen = screen or Screen(rows=340, cols=420, spacing_mm=0.12, top=6)
    return Scene(linear_probe(), screen, anatomy=anatomy, lesions=lesions, seed=seed)


@dataclass(frozen=True, eq=False)
class _Scatterers:
    """Points at rest: 1-D positions in mm and strengths (amplitudes, either sign)."""

    x_mm: FloatMap
    z_mm: FloatMap
    strength: FloatMap


def _scatter(scene: Scene, tissue: Tissue) -> _Scatterers:
    """Return uniformly thrown scatterers whose strength is what the tissue says at their place."""
    rng = np.random.default_rng([scene.seed, 71])
    height, width = (size * CELL_MM for size in tissue.echo_db.shape)
    count = _STRIP * int(scene.density * height * width / _STRIP)
    x = (tissue.left_mm + width * rng.random(count)).astype(np.float32)
    z = (tissue.top_mm + height * rng.random(count)).astype(np.float32)
    level = tissue.sample(tissue.echo_db, x.reshape(-1, _STRIP), z.reshape(-1, _STRIP)).reshape(-1)
    strength = rng.standard_normal(count) * np.power(10.0, level / 20.0) / np.sqrt(scene.density)
    return _Scatterers(x, z, strength.astype(np.float32))


def _picture(scene: Scene, tissue: Tissue, points: _Scatterers, *, index: int, time_s: float) -> Picture:
    """Form one frame: move the scatterers, sum their echoes, compress, convert, and carry the truth along."""
    probe, screen, motion = scene.probe, scene.screen, scene.motion
    dx, dz = motion.displacement(points.x_mm, points.z_mm, time_s=time_s)
    rest = motion.rest_of(*probe.grid_mm, time_s=time_s)
    gain = probe.gain(tissue.sample(tissue.loss_db, *rest))
    envelope = probe.echoes(points.x_mm + dx, points.z_mm + dz, points.strength, gain)
    rng = np.random.default_rng([scene.seed, 97, index])
    envelope = np.hypot(envelope, probe.noise(rng, floor_db=scene.noise_floor_db))
    grey = screen.convert(probe, probe.compress(envelope.astype(np.float32)))
    pixels = np.clip(np.rint(grey * 255.0), 0, 255).astype(np.uint8)
    return Picture(pixels, _truth(scene, tissue, time_s=time_s), time_s)


def _truth(scene: Scene, tissue: Tissue, *, time_s: float) -> npt.NDArray[np.uint8]:
    """Return the class of every pixel of the picture, 0 outside the scan."""
    x, z = scene.motion.rest_of(*scene.screen.grid_mm, time_s=time_s)
    rows = np.clip(np.rint((z - tissue.top_mm) / CELL_MM), 0, tissue.classes.shape[0] - 1).astype(np.int64)
    cols = np.clip(np.rint((x - tissue.left_mm) / CELL_MM), 0, tissue.classes.shape[1] - 1).astype(np.int64)
    return np.where(scene.screen.footprint(scene.probe), tissue.classes[rows, cols], 0).astype(np.uint8)
