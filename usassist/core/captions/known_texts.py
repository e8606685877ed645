"""Whether a text asks for something that a model learned to find, and a sentence about it where it does not.

A model that follows texts answers every text, also one of which it knows nothing, and sounds as sure. What it learned
is known, so the text can be judged by its words alone, without the model and in about a millisecond.

The rule: a text is known where it names one thing that was learned, all its other words may stand beside that name, it
does not deny it, and it does not end in a feature of it ("mass margin"). Terms of the lexicons such as "posterior
shadowing" and BI-RADS categories are passed over.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import takewhile
from typing import Literal

from usassist.core.captions.topics import Topic, base_form, features, fillers, names_of_all, split_words, topic
from usassist.core.captions.vocabulary import load_vocabulary
from usassist.core.captions.wording import any_of, shortened, written_out

_MOST = 1000
"""Only so many characters are judged: a text tower reads fewer."""
_SHOWN, _WORDS_SHOWN, _TITLES_SHOWN = 40, 3, 6
_DENYING_BACK = frozenset({"none", "free", "absent"})
"""These deny what stands before them, as all do at the end ("is not seen"); others, and "free of", what is behind."""
_DENYING = _DENYING_BACK | {"no", "not", "non", "nor", "never", "neither", "without", "negative", "absence", "lack"}
_CATEGORY = re.compile(r"\b(?:(?:acr|eu|k|c)[- ]?)?(?:bi|ti)[- ]?rads(?:\s*category)?\s*:?\s*(?:tr)?\d?[abc]?\b", re.I)


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why the answer to a text means nothing, in a few words and in a sentence.

    It asks for something that was "not learned", or it is "denied": the text says what is not there.
    """

    kind: Literal["not learned", "denied"]
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
    topics = [topic(name) for name in known]
    shown = _words(text)
    words = [base_form(word) for word in shown]
    if not text or not known or any(_asks_for(one, words) for one in topics):
        return None
    quoted, learned = f"'{shortened(text, _SHOWN)}'", f"ask for what it learned: {titles(known)}"
    named, unknown = _named_elsewhere(words, topics), _unknown(shown, topics)
    answer = "its answer" if len(split_words(text)) == 1 else f"its answer to {quoted}"
    if named:
        short, first = named, f"The model never learned {named}, so {answer} means nothing"
    elif any(_denies(one, words) for one in topics):
        sentence = f"{quoted} says what is not there, and the model looks for it all the same; {learned}."
        return Doubt("denied", "A text cannot say what is not there", sentence)
    elif unknown:
        short, first = ", ".join(unknown), f"The model never learned {_in_words(unknown)}, so {answer} means nothing"
    else:
        short = text
        first = f"{quoted} is not one thing that the model learned to find, so its answer means nothing"
    return Doubt("not learned", f"Never learned: {shortened(short, _SHOWN)}", f"{first}; {learned}.")


def _words(text: str) -> list[str]:
    """Return a text's words as they stand, short forms written out and lexicon terms of several words left out."""
    plain = re.sub(r"(?<=\w)[-_/](?=\w)", " ", _CATEGORY.sub(" ", written_out(text)))
    words = split_words(_terms().sub(" ", plain))
    return [word for raw in words for word in _abbreviations().get(raw.casefold(), (raw,))]


def _asks_for(one: Topic, words: Sequence[str]) -> bool:
    """Return whether base forms of words ask for a thing and nothing else: the rule of this module."""
    naming = [phrase for phrase in one.names | one.organs if phrase <= set(words)]
    if not naming or _denies(one, words) or not all(word in _DENYING or one.takes(word) for word in words):
        return False
    if one.names.isdisjoint(naming) and fillers().union(*naming).issuperset(words):
        return False  # an organ and no word of what is found in it: "breast" is no lesion
    return len(words) == 1 or words[-1] not in features() or not any(words[-2] in phrase for phrase in naming)


def _denies(one: Topic, words: Sequence[str]) -> bool:
    """Return whether a text denies the thing: "no dark lesion" does, and "lesion, not a cyst" leaves a lesion."""
    denied: set[str] = set()
    for place in (place for place, word in enumerate(words) if word in _DENYING):
        behind = words[place + 1 :]
        looks_back = fillers().issuperset(behind) or (words[place] in _DENYING_BACK and behind[0] != "of")
        beside = words[:place][::-1] if looks_back else behind
        denied.update(takewhile(lambda word: one.takes(word) and word not in features(), beside))
    return bool(denied) and not any(phrase <= set(words) - denied for phrase in one.names)


def _named_elsewhere(words: Sequence[str], topics: Sequence[Topic]) -> str:
    """Return the longest name in a text that the vocabulary has for something else; "" for none."""
    foreign = {word for word in words if not any(one.takes(word) for one in topics)}
    found = [text for phrase, text in names_of_all().items() if phrase <= set(words) and phrase & foreign]
    return max(found, key=len, default="")


def _unknown(shown: Sequence[str], topics: Sequence[Topic]) -> list[str]:
    """Return the words of a text, as they stand, that may stand beside nothing that was learned."""
    forms = {word: base_form(word) for word in shown}
    return [word for word, form in forms.items() if not (form in _DENYING or any(one.takes(form) for one in topics))]


@cache
def _terms() -> re.Pattern[str]:
    texts = [text for term in load_vocabulary().descriptors for text in (term.term, *term.synonyms)]
    plain = (re.sub("[-/]", " ", text) for text in texts)
    return re.compile(rf"\b(?:{any_of(text for text in plain if ' ' in text)})\b", re.I)


@cache
def _abbreviations() -> dict[str, tuple[str, ...]]:
    short = load_vocabulary().abbreviations
    return {key.casefold(): tuple(words.split()) for key, words in short.items() if key.isalpha()}


def _in_words(unknown: Sequence[str]) -> str:
    """Return "the words 'one', 'two' and 4 more"."""
    shown = [f"'{shortened(word, _SHOWN)}'" for word in unknown[:_WORDS_SHOWN]]
    shown += [f"{len(unknown) - _WORDS_SHOWN} more"] if len(unknown) > _WORDS_SHOWN else []
    return f"the word{'s' if len(unknown) > 1 else ''} {_listed(shown)}"


def _listed(texts: Sequence[str]) -> str:
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def _lowered(title: str) -> str:
    title = shortened(title, _SHOWN)
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]
