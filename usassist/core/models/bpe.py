"""CLIP's byte-pair encoding (Radford et al. 2021): the ids of open_clip's tokenizer, from the table it brings along.

open_clip's own costs an import of open_clip, a second of processor time before the first text.
"""

import gzip
import html
import importlib.util
import math
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

from usassist.core.errors import ModelError

START, END = 49406, 49407
"""The ids before and behind a text."""

_TABLE = "bpe_simple_vocab_16e6.txt.gz"
_MERGES = START - 2 * 256
_SPECIAL = {"<start_of_text>": START, "<end_of_text>": END}
_WORDS = r"|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_WORD_END = "</w>"
_WORDS_REMEMBERED = 8192


@dataclass(frozen=True)
class _Table:
    """Which pairs are joined, the most common first, and the id of every piece."""

    ranks: dict[str, int]
    ids: dict[str, int]


def encode(text: str) -> list[int]:
    """Return the ids of a text without start and end. Raises ModelError where open_clip's table is not there."""
    return [token for word in _words().findall(_cleaned(text)) for token in _word_ids(word)]


def _cleaned(text: str) -> str:
    import ftfy

    fixed = html.unescape(html.unescape(ftfy.fix_text(text)))
    return " ".join(fixed.split()).lower()


@cache
def _words() -> Any:
    import regex  # knows the categories of Unicode, which Python's own does not

    return regex.compile("|".join(_SPECIAL) + _WORDS, regex.IGNORECASE)


@lru_cache(maxsize=_WORDS_REMEMBERED)
def _word_ids(word: str) -> tuple[int, ...]:
    if word in _SPECIAL:
        return (_SPECIAL[word],)
    table, letters = _table(), _letters()
    pieces = [letters[byte] for byte in word.encode("utf-8", "replace")]
    pieces[-1] += _WORD_END
    while len(pieces) > 1:
        first, second = min(pairwise(pieces), key=lambda pair: table.ranks.get(" ".join(pair), math.inf))
        if f"{first} {second}" not in table.ranks:
            break
        pieces = _joined(pieces, first, second)
    return tuple(table.ids[piece] for piece in pieces)


def _joined(pieces: list[str], first: str, second: str) -> list[str]:
    """Return the pieces with each `first` that a `second` follows joined to it, from the left."""
    out: list[str] = []
    for piece in pieces:
        if out and (out[-1], piece) == (first, second):
            out[-1] += piece
        else:
            out.append(piece)
    return out


@cache
def _letters() -> tuple[str, ...]:
    """Return a visible character for each byte: its own where it has one, else one beyond Latin-1."""
    visible = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    hidden = {byte: chr(256 + index) for index, byte in enumerate(sorted({*range(256)} - visible))}
    return tuple(hidden.get(byte, chr(byte)) for byte in range(256))


@cache
def _table() -> _Table:
    with gzip.open(_path()) as file:
        merges = [line.decode().rstrip("\n") for line in islice(file, 1, 1 + _MERGES)]
    letters = _letters()
    # The table counts the visible bytes first.
    ordered = [*sorted(letter for letter in letters if ord(letter) < 256), *sorted(x for x in letters if ord(x) >= 256)]
    pieces = [*ordered, *(letter + _WORD_END for letter in ordered), *(merge.replace(" ", "") for merge in merges)]
    return _Table(dict(zip(merges, range(_MERGES), strict=True)), {piece: index for index, piece in enumerate(pieces)})


def _path() -> Path:
    found = importlib.util.find_spec("open_clip")
    if found is not None and found.origin is not None:
        path = Path(found.origin).with_name(_TABLE)
        if path.is_file():
            return path
    raise ModelError(f"{_TABLE} of the package open_clip_torch is missing; install that package again.")
