"""Text to token ids: CLIP's byte-pair encoding, with a compact vocabulary for small text towers."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Protocol

import torch
from torch import Tensor

from usassist.core.models import torchvision_ops

HASH_BUCKETS = 253
# Byte-pair encoding takes the square of a word's length; far fewer characters fill any context.
_MOST_CHARACTERS = 2048


class Tokenizer(Protocol):
    """Turn texts into ids (B, context_length) int64; what does not fit is cut, the end token is kept."""

    def __call__(self, texts: Sequence[str]) -> Tensor: ...


@cache
def _clip_bpe() -> Any:
    torchvision_ops.prepare()
    from open_clip.tokenizer import SimpleTokenizer

    return SimpleTokenizer()


def bpe_ids(text: str) -> list[int]:
    """Return CLIP's byte-pair ids of a text, without start and end."""
    return list(_clip_bpe().encode(text))


def collect_vocabulary(texts: Iterable[str]) -> tuple[int, ...]:
    """Return the sorted byte-pair ids that occur in the texts."""
    return tuple(sorted({token for text in texts for token in bpe_ids(text)}))


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
        out = torch.zeros(len(texts), self._length, dtype=torch.long)
        for index, text in enumerate(texts):
            rows = [self._row.get(token, 1 + token % HASH_BUCKETS) for token in bpe_ids(_shortened(text))]
            ids = [self._start, *rows[: self._length - 2], self._end]
            out[index, : len(ids)] = torch.tensor(ids)
        return out


def _shortened(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else " ".join(text[: 64 * _MOST_CHARACTERS].split())[:_MOST_CHARACTERS]
