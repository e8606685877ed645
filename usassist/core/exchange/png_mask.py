"""Masks as image files: written as 8-bit 0/255 PNG, read from whatever people keep masks in.

Which pixels are the object, in this order:
- two distinct values: the larger one, whatever the two are (0/1, 0/255, 1/2);
- one value: everything, unless it is 0;
- a palette PNG: an index map, every index but 0;
- a lossy file: half the range (128 of 255) and more;
- grey with more values: an index map if no value reaches half the range, or if a value in between fills areas of its
  own (few values, flat inside); else smoothed edges, so half the range and more;
- colours: a colour map, every colour but black; transparent is background.

Which object each pixel is: the index of an index map is kept, colours count from 1 in the order of (red, green, blue),
and everything else is one object, 1. Which colours or values a file happens to hold says nothing about the next file,
so a folder of masks is read with one table of `values` for all of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from usassist.core.domain import Frame, Mask
from usassist.core.errors import ExchangeError
from usassist.core.exchange.format import FormatSpec, check_size
from usassist.core.exchange.stored_mask import Pixels, as_grey, load_mask
from usassist.core.geometry.cv import cv2
from usassist.core.project import atomic
from usassist.core.project.png import PngError, encode_png, png_header

_HEADER_BYTES = 33
_MOST_INDICES = 64
_MOST_COLOURS = 256

Value = int | tuple[int, int, int]
"""What a mask stores for an object: a grey value, the index into a palette, or (red, green, blue)."""


@dataclass(frozen=True, slots=True)
class MaskValues:
    """The values a mask file stores besides 0 and black, in order, and whether they must be several objects.

    `values` is empty where they mean nothing: in a lossy file, and where edges were smoothed.
    """

    values: tuple[Value, ...]
    several: bool


def write(path: Path, mask: Mask, *, frame: Frame | None = None) -> None:
    """Write an 8-bit grey PNG of the frame's own size, 0 outside and 255 inside, in one step; raises ExchangeError.

    `frame` is not needed: a PNG mask keeps no spacing.
    """
    if min(mask.shape) == 0:
        raise ExchangeError(f"A mask of {mask.shape[0]} x {mask.shape[1]} pixels cannot be a PNG: {path}.")
    atomic.make_folder(path.parent, error=ExchangeError)
    atomic.write_bytes(path, encode_png(mask.to_array()), error=ExchangeError)


def read(path: Path, shape: tuple[int, int]) -> Mask:
    """Return the mask of a frame of `shape` (rows, columns); raises ExchangeError, for another size too."""
    return Mask.from_array(read_mask(path, shape=shape))


def read_mask(path: Path, *, shape: tuple[int, int] | None = None) -> npt.NDArray[np.bool_]:
    """Return an HxW bool array, true at the object by the rules above.

    Raises ExchangeError for a file that is no whole image, has another size than `shape` (rows, columns; None takes
    any), or is a photograph rather than a mask.
    """
    stored = load_mask(path, shape)
    pixels = as_grey(stored.pixels, is_lossy=stored.is_lossy)
    if pixels.ndim == 3:
        return _coloured(path, pixels, is_lossy=stored.is_lossy)
    return _object_of(pixels, is_index=stored.is_index, is_lossy=stored.is_lossy)


def require_size(path: Path, shape: tuple[int, int]) -> None:
    """Raise ExchangeError for a mask of another size than `shape` (rows, columns), or that cannot be read.

    Of a PNG only the header is looked at; other formats are decoded.
    """
    try:
        with path.open("rb") as stream:
            header = png_header(stream.read(_HEADER_BYTES))
    except (OSError, PngError):
        header = None  # said in full where it is read
    if header is None:
        load_mask(path, shape)
    else:
        check_size(path, (header.rows, header.columns), shape)


def read_index(
    path: Path, *, shape: tuple[int, int] | None = None, values: Mapping[Value, int] | None = None
) -> npt.NDArray[np.uint8]:
    """Return an HxW uint8 array of which object each pixel is, 0 for none, by the rules above.

    `values` gives the index (0 to 255) of each stored value, all of them grey or all of them colours; 0 and black are
    background unless it says otherwise, and any other value that it lacks is an ExchangeError. Raises ExchangeError as
    `read_mask` does, for an index above 255, and for a lossy file where several objects must be told apart.
    """
    if values is not None:
        return _looked_up(path, shape, values)
    stored = load_mask(path, shape)
    pixels = as_grey(stored.pixels, is_lossy=stored.is_lossy)
    if pixels.ndim == 3 and not stored.is_lossy:
        return _ranked(_on_black(path, pixels))
    if pixels.ndim == 2 and not stored.is_lossy and _several(pixels, is_index=stored.is_index):
        if int(pixels.max()) > 255:
            raise ExchangeError(f"{path} has the index {pixels.max()}; at most 255 objects are told apart.")
        return pixels.astype(np.uint8)
    return read_mask(path, shape=shape).astype(np.uint8)


def mask_values(path: Path) -> MaskValues:
    """Return what a mask file stores, to make one table of values for a folder. Raises ExchangeError."""
    stored = load_mask(path, None)
    if stored.is_lossy:
        return MaskValues((), several=False)
    grey = as_grey(stored.pixels, is_lossy=False)
    several = grey.ndim == 3 or _several(grey, is_index=stored.is_index)
    if not several and np.unique(grey).size > 2:
        return MaskValues((), several=False)
    if stored.pixels.ndim == 2 or _is_grey(stored.pixels):
        plain = stored.pixels if stored.pixels.ndim == 2 else stored.pixels[..., 0]
        found: list[Value] = [int(value) for value in np.unique(plain) if value]
    else:
        codes = np.unique(_colour_codes(path, stored.pixels))
        found = [_colour_of(int(code)) for code in codes if code]
    return MaskValues(tuple(found), several=several and len(found) > 1)


def _is_grey(pixels: Pixels) -> bool:
    return all(np.array_equal(pixels[..., 0], pixels[..., channel]) for channel in range(1, pixels.shape[2]))


def _coloured(path: Path, pixels: Pixels, *, is_lossy: bool) -> npt.NDArray[np.bool_]:
    if is_lossy:
        bright: npt.NDArray[np.bool_] = pixels.max(axis=2) >= 128
        return bright
    coloured: npt.NDArray[np.bool_] = _on_black(path, pixels) != 0
    return coloured


def _on_black(path: Path, pixels: Pixels) -> npt.NDArray[np.uint64]:
    """Return `_colour_codes` of a file that has black."""
    codes = _colour_codes(path, pixels)
    if (codes != 0).all():
        raise ExchangeError(
            f"{path} has {np.unique(codes).size} colours and no black, so its background is unknown. Paint the "
            f"background black."
        )
    return codes


def _colour_codes(path: Path, pixels: Pixels) -> npt.NDArray[np.uint64]:
    """Return one number a pixel, 0 for black, that sorts by red, then green, then blue."""
    wide = np.broadcast_to(np.atleast_3d(pixels), (*pixels.shape[:2], 3)).astype(np.uint64)
    codes: npt.NDArray[np.uint64] = (wide[..., 2] << np.uint64(32)) | (wide[..., 1] << np.uint64(16)) | wide[..., 0]
    colours = np.unique(codes).size
    if colours > _MOST_COLOURS:
        raise ExchangeError(
            f"{path} has {colours} colours: a picture, not a mask. A mask has one colour a label, on black."
        )
    return codes


def _colour_of(code: int) -> tuple[int, int, int]:
    return code >> 32, (code >> 16) & 0xFFFF, code & 0xFFFF


def _ranked(codes: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint8]:
    """Return 0 where a code is 0, and the others, which sort behind it, numbered from 1."""
    _, inverse = np.unique(codes, return_inverse=True)
    return inverse.reshape(codes.shape).astype(np.uint8)


def _looked_up(path: Path, shape: tuple[int, int] | None, values: Mapping[Value, int]) -> npt.NDArray[np.uint8]:
    """Return the index that `values` gives each pixel; a value that it lacks is an ExchangeError."""
    in_colour = any(isinstance(value, tuple) for value in values)
    stored = load_mask(path, shape, palette_colours=in_colour)
    if stored.is_lossy:
        raise ExchangeError(
            f"{path} is compressed with loss, so its values cannot be told apart. Keep masks of several objects as PNG."
        )
    pixels = stored.pixels
    if in_colour:
        codes = _colour_codes(path, pixels)
    elif pixels.ndim == 3 and not _is_grey(pixels):
        raise ExchangeError(f"{path} has colours, but the objects of its dataset are grey values: {_listed(values)}.")
    else:
        codes = (pixels if pixels.ndim == 2 else pixels[..., 0]).astype(np.uint64)
    distinct, inverse = np.unique(codes, return_inverse=True)
    kinds: list[Value] = [_colour_of(int(code)) if in_colour else int(code) for code in distinct]
    table = dict(values)
    table.setdefault((0, 0, 0) if in_colour else 0, 0)
    unknown = [kind for kind in kinds if kind not in table]
    if unknown:
        raise ExchangeError(
            f"{path} holds the value {unknown[0]}, which names no object; expected {_listed(values)}, or 0 for none. "
            f"Correct the mask, or add the value to classes.csv."
        )
    return np.asarray([table[kind] for kind in kinds], dtype=np.uint8)[inverse.reshape(codes.shape)]


def _listed(values: Mapping[Value, int]) -> str:
    return ", ".join(str(value) for value in values)


def _several(values: Pixels, *, is_index: bool) -> bool:
    """Return whether a lossless grey file with more than two values is an index map."""
    distinct = [int(value) for value in np.unique(values)]
    return len(distinct) > 2 and (is_index or distinct[-1] < 128 or _is_index_map(values, distinct))


def _object_of(values: Pixels, *, is_index: bool, is_lossy: bool) -> npt.NDArray[np.bool_]:
    distinct = [int(value) for value in np.unique(values)]
    top = distinct[-1]
    half = 128 if top <= 255 else 32768
    if len(distinct) == 2:
        threshold = top
    elif is_lossy:
        threshold = half
    elif len(distinct) == 1 or is_index or top < 128 or _is_index_map(values, distinct):
        threshold = 1
    else:
        threshold = half
    inside: npt.NDArray[np.bool_] = values >= threshold
    return inside


def _is_index_map(values: Pixels, distinct: list[int]) -> bool:
    """Return whether a value between the extremes fills areas: a label does, smoothed edges and noise do not.

    Values within an eighth of the extremes are left to noise, such as a JPEG that was saved again as PNG.
    """
    if len(distinct) > _MOST_INDICES:
        return False
    low, high = distinct[0], distinct[-1]
    margin = (high - low) / 8
    between = [value for value in distinct[1:-1] if low + margin < value < high - margin]
    kernel = np.ones((3, 3), dtype=np.uint8)
    return any(cv2.erode((values == value).astype(np.uint8), kernel, borderValue=0).any() for value in between)


SPEC = FormatSpec(name="png_mask", suffix=".png", write=write, read=read)
