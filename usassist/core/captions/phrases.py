"""A short report taken apart into the phrases of a structured one: organ, finding, size, side, descriptors."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from usassist.core.captions.vocabulary import load_vocabulary
from usassist.core.captions.wording import any_of

Slot = Literal[
    "organ",
    "finding",
    "size",
    "side",
    "position",
    "shape",
    "orientation",
    "margin",
    "echo",
    "posterior",
    "calcification",
    "other",
    "category",
]
SLOTS: tuple[Slot, ...] = Slot.__args__  # type: ignore[attr-defined]

# Which slot an attribute of the vocabulary belongs to, and the noun its terms stand with where they stand alone.
_ATTRIBUTES: dict[str, tuple[Slot, str]] = {
    "shape": ("shape", " shape"),
    "orientation": ("orientation", " orientation"),
    "margin": ("margin", " margin"),
    "border": ("margin", ""),
    "composition": ("echo", ""),
    "echo_pattern": ("echo", ""),
    "echogenicity": ("echo", ""),
    "posterior_features": ("posterior", ""),
    "calcifications": ("calcification", ""),
    "echogenic_foci": ("calcification", ""),
}
_NOUNS: dict[str, Slot] = {
    "shape": "shape",
    "orientation": "orientation",
    "margin": "margin",
    "margins": "margin",
    "border": "margin",
    "borders": "margin",
    "contour": "margin",
    "contours": "margin",
    "echo pattern": "echo",
    "echotexture": "echo",
    "echogenicity": "echo",
    "echoes": "echo",
    "shadowing": "posterior",
    "enhancement": "posterior",
    "calcification": "calcification",
    "calcifications": "calcification",
}
# Terms that are whole already: "extrathyroidal extension margin" would be nonsense.
_WHOLE = frozenset({"extrathyroidal extension", "taller than wide", "wider than tall", "extranodal extension"})

_LENGTH = r"\d[\d.,]*(?:\s*[mc]m)?"
_SIZE = (
    rf"{_LENGTH}(?:\s*(?:x|\*|by)\s*{_LENGTH}){{0,3}}\s*[mc]m(?!\w|\s+from\b)|"
    rf"{_LENGTH}\s*(?:-|to)\s*{_LENGTH}\s*[mc]m(?!\w)"
)
_CATEGORY = (
    r"(?:(?:eu|k|c|acr)[- ]?)?(?:bi|ti)[- ]?rads(?:\s*(?:category|score))?\s*:?\s*(?:tr)?\d[abc]?(?!\w)|"
    r"tr\s?[1-5](?!\w)"
)
_POSITION = (
    r"\d{1,2}(?::\d\d)?\s*o\s*'?\s*clock(?:\s+position)?|(?:upper|lower)[- ](?:outer|inner)\s+quadrant|retroareolar|"
    r"subareolar"
)
_FILLER = (
    r"in|of|at|the|a|an|measuring|measures|measured|sized|size|is|are|has|have|there|it|this|and|with|on|lesion's|side|"
    r"sided|showing|shows|which|-|:"
)
_SPLIT = re.compile(
    r"[.;](?=\s|$)|,(?=\s|$)|(?<!associated)(?<!consistent)(?<!compatible)(?<!compared)\s(?:with|showing|demonstrating)\s",
    re.IGNORECASE,
)
# A list that is denied as a whole must stay one phrase: "no calcification, shadowing or vascularity".
_DENIED_LIST = re.compile(
    r"\b(?:no|without|absence of|free of|negative for)\b[^.;:]{0,300}?\s(?:or|nor)\s", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Phrase:
    """A piece of a report and what it is about."""

    slot: Slot
    text: str


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def phrases(text: str) -> list[Phrase]:
    """Return the phrases of a plain text in their order; what is not understood word by word stays whole.

    No word is lost but articles, prepositions between recognised words and verbs such as "measuring"; a bare term gets
    the noun of its attribute ("irregular" becomes "irregular shape").
    """
    found: list[Phrase] = []
    for piece in _pieces(text):
        tokens = _tokens(piece)
        found += [Phrase(_slot_of(piece), piece)] if tokens is None else list(_read(tokens))
    return list(dict.fromkeys(found))


def _pieces(text: str) -> Iterator[str]:
    closed = _DENIED_LIST.sub(lambda match: match[0].replace(",", "\0"), text)
    for piece in _SPLIT.split(closed):
        kept = piece.replace("\0", ",").strip(" ,;:.")
        if kept:
            yield kept


def _tokens(piece: str) -> list[_Token] | None:
    """Return the words of a piece by kind, None where there is one that nobody knows."""
    tokens: list[_Token] = []
    place = 0
    while place < len(piece):
        match = _lexer().match(piece, place)
        if match is None or match.lastgroup is None:
            return None
        tokens.append(_Token(match.lastgroup, match[match.lastgroup]))
        place = match.end()
    return tokens


def _read(tokens: Sequence[_Token]) -> Iterator[Phrase]:
    """Yield the phrases of known words: a noun takes the terms right before it, else those right behind it."""
    terms: list[str] = []
    noun = ""
    for token in (*tokens, _Token("end", "")):
        if token.kind == "term":
            terms.append(token.text)
            continue
        if token.kind == "filler" and token.text.lower() in {"and", "is", "are", "-", ":", "has", "have"}:
            continue
        if token.kind == "noun" and not noun and terms:
            yield _described(terms, token.text)
            terms = []
            continue
        yield from _closed(terms, noun)
        terms, noun = [], ""
        if token.kind == "noun":
            noun = token.text
        elif token.kind in SLOTS:
            yield Phrase(token.kind, token.text)


def _closed(terms: Sequence[str], noun: str) -> Iterator[Phrase]:
    if noun and terms:
        yield _described(terms, noun)
    elif noun:
        yield Phrase(_NOUNS[noun.lower()], noun)
    else:
        for term in terms:
            slot, ending = _slot_of_term(term)
            yield Phrase(slot, term + ending)


def _described(terms: Sequence[str], noun: str) -> Phrase:
    *first, last = terms
    text = f"{', '.join(first)} and {last}" if first else last
    return Phrase(_NOUNS[noun.lower()], f"{text} {noun}")


def _slot_of_term(term: str) -> tuple[Slot, str]:
    attribute = _attributes()[term.lower()]
    slot, ending = _ATTRIBUTES.get(attribute, ("other", ""))
    return slot, "" if term.lower() in _WHOLE else ending


def _slot_of(piece: str) -> Slot:
    """Return where a piece goes that is kept whole: with the finding it names, else with the rest."""
    if re.search(r"\b(?:no|not|without|absent|absence|negative)\b", piece, re.IGNORECASE):
        return "other"
    return "finding" if _finding().search(piece) else "other"


@cache
def _attributes() -> dict[str, str]:
    return {descriptor.term: descriptor.attribute for descriptor in reversed(load_vocabulary().descriptors)}


@cache
def _finding() -> re.Pattern[str]:
    return re.compile(rf"\b(?:{any_of(load_vocabulary().findings)})\b", re.IGNORECASE)


@cache
def _lexer() -> re.Pattern[str]:
    vocabulary = load_vocabulary()
    kinds = {
        "size": _SIZE,
        "category": _CATEGORY,
        "position": _POSITION,
        "organ": any_of(word for organ in vocabulary.organs.values() for word in organ.synonyms),
        "side": "left|right|bilateral",
        "term": any_of(_attributes()),
        "noun": any_of(_NOUNS),
        "finding": any_of(vocabulary.findings),
        "filler": _FILLER,
    }
    alternatives = "|".join(f"(?P<{kind}>{pattern})" for kind, pattern in kinds.items())
    return re.compile(rf"(?:{alternatives})(?:(?<=[-:])|(?![\w'-]))[\s-]*", re.IGNORECASE)
