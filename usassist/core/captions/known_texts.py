"""Whether a text asks for something that a model learned to find, and a sentence about it where it does not.

A model that follows texts answers every text, also one of which it knows nothing, and sounds as sure. What it learned
is known, so the text can be judged by its words alone, without the model and in about a millisecond.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal

from usassist.core.captions.negations import negated
from usassist.core.captions.topics import (
    Phrase,
    Topic,
    base_form,
    base_forms,
    features,
    fillers,
    names_elsewhere,
    split_words,
    topic,
)
from usassist.core.captions.vocabulary import load_vocabulary
from usassist.core.captions.wording import any_of, written_out

Kind = Literal["other", "denied", "unknown", "nothing"]

_MOST = 1000
"""Only so many characters are judged: a text tower reads fewer."""
_SHOWN, _WORDS_SHOWN, _TITLES_SHOWN = 40, 3, 6
_NEGATORS = frozenset(
    {
        *("no", "not", "non", "none", "nor", "never", "neither", "without", "negative", "free"),
        *("absent", "absence", "lack", "lacking", "loss"),
    }
)
_NON = re.compile(r"\bnon (\w+)")
_LED_BY = frozenset({"of", "in"})
_CATEGORY = re.compile(r"\b(?:(?:acr|eu|k|c)[- ]?)?(?:bi|ti)[- ]?rads(?:\s*category)?\s*:?\s*(?:tr)?\d?[abc]?\b", re.I)


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why the answer to a text means nothing, in a few words and in a sentence.

    It asks for something "other" than was learned, is "denied" (it says what is not there), has "unknown" words, or
    names "nothing" that was learned in words that are known.
    """

    kind: Kind
    short: str
    sentence: str


def doubt_about(text: str, known: Sequence[str]) -> Doubt | None:
    """Return why a model's answer to a text means nothing, None where the text asks for what it learned.

    `known` are the names of the vocabulary's targets that it learned, or the names of labels or classes that the
    vocabulary does not know. None too where nothing is asked, or where nobody knows what was learned. Case, plural,
    hyphens and punctuation do not matter; only the first 1000 characters count.
    Complexity: the text's words times what is known.
    """
    return _doubt(" ".join(text[:_MOST].split()), tuple(dict.fromkeys(known)))


def titles(known: Sequence[str]) -> str:
    """Return what a model learned, for people: "breast lesion, fetal head and common carotid artery"."""
    shown = [_lowered(topic(name).title) for name in known]
    more = [f"{len(shown) - _TITLES_SHOWN} more"] if len(shown) > _TITLES_SHOWN else []
    return _listed([*shown[:_TITLES_SHOWN], *more])


@lru_cache(maxsize=64)
def _doubt(text: str, known: tuple[str, ...]) -> Doubt | None:
    found = _judged(text, {name: topic(name) for name in known}) if text and known else None
    if found is None:
        return None
    (kind, words), quoted = found, f"'{_shortened(text)}'"
    listed = ", ".join(words)
    learned = f"ask for what it learned: {titles(known)}"
    if kind == "denied":
        sentence = f"{quoted} says what is not there, and the model looks for it all the same; {learned}."
        return Doubt(kind, "A text cannot say what is not there", sentence)
    if kind == "nothing":
        sentence = f"{quoted} is nothing that the model learned to find, so its answer means nothing; {learned}."
        return Doubt(kind, f"Never learned: {_shortened(text)}", sentence)
    what = _in_words(words) if kind == "unknown" else listed
    answer = "its answer" if len(base_forms(text)) == 1 else f"its answer to {quoted}"
    sentence = f"The model never learned {what}, so {answer} means nothing; {learned}."
    return Doubt(kind, f"Never learned: {_shortened(listed)}", sentence)


@dataclass(frozen=True, slots=True)
class _Said:
    """The words of a text as they stand and in their base forms; `terms` are the places of terms of several words."""

    shown: tuple[str, ...]
    words: tuple[str, ...]
    terms: frozenset[int]

    @property
    def free(self) -> frozenset[str]:
        """Return the words that are in no term of several: the mass of "calcifications in a mass" names none."""
        return frozenset(word for place, word in enumerate(self.words) if place not in self.terms)


def _judged(text: str, topics: dict[str, Topic]) -> tuple[Kind, list[str]] | None:
    """Return what is wrong with a text and which of its words are about that."""
    said = _read(text, topics.values())
    free = said.free
    whole = {(name, phrase) for name, one in topics.items() for phrase in one.names | one.organs if phrase <= free}
    asked = [
        (one, phrase)
        for name, one in topics.items()
        for phrase in _naming(name, one, said, [phrase for other, phrase in whole if other != name])
    ]
    denied = _denied(text)
    refused = {phrase for _, phrase in asked if phrase & denied}
    # With "no carotid artery" the carotid is denied too, and with "breast without a lesion" there is nothing to find.
    without = {one for one, phrase in asked if phrase in refused}
    left = [
        (one, phrase)
        for one, phrase in asked
        if not (any(phrase <= other for other in refused) or (one in without and phrase in one.organs))
    ]
    elsewhere = _elsewhere(said, topics.values())
    if elsewhere:
        return "other", [elsewhere]
    if refused and not left:
        return "denied", []
    unknown = _unknown(said, topics.values())
    if unknown:
        return "unknown", unknown
    named = [one for one, _ in left]
    if not named or _unknown(said, named) or _is_about_a_feature(said, [phrase for _, phrase in left]):
        return "nothing", []
    return None


def _read(text: str, topics: Iterable[Topic]) -> _Said:
    plain = split_words(_CATEGORY.sub(" ", written_out(text)))
    shown = tuple(word for raw in plain for word in _abbreviations().get(raw.casefold(), (raw,)))
    words = tuple(map(base_form, shown))
    terms = frozenset(term for one in topics for term in one.terms)
    longest = max(map(len, terms), default=0)
    inside: set[int] = set()
    for place in range(len(words)):
        lengths = (length for length in range(longest, 1, -1) if words[place : place + length] in terms)
        inside.update(range(place, place + next(lengths, 0)))
    return _Said(shown, words, frozenset(inside))


def _naming(name: str, one: Topic, said: _Said, others: Iterable[Phrase]) -> list[Phrase]:
    """Return the phrases of a text that name a topic; `others` are those that name other things a model learned."""
    free = said.free
    found = [phrase for phrase in one.names if phrase <= frozenset(said.words)]
    if not any(phrase <= free and not all(map(one.takes, phrase)) for phrase in (*names_elsewhere(name), *others)):
        found += [phrase for phrase in one.findings if phrase <= free]
    normal = tuple(load_vocabulary().class_words["normal"])
    # "Breast calcifications" are no breast lesion; "normal breast, composition fat" is about the breast.
    if found or not (said.terms or free & features()) or any(word.startswith(normal) for word in free):
        found += [phrase for phrase in one.organs if phrase <= free]
    return found


def _elsewhere(said: _Said, topics: Iterable[Topic]) -> str:
    """Return what a text names that the vocabulary knows and no topic has, by its longest name; "" for nothing."""
    there, learned = frozenset(said.words), tuple(topics)
    found = [
        text
        for phrase, text in names_elsewhere().items()
        if phrase <= there and not all(any(one.takes(word) for one in learned) for word in phrase)
    ]
    return max(found, key=len, default="")


def _unknown(said: _Said, topics: Iterable[Topic]) -> list[str]:
    """Return the words of a text, as they stand, that say nothing about any of the topics."""
    learned = tuple(topics)
    has_terms = any(one.terms for one in learned)

    def is_fine(place: int, word: str) -> bool:
        means_nothing = word.isdigit() or word in fillers() or word in _NEGATORS
        return means_nothing or (has_terms and place in said.terms) or any(one.takes(word) for one in learned)

    unknown = (said.shown[place] for place, word in enumerate(said.words) if not is_fine(place, word))
    return list(dict.fromkeys(unknown))


def _is_about_a_feature(said: _Said, phrases: Sequence[Phrase]) -> bool:
    """Return whether a text asks for something of what it names: the margin of the mass, the mass margin."""
    naming = frozenset(word for phrase in phrases for word in phrase)
    if len(said.words) > 1 and said.words[-1] in features() and said.words[-2] in naming:
        return True
    before = next((place for place, word in enumerate(said.words) if word in naming), 0)
    return any(said.words[place] in features() and said.words[place + 1] in _LED_BY for place in range(before))


def _denied(text: str) -> frozenset[str]:
    """Return the base forms of what a text denies; "not circumscribed" is a term of its own and denies nothing."""
    plain = re.sub(r"(?<=\w)[-_/](?=\w)", " ", written_out(text).lower())
    plain = _negative_terms().sub(" ", plain)
    # A "non" denies the one word behind it, which `negated` would look for at the end of the phrase.
    alone = [base_form(word) for word in _NON.findall(plain)]
    return frozenset([*alone, *(word for _, head in negated(_NON.sub(" ", plain)) for word in base_forms(head))])


@cache
def _negative_terms() -> re.Pattern[str]:
    texts = [text for term in load_vocabulary().descriptors for text in (term.term, *term.synonyms)]
    plain = (text.lower().replace("-", " ").replace("/", " ") for text in texts)
    return re.compile(rf"\b(?:{any_of(text for text in plain if _NEGATORS & {*text.split()})})\b")


@cache
def _abbreviations() -> dict[str, tuple[str, ...]]:
    short = load_vocabulary().abbreviations
    return {key.casefold(): tuple(words.split()) for key, words in short.items() if key.isalpha()}


def _in_words(unknown: Sequence[str]) -> str:
    """Return "the words 'one', 'two' and 4 more"."""
    shown = [f"'{_shortened(word)}'" for word in unknown[:_WORDS_SHOWN]]
    shown += [f"{len(unknown) - _WORDS_SHOWN} more"] if len(unknown) > _WORDS_SHOWN else []
    return f"the word{'s' if len(unknown) > 1 else ''} {_listed(shown)}"


def _listed(texts: Sequence[str]) -> str:
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def _lowered(title: str) -> str:
    title = _shortened(title)
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]


def _shortened(text: str) -> str:
    shown = "".join(letter if letter.isprintable() else "?" for letter in text)
    return shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 1].rstrip()}…"
