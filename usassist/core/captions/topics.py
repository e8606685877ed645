"""What a thing to segment is called in the words of questions, and which words may stand beside its names."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache

from usassist.core.captions.negations import stem
from usassist.core.captions.vocabulary import Target, load_vocabulary

Phrase = frozenset[str]
"""The words of a name, each without its ending, in no order."""

_WORD = re.compile(r"[^\W_]+")
_POSSESSIVE = re.compile(r"['’]s\b")
_SAME = {"fetus": "fetal", "foetus": "fetal", "foetal": "fetal", "cranium": "skull"}


@dataclass(frozen=True, slots=True)
class Topic:
    """A thing that a model was taught to find.

    `names` name it, and so do `organs`, the places of a finding: a "malignant breast" has a lesion. `words`, and words
    with these `beginnings`, may stand beside a name.
    """

    title: str
    names: frozenset[Phrase]
    organs: frozenset[Phrase]
    words: frozenset[str]
    beginnings: tuple[str, ...]

    def takes(self, word: str) -> bool:
        """Return whether a word without its ending may stand in a question about it."""
        return word in self.words or word.isdigit() or word.startswith(self.beginnings)


def split_words(text: str) -> list[str]:
    """Return the words of a text as they stand; hyphens, underscores and punctuation are no part of them."""
    return _WORD.findall(_POSSESSIVE.sub("", unicodedata.normalize("NFKC", text)))


def base_form(word: str) -> str:
    """Return a word in lower case, without its plural; a fetus is fetal, however it is spelt.

    >>> [base_form(word) for word in ("Masses", "ARTERIES", "foetus", "lumen")]
    ['mass', 'artery', 'fetal', 'lumen']
    """
    word = word.casefold()
    word = f"{word[:-3]}y" if word.endswith("ies") and len(word) > 4 else stem(word)
    return _SAME.get(word, word)


def words_of(texts: Iterable[str]) -> frozenset[str]:
    """Return the base forms of all words of these texts."""
    return frozenset(base_form(word) for text in texts for word in split_words(text))


@cache
def fillers() -> frozenset[str]:
    """Return the base forms of words that name nothing by themselves."""
    return words_of(load_vocabulary().fillers)


@cache
def features() -> frozenset[str]:
    """Return the base forms of words for what is seen of a thing and is not outlined itself."""
    return words_of(load_vocabulary().features)


@lru_cache(maxsize=512)  # names of others' labels may be many
def topic(name: str) -> Topic:
    """Return the topic of a vocabulary's target; a name that is none, a label's or a class's, stands for its words."""
    vocabulary = load_vocabulary()
    target = vocabulary.targets.get(name)
    if target is None:
        words = words_of([name])
        found = tuple(word for word in vocabulary.findings if base_form(word) in words)
        target = Target(name, " ".join(name.replace("_", " ").split()), (), (name,), findings=found)
    own = [text for organ in vocabulary.organs.values() if organ.target == name for text in organ.synonyms]
    organs = own if target.findings else []
    names = [target.title, name, *target.prompts, *target.findings]
    names += [text for text in target.classes if text not in vocabulary.class_words["normal"]]
    beside = [text for text in target.classes for text in vocabulary.captions.get(text, ())]
    beginnings = [text for texts in vocabulary.class_words.values() for text in texts if text.isalpha()]
    return Topic(
        target.title,
        names=frozenset(filter(None, map(_phrase, names))),
        organs=frozenset(filter(None, map(_phrase, organs))),
        words=words_of([*names, *organs, *beside]) | fillers() | _describing(),
        beginnings=tuple(beginnings) if target.findings else (),
    )


@cache
def names_of_all() -> dict[Phrase, str]:
    """Return all that the vocabulary has names for, each with the name as people write it."""
    vocabulary = load_vocabulary()
    texts = [text for organ in vocabulary.organs.values() for text in organ.synonyms]
    texts += [text for target in vocabulary.targets.values() for text in (target.title.lower(), *target.prompts)]
    return {phrase: text for text in reversed([*texts, *vocabulary.findings]) if (phrase := _phrase(text))}


@cache
def _describing() -> frozenset[str]:
    """Return the terms of the lexicons that are one word, with the features."""
    terms = [text for one in load_vocabulary().descriptors for text in (one.term, *one.synonyms)]
    return words_of(text for text in terms if text.isalpha()) | features()


def _phrase(text: str) -> Phrase:
    return words_of([text]) - fillers()
