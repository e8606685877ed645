"""Text to token ids: CLIP's byte-pair encoding, a compact vocabulary for small text towers, and BERT's word pieces."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from usassist.core.errors import ModelError
from usassist.core.models import bpe
from usassist.core.models.token_count import TokenCount

HASH_BUCKETS = 253
# Byte-pair encoding takes the square of a word's length; far fewer characters fill any context.
_MOST_CHARACTERS = 2048
_MOST_COUNTED = 100_000
_CLIP_WORDS = 49408


class Tokenizer(Protocol):
    """Turn texts into ids (B, context_length) int64; what does not fit is cut, the end token is kept."""

    def __call__(self, texts: Sequence[str]) -> Tensor: ...

    def count(self, text: str) -> TokenCount:
        """Return how many tokens a text needs, how many there is room for, and what is cut off."""
        ...


def build_tokenizer(
    vocabulary: Sequence[int], text: Mapping[str, Any], *, folders: Sequence[Path | None] = ()
) -> Tokenizer:
    """Return the tokenizer of a text tower with the settings `text`.

    `vocabulary` lists the known ids of a compact one; `folders` are where the words of a BERT's lie. Raises ModelError
    where they do not, and for a tokenizer that is not known here.
    """
    length = int(text.get("context_length") or 77)
    if text.get("hf_model_name"):
        from usassist.core.models.wordpiece import WordPieceTokenizer, find_words

        return WordPieceTokenizer(find_words(folders), context_length=length)
    if text.get("hf_tokenizer_name"):
        raise ModelError(
            f"The encoder's texts are cut by {text['hf_tokenizer_name']!r}, which is not known here; choose one with "
            f"CLIP's own tokens, such as ViT-B-16, or BiomedCLIP."
        )
    rows = int(text.get("vocab_size") or _CLIP_WORDS)
    if vocabulary:
        return CompactTokenizer(vocabulary, vocab_size=rows, context_length=length)
    if rows < _CLIP_WORDS:
        raise ModelError(
            f"The text tower has {rows} rows for CLIP's {_CLIP_WORDS} tokens; give encoder.vocabulary or more rows."
        )
    return ClipTokenizer(context_length=length)


def bpe_ids(text: str) -> list[int]:
    """Return CLIP's byte-pair ids of a text, without start and end."""
    return bpe.encode(text)


def collect_vocabulary(texts: Iterable[str]) -> tuple[int, ...]:
    """Return the sorted byte-pair ids that occur in the texts."""
    return tuple(sorted({token for text in texts for token in bpe_ids(text)}))


class ClipTokenizer:
    """CLIP's own tokenizer (Radford et al. 2021): start, byte pairs, end, then zeros."""

    def __init__(self, *, context_length: int = 77) -> None:
        self._length = context_length

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Return ids (B, context_length) int64; of a text the first 2048 characters are looked at."""
        rows = [bpe_ids(_shortened(text)) for text in texts]
        return _between(bpe.START, rows, bpe.END, length=self._length)

    def count(self, text: str) -> TokenCount:
        """Return how much of a text is seen; words are the unit of what is cut."""
        return count_words(text, room=self._length, pieces=lambda word: len(bpe_ids(word)))


class CompactTokenizer:
    """CLIP's tokenizer on a small table: known ids have a row each, every other id shares one of the hash buckets.

    Row 0 pads, rows 1 to `HASH_BUCKETS` are the buckets, then the known ids; the last two rows are start and end, so
    the end is the largest id, which is where open_clip's text tower pools.
    """

    def __init__(self, known: Sequence[int], *, vocab_size: int, context_length: int) -> None:
        room = vocab_size - HASH_BUCKETS - 3
        if len(known) > room:
            raise ValueError(f"The vocabulary has {len(known)} entries; a table of {vocab_size} rows holds {room}.")
        self._row = {token: HASH_BUCKETS + 1 + index for index, token in enumerate(known)}
        self._start, self._end = vocab_size - 2, vocab_size - 1
        self._length = context_length

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Return ids (B, context_length) int64; of a text the first 2048 characters are looked at."""
        rows = [
            [self._row.get(token, 1 + token % HASH_BUCKETS) for token in bpe_ids(_shortened(text))] for text in texts
        ]
        return _between(self._start, rows, self._end, length=self._length)

    def count(self, text: str) -> TokenCount:
        """Return how much of a text is seen; words are the unit of what is cut."""
        return count_words(text, room=self._length, pieces=lambda word: len(bpe_ids(word)))


def _between(start: int, rows: Sequence[Sequence[int]], end: int, *, length: int) -> Tensor:
    """Return each row between start and end, cut before the end where it is too long and padded with zeros."""
    out = torch.zeros(len(rows), length, dtype=torch.long)
    for index, row in enumerate(rows):
        ids = [start, *row[: length - 2], end]
        out[index, : len(ids)] = torch.tensor(ids)
    return out


def count_words(text: str, *, room: int, pieces: Any) -> TokenCount:
    """Count the tokens of a text word by word; `pieces` gives the number of tokens of a word.

    The first 100,000 characters are counted, and the first 2048 of a word. A word that is cut in two counts as cut.
    """
    words = text[:_MOST_COUNTED].split()
    used, seen = 2, len(words)
    for index, word in enumerate(words):
        used += pieces(word[:_MOST_CHARACTERS])
        if used > room and seen == len(words):
            seen = index
    return TokenCount(used, room, " ".join(words[seen:]))


def _shortened(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else " ".join(text[: 64 * _MOST_CHARACTERS].split())[:_MOST_CHARACTERS]
