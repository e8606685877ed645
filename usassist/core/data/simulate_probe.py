"""Probes and screens for the simulator: beams through scatterers, envelope, log compression, scan conversion.

The image model is the usual linear one: each scatterer answers with its strength and the phase of its range, the
sum is blurred by a separable point-spread function (a Gaussian axial pulse on a carrier, a lateral beam that is
narrowest at the focus), and the envelope of the result, taken at a few carriers and averaged, is the echo.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from usassist.core.data.simulate_tissue import SOFT_TISSUE_LOSS, FloatMap
from usassist.core.errors import UsassistError
from usassist.core.geometry.cv import cv2

_PAD = 24
"""Beams simulated beyond each edge, so that the lateral blur never wraps into the picture."""


@dataclass(frozen=True)
class Probe:
    """A transducer and its settings; lengths in mm, angles in degrees, frequency in MHz.

    `aperture` is the face's width of a linear probe in mm, or the opening angle of a convex one; `looks` is the
    number of carriers whose envelopes are averaged (frequency compounding), which calms the speckle; `smoothing` is
    what the scanner's display filter adds, as (samples, beams).
    """

    geometry: Literal["linear", "convex"]
    aperture: float
    depth_mm: float
    face_radius_mm: float = 0.0
    frequency_mhz: float = 7.0
    focus_mm: float = 22.0
    beam_mm: float = 0.42
    beam_spread: float = 0.016
    pulse_mm: float = 0.2
    beams: int = 288
    samples: int = 640
    looks: int = 3
    dynamic_range_db: float = 60.0
    top_db: float = 20.0
    smoothing: tuple[float, float] = (1.0, 0.6)

    def __post_init__(self) -> None:
        if self.geometry == "convex" and not (self.face_radius_mm > 0 and 0 < self.aperture < 170):
            raise UsassistError(
                f"A convex probe needs a face radius above 0 mm and an opening angle between 0 and 170 degrees; "
                f"found {self.face_radius_mm} mm and {self.aperture} degrees."
            )

    @property
    def is_convex(self) -> bool:
        return self.geometry == "convex"

    @property
    def half_angle(self) -> float:
        """Return half the opening angle in radians, 0 for a linear probe."""
        return float(np.deg2rad(self.aperture)) / 2 if self.is_convex else 0.0

    @property
    def width_mm(self) -> float:
        """Return the width of the field of view at its widest."""
        if not self.is_convex:
            return self.aperture
        return 2 * (self.face_radius_mm + self.depth_mm) * float(np.sin(self.half_angle))

    def to_grid(self, x_mm: FloatMap, z_mm: FloatMap) -> tuple[FloatMap, FloatMap]:
        """Return (beam, sample) as float positions in the acquisition grid for positions in mm."""
        if self.is_convex:
            angle = np.arctan2(x_mm, z_mm + self.face_radius_mm)
            depth = np.hypot(x_mm, z_mm + self.face_radius_mm) - self.face_radius_mm
            beam = (angle / (2 * self.half_angle) + 0.5) * (self.beams - 1)
        else:
            depth, beam = z_mm, (x_mm / self.aperture + 0.5) * (self.beams - 1)
        return beam.astype(np.float32), (depth / self.depth_mm * (self.samples - 1)).astype(np.float32)

    @cached_property
    def grid_mm(self) -> tuple[FloatMap, FloatMap]:
        """Return (x, z) in mm of every (sample, beam) of the grid, the padding beams included."""
        beam = (np.arange(-_PAD, self.beams + _PAD) / (self.beams - 1) - 0.5)[None, :]
        depth = (np.arange(self.samples) * self.depth_mm / (self.samples - 1))[:, None]
        if not self.is_convex:
            x, z = np.broadcast_arrays(beam * self.aperture, depth)
        else:
            angle, reach = beam * 2 * self.half_angle, depth + self.face_radius_mm
            x, z = reach * np.sin(angle), reach * np.cos(angle) - self.face_radius_mm
        return np.ascontiguousarray(x, dtype=np.float32), np.ascontiguousarray(z, dtype=np.float32)

    @cached_property
    def _lateral(self) -> npt.NDArray[np.float32]:
        """Return the lateral transfer function, samples x beam frequencies: main lobe and a weak wide skirt.

        Scaled so that scatterers of unit strength per square mm give an envelope of unit mean square.
        """
        depth = np.arange(self.samples) * self.depth_mm / (self.samples - 1)
        sigma = np.hypot(self.beam_mm, self.beam_spread * (depth - self.focus_mm))
        span = (
            2 * self.half_angle * (self.face_radius_mm + depth)
            if self.is_convex
            else np.full_like(depth, self.aperture)
        )
        in_beams = (sigma / (span / (self.beams - 1)))[:, None]
        frequency = np.fft.fftfreq(self.beams + 2 * _PAD)[None, :]
        main = np.exp(-2 * (np.pi * frequency * in_beams) ** 2)
        skirt = np.exp(-2 * (np.pi * frequency * in_beams * 4.5) ** 2)
        both = main + 0.02 * skirt
        # Cells grow along a convex probe's beams and hold more scatterers: without this the far field would brighten.
        cell_mm2 = (span / (self.beams - 1)) * self.depth_mm / (self.samples - 1)
        energy = np.mean(both**2, axis=1) * cell_mm2
        return np.asarray(both / np.sqrt(energy)[:, None], dtype=np.float32)

    @cached_property
    def _axial(self) -> npt.NDArray[np.float32]:
        """Return the axial transfer function of the pulse's envelope, sample frequencies x 1."""
        in_samples = self.pulse_mm / (self.depth_mm / (self.samples - 1))
        frequency = np.fft.fftfreq(self.samples)[:, None]
        pulse = np.exp(-2 * (np.pi * frequency * in_samples) ** 2)
        return np.asarray(pulse / np.sqrt(np.mean(pulse**2)), dtype=np.float32)

    def echoes(self, x_mm: FloatMap, z_mm: FloatMap, strength: FloatMap, gain: FloatMap) -> FloatMap:
        """Return the envelope, samples x beams float32, of scatterers at 1-D positions in mm with given strengths.

        `gain` is the amplitude factor of every (sample, padded beam): what attenuation and TGC leave.
        """
        beam, sample = self.to_grid(x_mm, z_mm)
        depth = sample.astype(np.float64) * (self.depth_mm / (self.samples - 1))
        total = np.zeros((self.samples, self.beams + 2 * _PAD), dtype=np.float32)
        for look in range(self.looks):
            carrier = self.frequency_mhz * (1.0 + 0.16 * (look - 0.5 * (self.looks - 1)))
            phase = (-4 * np.pi * carrier / 1.54) * depth
            answer = (strength * np.exp(1j * phase)).astype(np.complex64)
            grid = _splat(answer, sample, beam + _PAD, total.shape)
            spectrum = np.fft.fft(np.fft.ifft(np.fft.fft(grid, axis=0) * self._axial, axis=0), axis=1)
            total += np.abs(np.fft.ifft(spectrum * self._lateral, axis=1)).astype(np.float32)
        return np.asarray((total * gain)[:, _PAD:-_PAD] / self.looks, dtype=np.float32)

    def gain(self, loss_db: FloatMap) -> FloatMap:
        """Return the amplitude factor, samples x padded beams, for two-way losses in dB per mm along the beams.

        The time-gain compensation is that of plain soft tissue, so a dense lesion shadows and a cyst enhances.
        """
        step = self.depth_mm / (self.samples - 1)
        along = np.cumsum(loss_db - SOFT_TISSUE_LOSS, axis=0) * step
        along = cv2.GaussianBlur(along.astype(np.float32), (0, 0), sigmaX=4.0, sigmaY=1.0)
        out: FloatMap = np.power(10.0, -along / 20.0).astype(np.float32)
        return out

    def noise(self, rng: np.random.Generator, *, floor_db: float) -> FloatMap:
        """Return the receiver's noise, samples x beams: flat before the TGC, hence growing with depth."""
        depth = np.arange(self.samples) * self.depth_mm / (self.samples - 1)
        level = 10 ** ((floor_db + SOFT_TISSUE_LOSS * depth) / 20)
        raw = np.hypot(*rng.standard_normal((2, self.samples, self.beams)))
        calm = cv2.GaussianBlur(raw.astype(np.float32), (0, 0), sigmaX=1.0, sigmaY=1.5)
        out: FloatMap = (calm * level[:, None]).astype(np.float32)
        return out

    def compress(self, envelope: FloatMap) -> FloatMap:
        """Return grey levels 0 to 1 of an envelope: log compression to the dynamic range and a mild gamma."""
        level = 20 * np.log10(np.maximum(envelope, 1e-6))
        grey = np.clip((level - self.top_db) / self.dynamic_range_db + 1.0, 0.0, 1.0)
        grey = cv2.GaussianBlur(grey, (0, 0), sigmaX=self.smoothing[1], sigmaY=self.smoothing[0])
        out: FloatMap = np.power(grey, 1.3).astype(np.float32)
        return out


@dataclass(frozen=True)
class Screen:
    """The picture the scan is converted to: rows x cols of square pixels of `spacing_mm`, the face at `top` pixels."""

    rows: int
    cols: int
    spacing_mm: float
    top: int = 12

    @cached_property
    def grid_mm(self) -> tuple[FloatMap, FloatMap]:
        """Return (x, z) in mm of every pixel centre, each rows x cols float32."""
        x = (np.arange(self.cols, dtype=np.float32) - 0.5 * (self.cols - 1)) * self.spacing_mm
        z = (np.arange(self.rows, dtype=np.float32) - self.top) * self.spacing_mm
        planes = np.meshgrid(x, z)
        return planes[0].astype(np.float32), planes[1].astype(np.float32)

    def convert(self, probe: Probe, grey: FloatMap) -> FloatMap:
        """Return the scan-converted picture, rows x cols float32, of a (sample, beam) grid; 0 outside the scan."""
        beam, sample = probe.to_grid(*self.grid_mm)
        out: FloatMap = cv2.remap(grey, beam, sample, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
        return np.where(self.footprint(probe), out, np.float32(0))

    def footprint(self, probe: Probe) -> npt.NDArray[np.bool_]:
        """Return which pixels show tissue."""
        beam, sample = probe.to_grid(*self.grid_mm)
        return (beam >= 0) & (beam <= probe.beams - 1) & (sample >= 0) & (sample <= probe.samples - 1)


def _splat(
    answer: npt.NDArray[np.complex64], rows: FloatMap, cols: FloatMap, shape: tuple[int, ...]
) -> npt.NDArray[np.complex64]:
    """Return the grid that bilinear shares of every answer add up to; answers beyond its edge are dropped."""
    inside = (rows >= 0) & (rows < shape[0] - 1) & (cols >= 0) & (cols < shape[1] - 1)
    answer, rows, cols = answer[inside], rows[inside], cols[inside]
    row, col = rows.astype(np.int64), cols.astype(np.int64)
    down, right = rows - row, cols - col
    real = np.zeros(shape[0] * shape[1])
    imaginary = np.zeros_like(real)
    for row_step, row_share in ((0, 1 - down), (1, down)):
        for col_step, col_share in ((0, 1 - right), (1, right)):
            cell = (row + row_step) * shape[1] + col + col_step
            share = row_share * col_share
            real += np.bincount(cell, weights=answer.real * share, minlength=real.size)
            imaginary += np.bincount(cell, weights=answer.imag * share, minlength=real.size)
    return (real + 1j * imaginary).reshape(shape).astype(np.complex64)
