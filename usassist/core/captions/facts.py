"""What a caption claims that a rewriting may neither lose nor invent: sizes, sides, negations, categories, terms."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

from usassist.core.captions.measures import measures
from usassist.core.captions.negations import negated, stem
from usassist.core.captions.vocabulary import load_vocabulary
from usassist.core.captions.wording import any_of, plain

Kind = Literal["number", "side", "position", "category", "negation", "class", "certainty", "term", "order"]

_CATEGORY = re.compile(
    r"\b(?:(eu|k|c)[- ]?)?(?:acr[- ]?)?(bi|ti|li|pi|o)[- ]?rads\b(?:\s*(?:us|category|cat\b\.?|score|class|grade))*"
    r"\s*[:=]?\s*(?:tr)?(?P<grade>[0-6][abc]?|iv[abc]?|vi?|i{1,3})\b|\btr\s?-?(?P<tr>[1-5])\b"
)
_ROMAN = {"i": "1", "ii": "2", "iii": "3", "iv": "4", "v": "5", "vi": "6"}
_CLOCK = re.compile(r"\b(\d{1,2}(?::\d\d)?)(?:\s*(?:-|to)\s*(\d{1,2}(?::\d\d)?))?\s*o\s*'?\s*clock\b")
_SIDE = re.compile(r"\b(left|right|bilateral|both|ipsilateral|contralateral)(?:ly)?\b")
_UNSURE = re.compile(r"\b(?:possibl[ey]|probabl[ey]|likely|suspected|presumabl[ey]|may|might|could|questionable)\b")
_FINDING_STEM = re.compile(r"\b(calcification|shadowing|enhancement)s?\b")


@dataclass(frozen=True, slots=True)
class Fact:
    """One claim in a form that does not depend on how it is written: lengths in mm, sides and terms in full.

    `value` may be a stem, which is what claims are compared by; `words` is the claim as a person reads it.
    """

    kind: Kind
    value: str
    said: str = field(default="", compare=False)

    @property
    def words(self) -> str:
        """Return the claim in words of the text."""
        return self.said or self.value


@dataclass(frozen=True, slots=True)
class Lost:
    """A claim of the caption that its refined form does not make, or (kind "order") no longer attaches as it was."""

    kind: Kind
    value: str

    def __str__(self) -> str:
        return f"lost {self.kind}: {self.value}"


@dataclass(frozen=True, slots=True)
class Invented:
    """A claim of the refined caption that the caption never made."""

    kind: Kind
    value: str

    def __str__(self) -> str:
        return f"invented {self.kind}: {self.value}"


def check(raw: str, refined: str) -> tuple[Lost | Invented, ...]:
    """Return what a refinement lost or invented; nothing means that every claim looked for has survived.

    Looked for: numbers with their units (12 mm is 1.2 cm), ranges and up to four dimensions, sides and o'clock
    positions, what is denied, BI-RADS and TI-RADS categories, class words, words of doubt; lexicon terms and findings
    must not be invented. Where a caption has two sides, or two sizes, their order must stay, since it says what belongs
    to what. In doubt it reports: a caption kept as it was is no loss.
    """
    before, after = facts(raw), facts(refined)
    had, has = set(before), set(after)
    lost = [Lost(fact.kind, fact.words) for fact in before if fact not in has and fact.kind != "term"]
    invented = [Invented(fact.kind, fact.words) for fact in after if fact not in had]
    if not lost and not invented:
        told, kept = _order(before), _order(after)
        if told != kept:
            lost.append(Lost("order", ", ".join(told)))
    return (*lost, *invented)


def facts(text: str) -> tuple[Fact, ...]:
    """Return the claims of a text in the order of their first mention, each once."""
    found = sorted(_found(plain(text).lower()), key=lambda item: item[0])
    return tuple(dict.fromkeys(fact for _, fact in found))


def _found(text: str) -> Iterator[tuple[int, Fact]]:
    """Yield every claim with its place; what was read as a category or a position is no number any more."""
    for match in _CATEGORY.finditer(text):
        yield match.start(), Fact("category", _category(match))
    text = _blanked(text, _CATEGORY)
    for match in _CLOCK.finditer(text):
        hours = [hour.lstrip("0") for hour in match.groups() if hour]
        yield match.start(), Fact("position", f"{'-'.join(hours)} o'clock")
    text = _blanked(text, _CLOCK)
    for place, value in measures(text):
        yield place, Fact("number", value)
    for match in _SIDE.finditer(text):
        yield match.start(), Fact("side", "bilateral" if match[1] == "both" else match[1])
    for place, value in negated(text):
        yield place, Fact("negation", f"no {stem(value)}", f"no {value}")
    for match in _class_words().finditer(text):
        yield match.start(), Fact("class", match[1], match[0])
    for match in _UNSURE.finditer(text):
        yield match.start(), Fact("certainty", "uncertain", match[0])
    for pattern in (_terms(), _FINDING_STEM):
        for match in pattern.finditer(text):
            yield match.start(), Fact("term", match[1])


def _category(match: re.Match[str]) -> str:
    if match["tr"]:
        return f"ti-rads {match['tr']}"
    grade = match["grade"]
    roman = grade.rstrip("abc")
    grade = _ROMAN[roman] + grade[len(roman) :] if roman in _ROMAN else grade
    system = f"{match[2]}-rads"
    return f"{match[1]}-{system} {grade}" if match[1] else f"{system} {grade}"


def _order(found: Sequence[Fact]) -> tuple[str, ...]:
    """Return what must keep its order: sides, positions and sizes where there are several, and then findings too."""
    kinds = [fact.kind for fact in found]
    if kinds.count("side") < 2 and kinds.count("number") < 2:
        return ()
    nouns = [fact for fact in found if fact.kind == "term" and fact.value in _singular_findings()]
    placed = {"side", "position", "number"}
    return tuple(fact.value for fact in found if fact.kind in placed or (len(nouns) > 1 and fact in nouns))


def _blanked(text: str, pattern: re.Pattern[str]) -> str:
    return pattern.sub(lambda match: " " * len(match[0]), text)


@cache
def _class_words() -> re.Pattern[str]:
    words = load_vocabulary().class_words
    return re.compile(rf"\b({any_of((*words['benign'], *words['malignant'], *words['normal'], 'abnormal'))})\w*")


@cache
def _singular_findings() -> dict[str, str]:
    words = load_vocabulary().findings
    return {word.rstrip("s") if word.endswith("s") and word.rstrip("s") in words else word: word for word in words}


@cache
def _terms() -> re.Pattern[str]:
    vocabulary = load_vocabulary()
    terms = {descriptor.term for descriptor in vocabulary.descriptors} | set(_singular_findings())
    return re.compile(rf"(?<![\w-])({any_of(terms)})(?:e?s)?(?![\w-])")
