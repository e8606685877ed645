"""Breast-like tissue for the simulator: layers, lobules and lesions as maps of echo strength and attenuation.

Coordinates are millimetres: `x` lateral (0 under the middle of the probe), `z` depth below the skin's surface there.
Echo strength is in dB relative to glandular tissue; attenuation is two-way, in dB per mm at the probe's frequency.
The levels follow what breast sonography describes (fat and muscle hypoechoic to gland, skin and fasciae bright).
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from usassist.core.geometry.cv import cv2

FloatMap = npt.NDArray[np.float32]
LesionKind = Literal["cyst", "fibroadenoma", "spiculated", "isoechoic", "hyperechoic", "calcifications"]

LESION_KINDS: tuple[LesionKind, ...] = (
    "cyst",
    "fibroadenoma",
    "spiculated",
    "isoechoic",
    "hyperechoic",
    "calcifications",
)
"""Every lesion the simulator knows; the class index in a truth map is the position here plus 1."""

CELL_MM = 0.1
"""Edge of a cell of the tissue maps: finer than the shortest pulse the probes send."""

FAT_DB, GLAND_DB, MUSCLE_DB = -13.0, -1.0, -14.0
SOFT_TISSUE_LOSS = 0.5
"""Two-way loss in dB per mm: 0.5 dB per cm and MHz, there and back, at 5 MHz."""


@dataclass(frozen=True, slots=True)
class Lesion:
    """A lesion: its centre and half-axes in mm, its tilt in degrees, and the seed of its outline and texture."""

    kind: LesionKind
    x_mm: float
    z_mm: float
    radius_x_mm: float
    radius_z_mm: float
    tilt_deg: float = 0.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Anatomy:
    """Depths in mm at which the layers begin, and how thickly the fat is divided by Cooper's ligaments."""

    skin_mm: float = 1.8
    gland_mm: float = 11.0
    gland_end_mm: float = 30.0
    muscle_mm: float = 33.0
    pleura_mm: float = 46.0
    lobule_mm: tuple[float, float] = (11.0, 4.5)


@dataclass(frozen=True)
class Tissue:
    """Maps of HxW float32 over a field of view whose first cell is at (`left_mm`, `top_mm`), cells of CELL_MM.

    `echo_db` is the scatterers' strength, `loss_db` the two-way attenuation per mm, `classes` uint8: 0 outside
    lesions, else the lesion kind's class index.
    """

    left_mm: float
    top_mm: float
    echo_db: FloatMap
    loss_db: FloatMap
    classes: npt.NDArray[np.uint8]

    def sample(self, plane: FloatMap, x_mm: FloatMap, z_mm: FloatMap) -> FloatMap:
        """Return `plane` at 2-D arrays of positions in mm, bilinear, the nearest edge outside the field."""
        cols = ((x_mm - self.left_mm) / CELL_MM).astype(np.float32)
        rows = ((z_mm - self.top_mm) / CELL_MM).astype(np.float32)
        out: FloatMap = cv2.remap(plane, cols, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return out


def smooth_noise(shape: tuple[int, int], rng: np.random.Generator, *, scale_x_mm: float, scale_z_mm: float) -> FloatMap:
    """Return HxW float32 Gaussian noise of mean 0 and standard deviation 1 with the given correlation lengths."""
    step_x, step_z = max(CELL_MM, scale_x_mm / 3.0), max(CELL_MM, scale_z_mm / 3.0)
    rows, cols = int(shape[0] * CELL_MM / step_z) + 8, int(shape[1] * CELL_MM / step_x) + 8
    coarse = rng.standard_normal((rows, cols)).astype(np.float32)
    coarse = cv2.GaussianBlur(coarse, (0, 0), sigmaX=scale_x_mm / step_x / 1.5, sigmaY=scale_z_mm / step_z / 1.5)
    coarse = coarse[3:-3, 3:-3]
    field: FloatMap = cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray((field - field.mean()) / max(float(field.std()), 1e-6), dtype=np.float32)


def septa(x_mm: FloatMap, z_mm: FloatMap, rng: np.random.Generator, *, lobule_mm: tuple[float, float]) -> FloatMap:
    """Return the distance in mm to the nearest wall between lobules, the cells of a stretched Voronoi diagram."""
    width, height = lobule_mm
    coarse_x, coarse_z = x_mm[::2, ::2] / width, z_mm[::2, ::2] / height
    left, right, top, bottom = coarse_x.min(), coarse_x.max(), coarse_z.min(), coarse_z.max()
    first = np.full(coarse_x.shape, 1e6, dtype=np.float32)
    second = first.copy()
    for row, seed_z in enumerate(np.arange(top - 1.0, bottom + 1.0)):
        for seed_x in np.arange(left - 1.0, right + 1.0):
            jitter = rng.uniform(-0.42, 0.42, 2)
            distance = np.hypot(coarse_x - (seed_x + 0.5 * (row % 2) + jitter[0]), coarse_z - (seed_z + jitter[1]))
            second = np.minimum(second, np.maximum(first, distance)).astype(np.float32)
            first = np.minimum(first, distance).astype(np.float32)
    wall = (second - first) * 0.5 * height
    full: FloatMap = cv2.resize(wall, (x_mm.shape[1], x_mm.shape[0]), interpolation=cv2.INTER_LINEAR)
    return full


def _band(distance_mm: FloatMap, thickness_mm: float) -> FloatMap:
    """Return 1 on a sheet and 0 away from it, with soft flanks."""
    out: FloatMap = np.exp(-0.5 * (distance_mm / thickness_mm) ** 2).astype(np.float32)
    return out


def _step(distance_mm: FloatMap, softness_mm: float) -> FloatMap:
    """Return 0 where the distance is negative and 1 where it is positive, with a soft edge."""
    out: FloatMap = (1.0 / (1.0 + np.exp(-np.clip(distance_mm / softness_mm, -30, 30)))).astype(np.float32)
    return out


def build_tissue(
    anatomy: Anatomy,
    lesions: tuple[Lesion, ...],
    *,
    width_mm: float,
    depth_mm: float,
    seed: int,
    face_radius_mm: float | None = None,
) -> Tissue:
    """Return the maps of a field `width_mm` wide and `depth_mm` deep (with a margin), the same for the same seed.

    `face_radius_mm` is the radius of a convex probe's face: the skin follows it, deeper layers less and less.
    """
    rng = np.random.default_rng([seed, 11])
    margin = 6.0
    left, top = -0.5 * width_mm - margin, -margin - (0.0 if face_radius_mm is None else 0.2 * face_radius_mm)
    cols = np.arange(left, 0.5 * width_mm + margin, CELL_MM, dtype=np.float32)
    rows = np.arange(top, depth_mm + margin, CELL_MM, dtype=np.float32)
    x, z = (plane.astype(np.float32) for plane in np.meshgrid(cols, rows))
    depth = z if face_radius_mm is None else _under_convex_face(x, z, face_radius_mm)
    echo, loss = _layers(anatomy, x, depth, rng)
    tissue = Tissue(left, top, echo, loss, np.zeros(x.shape, dtype=np.uint8))
    for lesion in lesions:
        tissue = _with_lesion(tissue, lesion, x=x, z=z)
    return tissue


def _under_convex_face(x: FloatMap, z: FloatMap, radius_mm: float) -> FloatMap:
    """Return the depth below a skin that a convex face presses into its own curve; flat again far below."""
    below_face = np.hypot(x, z + radius_mm) - radius_mm
    follow = 0.25 + 0.75 * np.exp(-np.maximum(below_face, 0.0) / 22.0)
    out: FloatMap = (follow * below_face + (1.0 - follow) * z).astype(np.float32)
    return out


def _layers(anatomy: Anatomy, x: FloatMap, depth: FloatMap, rng: np.random.Generator) -> tuple[FloatMap, FloatMap]:
    """Return (echo dB, loss dB per mm) of skin, fat, gland, retromammary fat, muscle and the pleura."""
    shape = (x.shape[0], x.shape[1])
    warp = smooth_noise(shape, rng, scale_x_mm=14.0, scale_z_mm=8.0)
    wavy = (depth + 0.9 * warp * np.clip(depth / 10.0, 0.0, 1.0)).astype(np.float32)
    drift = smooth_noise(shape, rng, scale_x_mm=18.0, scale_z_mm=60.0)
    wall = septa(x + 0.8 * warp, wavy, rng, lobule_mm=anatomy.lobule_mm)
    torn = np.clip(smooth_noise(shape, rng, scale_x_mm=5.0, scale_z_mm=3.0) * 0.5 + 0.75, 0.15, 1.0)
    mottle = smooth_noise(shape, rng, scale_x_mm=2.2, scale_z_mm=1.2)
    ligaments = _band(wall, 0.2) * torn

    fat = FAT_DB + 1.3 * mottle + 17.0 * ligaments
    striae = smooth_noise(shape, rng, scale_x_mm=5.0, scale_z_mm=0.9)
    ducts = _step(smooth_noise(shape, rng, scale_x_mm=6.0, scale_z_mm=1.6) - 1.25, 0.12)
    gland = GLAND_DB + 2.2 * mottle + 2.4 * striae - 9.0 * ducts + 4.0 * ligaments
    fibres = smooth_noise(shape, rng, scale_x_mm=9.0, scale_z_mm=0.55)
    muscle = MUSCLE_DB + 1.0 * mottle + 9.0 * _step(fibres - 1.2, 0.25)

    scallop = 2.2 * drift + 1.1 * np.abs(np.sin(x / 5.5 + 1.2 * drift))
    into_gland = _step(wavy - anatomy.gland_mm - scallop, 0.25)
    out_of_gland = _step(wavy - anatomy.gland_end_mm - 1.5 * drift, 0.3)
    into_muscle = _step(depth - anatomy.muscle_mm - 0.8 * drift, 0.2)
    echo = fat + (gland - fat) * into_gland * (1.0 - out_of_gland)
    echo = echo + (muscle - echo) * into_muscle
    echo = echo + 17.0 * _band(depth - anatomy.muscle_mm - 0.8 * drift, 0.28)
    pleura = depth - anatomy.pleura_mm - 0.5 * drift
    echo = np.where(pleura > 0, -24.0, echo) + 26.0 * _band(pleura, 0.4)
    loss = SOFT_TISSUE_LOSS * (1.0 + 0.12 * into_gland) + 0.9 * _step(pleura, 0.3)
    return _skin(anatomy, depth, echo.astype(np.float32)), loss.astype(np.float32)


def _skin(anatomy: Anatomy, depth: FloatMap, echo: FloatMap) -> FloatMap:
    """Return the echo map with the skin on top: two bright lines around a grey band, gel above."""
    inside = 1.0 - _step(depth - anatomy.skin_mm, 0.08)
    echo = echo + (-3.0 - echo) * inside
    echo = echo + 9.0 * _band(depth - 0.25, 0.22) + 10.0 * _band(depth - anatomy.skin_mm, 0.2)
    out: FloatMap = np.where(depth < 0, -60.0, echo).astype(np.float32)
    return out


def _outline(lesion: Lesion, angle: FloatMap) -> FloatMap:
    """Return the outline's radius (1 = the ellipse) at polar angles around the centre."""
    rng = np.random.default_rng([lesion.seed, 23])
    spiky = lesion.kind == "spiculated"
    strength, orders, decay = (0.36, range(3, 26), 1.25) if spiky else (0.06, range(2, 6), 0.8)
    radius = np.ones_like(angle)
    for order in orders:
        radius += strength * rng.uniform(0.2, 1.0) / order**decay * np.cos(order * angle + rng.uniform(0, 2 * np.pi))
    return np.maximum(radius, 0.45)


def _with_lesion(tissue: Tissue, lesion: Lesion, *, x: FloatMap, z: FloatMap) -> Tissue:
    """Return the tissue with one lesion laid into it."""
    tilt = np.deg2rad(lesion.tilt_deg)
    dx, dz = x - lesion.x_mm, z - lesion.z_mm
    along = (dx * np.cos(tilt) + dz * np.sin(tilt)) / lesion.radius_x_mm
    across = (-dx * np.sin(tilt) + dz * np.cos(tilt)) / lesion.radius_z_mm
    angle = np.arctan2(across, along).astype(np.float32)
    mean_radius = 0.5 * (lesion.radius_x_mm + lesion.radius_z_mm)
    reach = np.hypot(along, across).astype(np.float32)
    outside = ((reach - _outline(lesion, angle)) * mean_radius).astype(np.float32)
    rng = np.random.default_rng([lesion.seed, 37])
    echo, loss = _FILL[lesion.kind](outside, angle, tissue.echo_db, tissue.loss_db, rng)
    classes = np.where(outside <= 0, LESION_KINDS.index(lesion.kind) + 1, tissue.classes)
    return replace(
        tissue, echo_db=echo.astype(np.float32), loss_db=loss.astype(np.float32), classes=classes.astype(np.uint8)
    )


def _edge_loss(outside: FloatMap, angle: FloatMap) -> FloatMap:
    """Return the loss of a smooth wall hit at a grazing angle: refraction, the thin shadows beside a round lesion."""
    return np.asarray(2.6 * _band(outside, 0.3) * np.abs(np.cos(angle)) ** 10, dtype=np.float32)


def _cyst(
    outside: FloatMap, angle: FloatMap, echo: FloatMap, loss: FloatMap, rng: np.random.Generator
) -> tuple[FloatMap, FloatMap]:
    """Anechoic, a thin bright wall in front and behind, no loss inside (hence enhancement behind)."""
    inside = _step(-outside, 0.06)
    wall: FloatMap = np.asarray(12.0 * _band(outside - 0.15, 0.16) * np.abs(np.sin(angle)) ** 1.5, dtype=np.float32)
    return echo + (-75.0 - echo) * inside + wall, loss * (1 - inside) + _edge_loss(outside, angle)


def _fibroadenoma(
    outside: FloatMap, angle: FloatMap, echo: FloatMap, loss: FloatMap, rng: np.random.Generator
) -> tuple[FloatMap, FloatMap]:
    """Homogeneously hypoechoic, circumscribed, a thin capsule, a little enhancement."""
    inside = _step(-outside, 0.1)
    texture = 1.4 * smooth_noise((echo.shape[0], echo.shape[1]), rng, scale_x_mm=2.5, scale_z_mm=1.6)
    capsule = np.asarray(8.0 * _band(outside - 0.2, 0.2) * (0.25 + np.abs(np.sin(angle))), dtype=np.float32)
    return echo + (-18.0 + texture - echo) * inside + capsule, loss * (1 - 0.45 * inside) + _edge_loss(outside, angle)


def _spiculated(
    outside: FloatMap, angle: FloatMap, echo: FloatMap, loss: FloatMap, rng: np.random.Generator
) -> tuple[FloatMap, FloatMap]:
    """Markedly hypoechoic and irregular, an echogenic halo crossed by spicules, a dense shadow behind."""
    inside = _step(-outside, 0.25)
    shape = (echo.shape[0], echo.shape[1])
    texture = 2.6 * smooth_noise(shape, rng, scale_x_mm=1.8, scale_z_mm=1.3)
    spicules = np.zeros_like(echo)
    for centre in rng.uniform(-np.pi, np.pi, 14):
        turn = np.abs(np.angle(np.exp(1j * (angle - centre)))).astype(np.float32)
        spicules = np.maximum(spicules, np.exp(-0.5 * (turn / 0.055) ** 2) * np.exp(-np.maximum(outside, 0) / 2.6))
    halo = np.exp(-np.maximum(outside, 0) / 1.3) * _step(outside, 0.25)
    echo = echo + 5.0 * halo - 13.0 * spicules * _step(outside, 0.25)
    return echo + (-27.0 + texture - echo) * inside, loss + 1.6 * inside


def _isoechoic(
    outside: FloatMap, angle: FloatMap, echo: FloatMap, loss: FloatMap, rng: np.random.Generator
) -> tuple[FloatMap, FloatMap]:
    """As bright as fat, told apart by its capsule and its even texture only."""
    inside = _step(-outside, 0.1)
    texture = 1.2 * smooth_noise((echo.shape[0], echo.shape[1]), rng, scale_x_mm=2.0, scale_z_mm=1.2)
    capsule = 14.0 * _band(outside, 0.22)
    return echo + (FAT_DB + 1.0 + texture - echo) * inside + capsule, loss + 0.5 * _edge_loss(outside, angle)


def _hyperechoic(
    outside: FloatMap, angle: FloatMap, echo: FloatMap, loss: FloatMap, rng: np.random.Generator
) -> tuple[FloatMap, FloatMap]:
    """Brighter than gland with a soft edge, as a lipoma or fat necrosis."""
    inside = _step(-outside, 0.3)
    texture = 1.8 * smooth_noise((echo.shape[0], echo.shape[1]), rng, scale_x_mm=2.4, scale_z_mm=1.0)
    return echo + (5.0 + texture - echo) * inside, loss


def _calcifications(
    outside: FloatMap, angle: FloatMap, echo: FloatMap, loss: FloatMap, rng: np.random.Generator
) -> tuple[FloatMap, FloatMap]:
    """A hypoechoic mass with bright grains, each dense enough to cast a thin shadow."""
    inside = _step(-outside, 0.2)
    rows, cols = np.nonzero(outside < -0.6)
    grains = np.zeros_like(echo)
    if rows.size:
        for index in rng.choice(rows.size, size=min(16, rows.size), replace=False):
            cv2.circle(grains, (int(cols[index]), int(rows[index])), int(rng.integers(2, 5)), 1.0, -1)
    grains = cv2.GaussianBlur(grains, (0, 0), 1.0)
    return echo + (-20.0 - echo) * inside + 34.0 * grains, loss + 10.0 * grains


_FILL = {
    "cyst": _cyst,
    "fibroadenoma": _fibroadenoma,
    "spiculated": _spiculated,
    "isoechoic": _isoechoic,
    "hyperechoic": _hyperechoic,
    "calcifications": _calcifications,
}
