"""The pages of a TIFF or BigTIFF file, read from its directories without decoding a pixel (TIFF 6.0, section 2)."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from usassist.core.io.headers import Claim

_TYPE_FORMATS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_MAX_DIRECTORIES = 1_000_000
_MAX_VALUES = 16_000_000

_SUBFILE, _WIDTH, _LENGTH, _BITS, _PHOTOMETRIC = 254, 256, 257, 258, 262
_STRIP_OFFSETS, _SAMPLES, _STRIP_COUNTS, _TILE_OFFSETS, _TILE_COUNTS = 273, 277, 279, 324, 325
_PLANAR, _EXTRA_SAMPLES, _SAMPLE_FORMAT = 284, 338, 339
_REDUCED_OR_MASK = 0b101
_WANTED = frozenset(
    {
        *(_SUBFILE, _WIDTH, _LENGTH, _BITS, _PHOTOMETRIC, _STRIP_OFFSETS, _SAMPLES, _STRIP_COUNTS),
        *(_TILE_OFFSETS, _TILE_COUNTS, _PLANAR, _EXTRA_SAMPLES, _SAMPLE_FORMAT),
    }
)


@dataclass(frozen=True, slots=True)
class TiffPage:
    """One page: its position in the file, what it claims, and whether low values are bright (WhiteIsZero).

    `sample_format` is 1 for unsigned integers, 2 for signed ones, 3 for floats; `has_planes` says that the channels lie
    one after the other.
    """

    index: int
    claim: Claim
    white_is_zero: bool = False
    sample_format: int = 1
    has_planes: bool = False


@dataclass(frozen=True, slots=True)
class _Layout:
    order: str
    big: bool

    @property
    def offset_format(self) -> str:
        return f"{self.order}{'Q' if self.big else 'I'}"


def tiff_pages(data: bytes) -> list[TiffPage]:
    """Return the full-size pages in order, thumbnails and transparency masks left out.

    Raises ValueError or struct.error where directories are broken or pixels lie beyond the end of the file.
    """
    layout = _Layout("<" if data[:2] == b"II" else ">", data[2:4] in (b"+\x00", b"\x00+"))
    pages = []
    for index, tags in enumerate(_directories(data, layout)):
        if _first(tags, _SUBFILE, 0) & _REDUCED_OR_MASK:
            continue
        _check_complete(tags, len(data))
        pages.append(_page(index, tags))
    if not pages:
        raise ValueError("the TIFF holds no page")
    return pages


def _page(index: int, tags: dict[int, tuple[int, ...]]) -> TiffPage:
    photometric = _first(tags, _PHOTOMETRIC, 1)
    samples = _first(tags, _SAMPLES, 1)
    claim = Claim(
        rows=_first(tags, _LENGTH, 0),
        columns=_first(tags, _WIDTH, 0),
        samples=3 if photometric == 3 else samples,
        bits=_first(tags, _BITS, 1),
        has_alpha=_EXTRA_SAMPLES in tags,
    )
    return TiffPage(
        index,
        claim,
        white_is_zero=photometric == 0,
        sample_format=_first(tags, _SAMPLE_FORMAT, 1),
        has_planes=samples > 1 and _first(tags, _PLANAR, 1) == 2,
    )


def _first(tags: dict[int, tuple[int, ...]], tag: int, default: int) -> int:
    values = tags.get(tag, ())
    return values[0] if values else default


def _check_complete(tags: dict[int, tuple[int, ...]], size: int) -> None:
    for offsets_tag, counts_tag in ((_STRIP_OFFSETS, _STRIP_COUNTS), (_TILE_OFFSETS, _TILE_COUNTS)):
        for offset, count in zip(tags.get(offsets_tag, ()), tags.get(counts_tag, ()), strict=False):
            if offset + count > size:
                raise ValueError(f"the TIFF has {size} bytes; its pixels lie up to byte {offset + count}")


def _directories(data: bytes, layout: _Layout) -> Iterator[dict[int, tuple[int, ...]]]:
    (at,) = struct.unpack_from(layout.offset_format, data, 8 if layout.big else 4)
    seen: set[int] = set()
    while at:
        if at in seen or len(seen) >= _MAX_DIRECTORIES:
            raise ValueError("the TIFF's directories form a circle")
        seen.add(at)
        count_format, entry_size = (f"{layout.order}Q", 20) if layout.big else (f"{layout.order}H", 12)
        (count,) = struct.unpack_from(count_format, data, at)
        at += struct.calcsize(count_format)
        if at + count * entry_size > len(data):
            raise ValueError("a TIFF directory lies beyond the end of the file")
        yield dict(_entries(data, layout, at=at, count=count, entry_size=entry_size))
        (at,) = struct.unpack_from(layout.offset_format, data, at + count * entry_size)


def _entries(
    data: bytes, layout: _Layout, *, at: int, count: int, entry_size: int
) -> Iterator[tuple[int, tuple[int, ...]]]:
    inline = 8 if layout.big else 4
    for start in range(at, at + count * entry_size, entry_size):
        tag, kind = struct.unpack_from(f"{layout.order}HH", data, start)
        if tag not in _WANTED or kind not in _TYPE_FORMATS:
            continue
        (number,) = struct.unpack_from(layout.offset_format, data, start + 4)
        if number > _MAX_VALUES:
            raise ValueError(f"a TIFF tag claims {number} values")
        values = f"{layout.order}{number}{_TYPE_FORMATS[kind]}"
        where = start + entry_size - inline
        if struct.calcsize(values) > inline:
            (where,) = struct.unpack_from(layout.offset_format, data, where)
        yield tag, struct.unpack_from(values, data, where)
