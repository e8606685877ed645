"""What a report denies: the noun or adjective that each no, not, without and absent speaks of."""

import re
from collections.abc import Iterator

_BREAKS = re.compile(r"[.;:()\[\]](?!\d)|,|\s-\s|\b(?:but|with|showing|which|although|however|and)\b")
_NOT = (
    r"no(?!\s+(?:more|less)\s+than)|not|none|nor|without|absent|absence|lacks?|lacking|never|neither|denies|cannot|"
    r"negative|free|loss"
)
_NEGATOR = re.compile(rf"\b(?:{_NOT})\b|\bnon-?(?=[a-z]{{4}})(?!e\b)|n't\b")
# "no calcification, shadowing or vascularity" denies three things: the commas of such a list do not end it.
_LIST = re.compile(r"\b(?:no|without|absence of|free of|negative for|nor)\b[^.;:]{0,200}?,[^.;:,]{0,80}?\b(?:or|nor)\b")
_ENDS_LIST = re.compile(r"\b(?:but|with|showing|which|although|however|and)\b")
_POSTFIX = re.compile(r"\s*:\s*(?=(?:no|none|absent|negative|not\s+\w+)\s*(?:[,.;]|$))")
_PREPOSITION = r"in|at|on|within|into|behind|around|along|near|of|from|to|for|by|under|over"
_FILLER = (
    rf"{_PREPOSITION}|a|an|the|any|is|are|was|were|be|been|being|it|its|this|that|these|those|there|has|have|had|does|do|"
    r"did|can|could|evidence|signs?|definite|significant|obvious|clear|seen|noted|identified|visuali[sz]ed|present|"
    r"demonstrated|observed|evident|appreciated|detected|found|sonographic|other|further|evaluated"
)
_IS_PREPOSITION = re.compile(_PREPOSITION).fullmatch
_IS_FILLER = re.compile(_FILLER).fullmatch
_OR = re.compile(r"\s+(?:or|nor)\s+|/")
_WORD = re.compile(r"[a-zµ][\w'-]*")


def negated(text: str) -> Iterator[tuple[int, str]]:
    """Yield (place, word) for everything that a text in lower case denies; the word is the denied head as it stands.

    "no posterior shadowing or calcifications" yields shadowing and calcifications; whether two texts deny the same is a
    question of the words' `stem`. "without shadowing", "shadowing: no",
    "shadowing absent" and "shadowing is not seen" deny the same; so does "not" what follows it: "not circumscribed".
    """
    text = _with_lists_closed(_POSTFIX.sub(" ", text))
    for start, clause in _clauses(text):
        marks = list(_NEGATOR.finditer(clause))
        for index, mark in enumerate(marks):
            end = marks[index + 1].start() if index + 1 < len(marks) else len(clause)
            begin = marks[index - 1].end() if index else 0
            heads = _heads(clause[mark.end() : end]) or _heads(clause[begin : mark.start()])
            for head in heads:
                yield start + mark.start(), head


def _with_lists_closed(text: str) -> str:
    def closed(match: re.Match[str]) -> str:
        return match[0] if _ENDS_LIST.search(match[0]) else match[0].replace(",", " or ")

    return _LIST.sub(closed, text)


def _clauses(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    for match in _BREAKS.finditer(text):
        yield start, text[start : match.start()]
        start = match.end()
    yield start, text[start:]


def _heads(phrase: str) -> list[str]:
    """Return the head of each alternative in a phrase: its last word before a preposition."""
    heads = []
    for part in _OR.split(phrase):
        words = _WORD.findall(part)
        while words and _IS_FILLER(words[0]):
            words.pop(0)
        cut = next((index for index, word in enumerate(words) if _IS_PREPOSITION(word)), len(words))
        content = [word for word in words[:cut] if not _IS_FILLER(word)]
        if content:
            heads.append(content[-1])
    return heads


def stem(word: str) -> str:
    """Return a word without its plural or -ing.

    >>> [stem(word) for word in ("masses", "calcifications", "shadowing", "cyst", "hilum")]
    ['mass', 'calcification', 'shadow', 'cyst', 'hilum']
    """
    if word.endswith("sses"):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    return word[:-3] if word.endswith("ing") and len(word) > 6 else word
