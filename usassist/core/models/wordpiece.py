"""BERT's word pieces (Devlin et al. 2019), lower-cased: what BiomedCLIP's text tower reads."""

import json
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from usassist.core.errors import ModelError
from usassist.core.models.clip_settings import VOCABULARY_FILES
from usassist.core.models.token_count import TokenCount
from usassist.core.models.tokens import count_words

WORDS_FILE, TOKENIZER_FILE = VOCABULARY_FILES
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
_LONGEST_WORD = 100  # as BERT: longer ones are unknown
_MOST_CHARACTERS = 16_384
_MOST_BYTES = 32 * 2**20
_MOST_WORDS = 1_000_000


class WordPieceTokenizer:
    """Lower-case, without accents, punctuation apart; each word by the longest pieces that are known.

    `[CLS]`, the pieces, `[SEP]`, then `[PAD]`. As transformers' BertTokenizer with `do_lower_case`.
    """

    def __init__(self, words: Sequence[str], *, context_length: int = 256) -> None:
        """Take the words in the order of their ids. Raises ModelError where a special one is missing."""
        self._id = {word: index for index, word in enumerate(words)}
        missing = [word for word in _SPECIAL if word not in self._id]
        if missing:
            raise ModelError(f"The vocabulary has {len(words)} words but no {missing[0]}; it is not a BERT's.")
        self._pad, self._unknown, self._start, self._end = (self._id[word] for word in _SPECIAL)
        self._length = context_length

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Return ids (B, context_length) int64; of a text the first 16,384 characters are looked at."""
        out = torch.full((len(texts), self._length), self._pad, dtype=torch.long)
        for index, text in enumerate(texts):
            ids = [self._start, *self.pieces(text[:_MOST_CHARACTERS])[: self._length - 2], self._end]
            out[index, : len(ids)] = torch.tensor(ids)
        return out

    def count(self, text: str) -> TokenCount:
        """Return how much of a text is seen; words are the unit of what is cut."""
        return count_words(text, room=self._length, pieces=lambda word: len(self.pieces(word)))

    def pieces(self, text: str) -> list[int]:
        """Return the ids of a text's pieces, without start and end."""
        return [piece for word in split_words(text) for piece in self._pieces_of(word)]

    def _pieces_of(self, word: str) -> list[int]:
        if len(word) > _LONGEST_WORD:
            return [self._unknown]
        found, start = [], 0
        while start < len(word):
            mark = "##" if start else ""
            for end in range(len(word), start, -1):
                piece = self._id.get(mark + word[start:end])
                if piece is not None:
                    found.append(piece)
                    start = end
                    break
            else:
                return [self._unknown]
        return found


def split_words(text: str) -> Iterator[str]:
    """Yield the words of a text, lower-case and without accents; each punctuation mark and CJK sign is one.

    >>> list(split_words("Größe: 3x2 mm."))
    ['große', ':', '3x2', 'mm', '.']
    """
    word = ""
    cleaned = "".join(" " if _is_space(c) else "" if _is_control(c) else c for c in text)
    for character in unicodedata.normalize("NFD", cleaned.lower()):
        if unicodedata.category(character) == "Mn":
            continue
        alone = _is_punctuation(character) or _is_cjk(character)
        if alone or character == " ":
            if word:
                yield word
            word = ""
            if alone:
                yield character
        else:
            word += character
    if word:
        yield word


def _is_space(character: str) -> bool:
    return character in "\t\n\r" or unicodedata.category(character) == "Zs"


def _is_control(character: str) -> bool:
    return character in "\0\ufffd" or unicodedata.category(character).startswith("C")


def _is_punctuation(character: str) -> bool:
    # BERT counts every ASCII sign that is no letter, digit or space, such as $ and ^, as punctuation.
    ascii_sign = character.isascii() and character.isprintable() and not character.isalnum() and character != " "
    return ascii_sign or unicodedata.category(character).startswith("P")


def _is_cjk(character: str) -> bool:
    return unicodedata.name(character, "").startswith("CJK ")


def find_words(folders: Sequence[Path | None]) -> tuple[str, ...]:
    """Return the words of vocab.txt, or of tokenizer.json, in the first folder that has one, in the order of their ids.

    Raises ModelError where there is none or where it is not a vocabulary of word pieces.
    """
    for folder in folders:
        if folder is not None and (folder / WORDS_FILE).is_file():
            return tuple(_read(folder / WORDS_FILE).rstrip("\n").split("\n"))
        if folder is not None and (folder / TOKENIZER_FILE).is_file():
            return _from_json(folder / TOKENIZER_FILE)
    raise ModelError(
        f"The text tower is a BERT, whose words are missing: expected {WORDS_FILE} or {TOKENIZER_FILE} beside the "
        f"weights. Both are published with the weights; put one there and add the model again."
    )


def _from_json(path: Path) -> tuple[str, ...]:
    try:
        words = json.loads(_read(path))["model"]["vocab"]
        in_order = sorted(words, key=words.__getitem__)
        complete = [words[word] for word in in_order] == list(range(len(words)))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"{path} is no tokenizer of word pieces ({type(error).__name__}: {error}).") from error
    if not complete:
        raise ModelError(f"{path} does not number its words from 0 without a gap; it is damaged or not a BERT's.")
    return tuple(in_order)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        text = data.decode("utf-8").replace("\r\n", "\n")
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); add the model again.") from error
    except UnicodeDecodeError as error:
        raise ModelError(f"{path} is not a text in UTF-8; it is no vocabulary.") from error
    if len(data) > _MOST_BYTES or text.count("\n") > _MOST_WORDS:
        raise ModelError(f"{path} has more than {_MOST_WORDS} words or {_MOST_BYTES} bytes; it is no vocabulary.")
    return text
