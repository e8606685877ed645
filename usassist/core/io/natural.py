"""The order people expect: img2 before img10, whatever the case."""

import re
from functools import lru_cache

_DIGITS = re.compile(r"([0-9]+)")

NaturalKey = tuple[tuple[tuple[str | int, ...], ...], str]


def natural_key(relative: str) -> NaturalKey:
    """Return the sort key of a posix path: folder by folder, numbers by value, case ignored.

    The path itself comes last, so that names that differ only in case or leading zeros keep one fixed order.

    >>> sorted(["b/1", "Img10.png", "img2.png"], key=natural_key)
    ['b/1', 'img2.png', 'Img10.png']
    """
    folder, _, name = relative.rpartition("/")
    return (*_folder_key(folder), _part_key(name)), relative


@lru_cache(maxsize=256)
def _folder_key(folder: str) -> tuple[tuple[str | int, ...], ...]:
    return tuple(_part_key(part) for part in folder.split("/")) if folder else ()


def _part_key(part: str) -> tuple[str | int, ...]:
    pieces: list[str | int] = list(_DIGITS.split(part.casefold()))
    # Splitting with a group alternates text and digits, so the same position always holds the same type.
    pieces[1::2] = map(int, pieces[1::2])
    return tuple(pieces)
