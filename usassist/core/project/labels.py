"""Which label of a project stands for a class that a model names, and the label that is made where none does."""

import re
from collections.abc import Collection, Sequence

from usassist.core.domain import Label
from usassist.core.project.palette import next_colour

_UNNAMED = "Unnamed class"
_MAX_NAME = 60
_MAX_CAPTION = 1000


def new_id(name: str, taken: Collection[str]) -> str:
    """Return an id for a label of this name: a-z, 0-9, "_" and "-", different from those that are taken."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-")[:56] or "label"
    number = 1
    while (found := slug if number == 1 else f"{slug}-{number}") in taken:
        number += 1
    return found


def label_for(class_name: str, labels: Sequence[Label]) -> Label | None:
    """Return the label that stands for a class: by its id, else by its name, else by its caption; None for none.

    Case does not count in names and captions, and "_" is a space. A caption that several labels share decides nothing:
    a guess would be a mislabelled mask.
    """
    exact = next((label for label in labels if label.id == class_name), None)
    if exact is not None:
        return exact
    wanted = _folded(_shown(class_name))
    named = next((label for label in labels if _folded(label.name) == wanted), None)
    if named is not None:
        return named
    captioned = [label for label in labels if _folded(label.caption) == wanted]
    return captioned[0] if len(captioned) == 1 else None


def is_called(label: Label, text: str) -> bool:
    """Return whether a text is a label's own words: its name or its caption; case does not count, "_" is a space."""
    return _folded(text) in (_folded(label.name), _folded(label.caption)) and bool(_folded(text))


def label_of_class(class_name: str, labels: Sequence[Label], *, taken: Collection[str] = ()) -> Label:
    """Return a new label with the class's name and an id that neither `labels` nor `taken` have.

    Its caption is the class too, so that it stands for the class under another name as well.
    """
    name = _shown(class_name)
    ids = {label.id for label in labels} | set(taken)
    return Label(new_id(name, ids), name[:_MAX_NAME], next_colour(labels), name[:_MAX_CAPTION])


def _shown(class_name: str) -> str:
    """Return a class's name on one line, never empty: a model's file may hold anything."""
    return " ".join(class_name.split()) or _UNNAMED


def _folded(text: str) -> str:
    return " ".join(text.replace("_", " ").split()).casefold()
