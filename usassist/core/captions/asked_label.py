"""Which label a text asks for: what is found for "fetal head" is no lesion, whatever label it was asked under."""

from collections.abc import Sequence
from functools import lru_cache

from usassist.core.captions.known_texts import doubt_about
from usassist.core.captions.vocabulary import Target, load_vocabulary
from usassist.core.domain import Label
from usassist.core.project.labels import is_called, label_for, new_id
from usassist.core.project.palette import DEFAULT_LABELS


def label_of_text(text: str, labels: Sequence[Label], *, active: Label | None = None) -> Label | None:
    """Return the label that a text asks for, None where it asks for something that none of them stands for.

    By its id, name or caption, else by the target of the vocabulary that both ask for. Where several labels do, or a
    text could mean several targets, it is `active` or none of them: a guess would be a mislabelled mask.
    """
    return _label_of_text(text, tuple(labels), active)


@lru_cache(maxsize=32)
def _label_of_text(text: str, labels: tuple[Label, ...], active: Label | None) -> Label | None:
    if active is not None and is_called(active, text):
        return active
    named = label_for(text, labels)
    if named is not None:
        return named
    meant = _targets_of(text)
    same = [label for label in labels if target_of_label(label) in meant]
    if active in same:
        return active
    return same[0] if len(same) == len(meant) == 1 else None


def target_of_text(text: str) -> Target | None:
    """Return the one target of the vocabulary that a text asks for, in words of reports too; None for other words."""
    meant = _targets_of(text)
    return meant[0] if len(meant) == 1 else None


def target_of_label(label: Label) -> Target | None:
    """Return the target of the vocabulary that a label stands for, by its caption, else by its name; None for none."""
    return target_of_text(label.caption) or target_of_text(label.name)


def class_of_text(text: str) -> str:
    """Return what to call the label for a text that no label stands for: its target's title, else the text itself."""
    target = target_of_text(text)
    return target.title if target is not None else " ".join(text.split())


def name_of_title(title: str) -> str:
    """Return the name of the vocabulary's target with this very title, which is its label's id; "" for none."""
    return next((target.name for target in load_vocabulary().targets.values() if target.title == title), "")


def label_id_of_text(text: str) -> str:
    """Return the label id for a text where there is no project to ask.

    That is the id of the label of a new project that stands for it while its first one is active, else the name of the
    vocabulary's target, else an id made of the text, which is none of those: "nodule" is "lesion", "fetal skull" is
    "fetal_head", "dark spot" is "dark-spot".
    """
    label, target = label_of_text(text, DEFAULT_LABELS, active=DEFAULT_LABELS[0]), target_of_text(text)
    if label is not None:
        return label.id
    taken = {*(known.id for known in DEFAULT_LABELS), *load_vocabulary().targets}
    return target.name if target is not None else new_id(text, taken)


@lru_cache(maxsize=4096)  # two for every label: fewer than there are would be judged anew with every text
def _targets_of(text: str) -> tuple[Target, ...]:
    vocabulary = load_vocabulary()
    exact = vocabulary.target_of_text(text)
    return (exact,) if exact else tuple(target for target in vocabulary.targets.values() if _asks_for(text, target))


def _asks_for(text: str, target: Target) -> bool:
    """Return whether a text asks for a target; an organ is not what is found in it: "breast tissue" is no lesion."""
    words = text.strip().casefold()
    is_named = not target.findings or any(finding in words for finding in target.findings)
    return bool(words) and is_named and doubt_about(words, [target.name]) is None
