"""Images that are one recording twice: cropped, rescaled, brightened, saved again, with calipers or text drawn in.

Every image gets a perceptual hash of 256 bits: the signs of its local contrast on a 16 x 16 grid, after the brightness
around each place was taken away and the local spread divided out, so that gain and depth compensation do not show. What
is burned in covers few of these places. Hashes that are alike are found by bands (locality-sensitive hashing: Indyk and
Motwani, STOC 1998), and every pair found is then laid over each other, scaled and shifted to fit, and its detail
correlated: two images of the same organ have the same shapes, only the same recording has the same texture.

Of 1.8 million pairs in BUSI, BrEaST and HC18 these two steps leave 216 above 0.5, all of one recording or one sweep by
eye; the most alike others, fetal heads of one shape, reach 0.45. Neighbouring frames of one lesion lie on both sides.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from usassist.core.geometry.cv import cv2

LEAST_CORRELATION = 0.5
"""Pairs whose details correlate less than this are not the same recording."""

_SIDE = 16
_BITS = _SIDE * _SIDE
_MOST_DIFFERENT_BITS = 52
_TABLES = 96
_BITS_A_BAND = 16
_NEIGHBOURS = 32

_HASHED, _COARSE, _DETAIL = 64, 48, 96
_SCALES = tuple(1 + step / 25 for step in range(-3, 4))
_MARGIN = 0.12
_STEPS = 50.0

_ONES = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1, dtype=np.uint8)
"""How many bits of a byte are set."""

_Float = npt.NDArray[np.float32]
_Int8 = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What is kept of an image: 4 uint64 of hash, and its local contrast at 48 x 48 and 96 x 96 (int8, 1/50)."""

    bits: npt.NDArray[np.uint64]
    coarse: _Int8
    detail: _Int8


@dataclass(frozen=True, slots=True)
class NearPair:
    """Two images, by their place in what was compared, first < second; `correlation` of their details, up to 1."""

    first: int
    second: int
    correlation: float


def fingerprint(grey: npt.NDArray[np.uint8]) -> Fingerprint | None:
    """Return the fingerprint of an HxW image, None where it shows nothing, which would look like every other such."""
    if min(grey.shape) < _SIDE or float(grey.std()) < 2:
        return None
    # The rest is made from the smallest picture that holds the detail: a large image is shrunk once.
    small = cv2.resize(grey, (_DETAIL, _DETAIL), interpolation=cv2.INTER_AREA).astype(np.float32)
    contrast = cv2.GaussianBlur(_local_contrast(small, _HASHED, reach=6), (0, 0), 2.5)
    step = _HASHED // _SIDE
    signs = contrast[step // 2 :: step, step // 2 :: step] > 0
    return Fingerprint(
        bits=np.packbits(signs.ravel()).view(np.uint64),
        coarse=_kept(_local_contrast(small, _COARSE, reach=3)),
        detail=_kept(_local_contrast(small, _DETAIL, reach=2)),
    )


def _local_contrast(grey: _Float, size: int, *, reach: float) -> _Float:
    """Return the image squashed to size x size, less its surroundings, over their spread (6 grey levels at least)."""
    small = cv2.resize(grey, (size, size), interpolation=cv2.INTER_AREA)
    high = small - cv2.GaussianBlur(small, (0, 0), reach)
    spread = np.sqrt(cv2.GaussianBlur(high * high, (0, 0), reach))
    return np.asarray(np.clip(high / (spread + 6), -2.5, 2.5), dtype=np.float32)


def _kept(contrast: _Float) -> _Int8:
    kept: _Int8 = np.rint(contrast * _STEPS).astype(np.int8)
    return kept


def near_pairs(
    prints: Sequence[Fingerprint | None], *, least: float = LEAST_CORRELATION, known: Sequence[str] | None = None
) -> list[NearPair]:
    """Return the pairs of images that are the same recording, in order; images without a fingerprint have none.

    Images of one name in `known` belong together already, and are not compared. Which pairs are found depends on the
    images, not on their order. Time is O(T n (log n + k)) for n images, with T = 96 tables and at most k = 32
    neighbours in each, plus about a millisecond for each pair of hashes that differ in at most 52 of 256 bits; memory
    is O(n k), and 12 kB for a fingerprint. A pair at 30 bits is found with a probability of 99.99 %, one at 52 with
    92 %. Where more than 32 images share a band they are compared with their neighbours in the order of the hash only:
    enough to link them all, which is what groups are made from.
    """
    shown = sorted(
        ((place, kept) for place, kept in enumerate(prints) if kept is not None), key=lambda item: _digest(item[1])
    )
    found = []
    for i, j in _alike(np.stack([kept.bits for _, kept in shown])) if len(shown) > 1 else ():
        (first, one), (second, other) = shown[i], shown[j]
        if known is not None and known[first] == known[second]:
            continue
        correlation = same_recording(one, other)
        if correlation >= least:
            found.append(NearPair(min(first, second), max(first, second), correlation))
    return sorted(found, key=lambda pair: (pair.first, pair.second))


def _digest(kept: Fingerprint) -> bytes:
    """Return what images are put in order by: what they show, not where they stand."""
    return hashlib.sha256(kept.bits.tobytes() + kept.coarse.tobytes() + kept.detail.tobytes()).digest()


def _alike(bits: npt.NDArray[np.uint64]) -> Iterator[tuple[int, int]]:
    """Yield (i, j), i < j, in order, of the Nx4 hashes that share a band and differ in few enough bits."""
    near = []
    for pairs in _banded(bits):
        first, second = np.divmod(pairs, len(bits))
        different = _ONES[(bits[first] ^ bits[second]).view(np.uint8)].sum(axis=1)
        near.append(pairs[different <= _MOST_DIFFERENT_BITS])
    first, second = np.divmod(np.unique(np.concatenate(near)), len(bits))
    yield from zip(first.tolist(), second.tolist(), strict=True)


def _banded(bits: npt.NDArray[np.uint64]) -> Iterator[npt.NDArray[np.int64]]:
    """Yield for each table the pairs whose hashes agree in its band: 16 of the 256 bits, drawn by a fixed seed.

    A pair i < j of n hashes is the number i n + j.
    """
    signs = np.unpackbits(bits.view(np.uint8), axis=1)
    rng = np.random.default_rng(0)
    powers = 1 << np.arange(_BITS_A_BAND)
    for _ in range(_TABLES):
        keys = signs[:, rng.choice(_BITS, _BITS_A_BAND, replace=False)] @ powers
        order = np.lexsort((bits[:, 1], bits[:, 0], keys))
        for distance in range(1, min(_NEIGHBOURS, len(order) - 1) + 1):
            same = keys[order[distance:]] == keys[order[:-distance]]
            if not same.any():
                break
            one, other = order[:-distance][same], order[distance:][same]
            yield np.minimum(one, other) * len(bits) + np.maximum(one, other)
    yield np.empty(0, dtype=np.int64)


def same_recording(first: Fingerprint, second: Fingerprint) -> float:
    """Return the correlation of two images' details, -1 to 1, where one is scaled by up to 12 % and shifted to fit."""
    _, scale, (x, y) = max(_fits(first.coarse, second.coarse, _SCALES), key=lambda fit: fit[0])
    ratio = _DETAIL / _COARSE
    around = (scale - 0.02, scale, scale + 0.02)
    return max(fit[0] for fit in _fits(first.detail, second.detail, around, near=(x * ratio, y * ratio)))


def _fits(
    first: _Int8, second: _Int8, scales: Sequence[float], *, near: tuple[float, float] | None = None
) -> Iterator[tuple[float, float, tuple[int, int]]]:
    """Yield (correlation, scale, top left corner) of the middle of `first` where it fits best on `second`.

    `near` says where to look: 3 pixels around this corner.
    """
    size = first.shape[0]
    shown = first.astype(np.float32)
    for scale in scales:
        side = round(size * scale)
        scaled = cv2.resize(shown, (side, side), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        cut = round(min(side, size) * _MARGIN)
        length = min(side, size) - 2 * cut
        start = (side - length) // 2
        middle = scaled[start : start + length, start : start + length]
        left, top = (0, 0) if near is None else (_bounded(corner - 3, size - length) for corner in near)
        reach = size if near is None else length + 7
        window = second[top : top + reach, left : left + reach].astype(np.float32)
        _, best, _, (x, y) = cv2.minMaxLoc(cv2.matchTemplate(window, middle, cv2.TM_CCOEFF_NORMED))
        yield float(best), scale, (left + x, top + y)


def _bounded(value: float, most: int) -> int:
    return max(0, min(round(value), most))
