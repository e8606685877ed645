"""Studies, the frames they hold, and what a file declares about them."""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from usassist.core.domain.box import Box
from usassist.core.errors import UsassistError

RegionKind = Literal["b_mode", "colour_doppler", "spectral_doppler", "m_mode", "other", "sector"]
"""DICOM Region Data Type (0018,6014) in our words; `sector` is a detected scan area, not a declared one."""


@dataclass(frozen=True, slots=True)
class ScanRegion:
    """A part of the picture that shows tissue, as SequenceOfUltrasoundRegions (0018,6011) declares it or as detected.

    `spacing_mm` is (row, col) in mm per pixel, None where the units are not lengths or nothing is declared.
    `units` is (row, col) as the file names them, for instance ("cm", "cm") or ("cm/s", "s").
    """

    box: Box
    kind: RegionKind
    spacing_mm: tuple[float, float] | None = None
    units: tuple[str, str] | None = None
    detected: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """One file as it was found: its project id, its path, and its posix path relative to the folder that was opened."""

    key: str
    path: Path
    relative: str
    size: int
    modified_ns: int = 0
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class FrameRef:
    """One frame of one source: `index` from 0, `time_ms` from the first frame (None for a still)."""

    source_key: str
    index: int
    time_ms: float | None = None

    @property
    def key(self) -> str:
        """Return the frame's key, safe as a file name: the source's key and the frame's index."""
        return f"{self.source_key}_{self.index:05d}"


@dataclass(frozen=True, slots=True)
class ModalityFacts:
    """What a file says about how it was made; every field is what the file declares, "" or None where it is silent."""

    format: str
    modality: str = ""
    photometric: str = ""
    transfer_syntax: str = ""
    manufacturer: str = ""
    model: str = ""
    frame_time_ms: float | None = None
    bits_stored: int = 8


@dataclass(frozen=True, slots=True)
class Study:
    """One readable file: its source, its frames in order, its size in pixels and what it declares."""

    source: Source
    frames: tuple[FrameRef, ...]
    rows: int
    columns: int
    facts: ModalityFacts
    regions: tuple[ScanRegion, ...] = ()

    @property
    def key(self) -> str:
        return self.source.key

    @property
    def is_cine(self) -> bool:
        return len(self.frames) > 1


@dataclass(frozen=True, eq=False)
class Frame:
    """A decoded frame: stored values untouched; window, lookup table and colour map belong to the view.

    `pixels` is HxW or HxWx3, uint8 or uint16, read-only; `bits_stored` says how many bits carry the value.
    `spacing_mm` is (row, col) and is set only where there are no regions; None means unknown, never a guess.
    `inverted` says that low values are bright (MONOCHROME1); `window` is the (low, high) that the file declares for
    its grey values, in the units of `pixels`; both are advice to whoever shows the frame.
    """

    ref: FrameRef
    pixels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
    regions: tuple[ScanRegion, ...] = ()
    spacing_mm: tuple[float, float] | None = None
    bits_stored: int = field(default=8)
    inverted: bool = False
    window: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        shape, dtype = self.pixels.shape, self.pixels.dtype
        if dtype not in (np.uint8, np.uint16) or not (len(shape) == 2 or (len(shape) == 3 and shape[2] == 3)):
            raise UsassistError(f"A frame is HxW or HxWx3 of uint8 or uint16; found {dtype} of shape {shape}.")
        self.pixels.flags.writeable = False

    @property
    def shape(self) -> tuple[int, int]:
        """Return (rows, columns)."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @cached_property
    def token(self) -> bytes:
        """Return a short hash of everything that the frame is: what engines cache by, since projects may share keys."""
        said = (self.regions, self.spacing_mm, self.bits_stored, self.inverted, self.window)
        digest = hashlib.blake2b(
            repr((self.ref, self.pixels.shape, self.pixels.dtype.str, said)).encode(), digest_size=16
        )
        digest.update(np.ascontiguousarray(self.pixels).data)
        return digest.digest()

    def __getstate__(self) -> dict[str, object]:
        """Return what is pickled: the token goes along, and is not made again where the frame arrives."""
        return self.__dict__ | {"token": self.token}

    def __setstate__(self, state: dict[str, object]) -> None:
        """Take over what was pickled or copied: pixels are read-only here too."""
        self.__dict__.update(state)
        self.pixels.flags.writeable = False

    @property
    def is_colour(self) -> bool:
        return self.pixels.ndim == 3

    def region_at(self, row: float, col: float) -> ScanRegion | None:
        """Return the scan region that contains the pixel; a later region lies on top of an earlier one."""
        return next((region for region in reversed(self.regions) if region.box.contains(row, col)), None)

    def spacing_at(self, row: float, col: float) -> tuple[float, float] | None:
        """Return (row, col) mm per pixel at a pixel, None where it is unknown."""
        if not self.regions:
            return self.spacing_mm
        region = self.region_at(row, col)
        return region.spacing_mm if region is not None else None
