"""What a thing to segment is called in the words of questions: phrases that name it, and words that go along."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache

from usassist.core.captions.negations import stem
from usassist.core.captions.vocabulary import Organ, Target, load_vocabulary

Phrase = frozenset[str]
"""The words of a name, each without its ending, in no order."""

_WORD = re.compile(r"[^\W_]+")
_POSSESSIVE = re.compile(r"['’]s\b")
_SAME = {"fetus": "fetal", "foetus": "fetal", "foetal": "fetal"}


@dataclass(frozen=True, slots=True)
class Topic:
    """A thing that a model was taught to find.

    `names` name it by themselves; `findings` do where no other organ is named ("lesion"), `organs` where nothing else
    of the organ is ("malignant breast"). `words` and `beginnings` of words say more about it, as `terms` of several
    words do.
    """

    title: str
    names: frozenset[Phrase]
    words: frozenset[str]
    findings: frozenset[Phrase] = frozenset()
    organs: frozenset[Phrase] = frozenset()
    beginnings: tuple[str, ...] = ()
    terms: frozenset[tuple[str, ...]] = frozenset()

    def takes(self, word: str) -> bool:
        """Return whether a word without its ending says something about it."""
        return word in self.words or word.startswith(self.beginnings)


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


def base_forms(text: str) -> tuple[str, ...]:
    """Return the base forms of a text's words, in their order."""
    return tuple(map(base_form, split_words(text)))


@cache
def fillers() -> frozenset[str]:
    """Return the base forms of words that name nothing by themselves."""
    return _words(load_vocabulary().fillers)


@cache
def features() -> frozenset[str]:
    """Return the base forms of words for what is seen of a thing and is not outlined itself."""
    return _words(load_vocabulary().features)


@lru_cache(maxsize=512)  # names of others' labels may be many
def topic(name: str) -> Topic:
    """Return the topic of a vocabulary's target; a name that is none, a label's or a class's, stands for its words."""
    vocabulary = load_vocabulary()
    target = vocabulary.targets.get(name)
    if target is None:
        words = frozenset(base_forms(name))
        found = tuple(word for word in vocabulary.findings if base_form(word) in words)
        target = Target(name, " ".join(name.replace("_", " ").split()), (), (name,), findings=found)
    own = [organ for organ in vocabulary.organs.values() if organ.target == name]
    normal = _words(vocabulary.class_words["normal"])
    called = _phrases([target.title, target.name, *target.prompts])
    classes = _phrases(text for text in target.classes if base_form(text) not in normal)
    organs = _phrases(text for organ in own for text in _whole(organ))
    if not target.findings:
        return Topic(target.title, names=called | organs | classes, words=_about(target, own))
    means = _phrases(target.findings) | classes
    single = frozenset(word for phrase in means for word in phrase)
    return Topic(
        target.title,
        names=frozenset(phrase for phrase in called if not phrase <= single),
        findings=means | {phrase for phrase in called if phrase <= single},
        organs=organs,
        words=_about(target, own),
        beginnings=tuple(text for texts in vocabulary.class_words.values() for text in texts if text.isalpha()),
        terms=frozenset(term for term in _terms(target, own) if len(term) > 1),
    )


def _about(target: Target, own: Iterable[Organ]) -> frozenset[str]:
    """Return the base forms of all single words that may stand in a question about a target."""
    captions = load_vocabulary().captions
    texts = [target.title, target.name, *target.prompts, *target.findings, *target.classes]
    texts += [text for name in target.classes for text in captions.get(name, ())]
    texts += [text for organ in own for text in _whole(organ)]
    single = {term[0] for term in _terms(target, own) if len(term) == 1}
    return _words(texts) | features() | single


def _terms(target: Target, own: Iterable[Organ]) -> set[tuple[str, ...]]:
    """Return the terms that describe a target: its organ's, and for a finding those of any organ's findings."""
    vocabulary = load_vocabulary()
    describing = {organ.name for organ in own}
    if target.findings:
        with_findings = {other.name for other in vocabulary.targets.values() if other.findings}
        describing |= {organ.name for organ in vocabulary.organs.values() if organ.target in with_findings}
    chosen = (descriptor for descriptor in vocabulary.descriptors if descriptor.organ in describing)
    return {base_forms(text) for descriptor in chosen for text in (descriptor.term, *descriptor.synonyms)}


@lru_cache(maxsize=512)
def names_elsewhere(target: str = "") -> dict[Phrase, str]:
    """Return what names another thing or organ than a target, and the parts of every organ, in the vocabulary's words.

    Without a target, all that the vocabulary names.
    """
    vocabulary = load_vocabulary()
    texts = [text for organ in vocabulary.organs.values() if organ.target != target for text in organ.synonyms]
    texts += [text for organ in vocabulary.organs.values() for text in organ.parts]
    if not target:
        texts += [text for other in vocabulary.targets.values() for text in (other.title.lower(), *other.prompts)]
        texts += vocabulary.findings
    return {phrase: text for text in reversed(texts) if (phrase := _phrase(text))}


def _whole(organ: Organ) -> list[str]:
    return [text for text in organ.synonyms if text not in organ.parts]


def _words(texts: Iterable[str]) -> frozenset[str]:
    return frozenset(word for text in texts for word in base_forms(text))


def _phrases(texts: Iterable[str]) -> frozenset[Phrase]:
    return frozenset(phrase for text in texts if (phrase := _phrase(text)))


def _phrase(text: str) -> Phrase:
    return frozenset(base_forms(text)) - fillers()
