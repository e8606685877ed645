"""Which label of a project stands for a class that a model names, and the label that is made where none does."""

import hashlib
import itertools
import re
from collections.abc import Collection, Sequence

from usassist.core.domain import Label
from usassist.core.project.palette import next_colour

_UNNAMED = "Unnamed class"
_MAX_NAME = 60
_MAX_SLUG = 48
_MAX_CAPTION = 1000


def new_id(name: str, taken: Collection[str]) -> str:
    """Return an id for a label of this name: a-z, 0-9 and "-", different from those that are taken.

    Where these letters do not tell the name from others ("胎头", "病 lesion", a very long one) or make a taken id, a
    short hash of the name stands behind them: the same name gives the same id in every run, and others give others.
    """
    name = " ".join(name.split()).casefold()
    slug = re.sub(r"[^a-z0-9]+", "-", name).strip("-")
    is_told = slug == slug[:_MAX_SLUG] and not any(letter.isalnum() and not letter.isascii() for letter in name)
    if is_told and slug and slug not in taken:
        return slug
    hashed = f"{slug[:_MAX_SLUG].rstrip('-') or 'label'}-{_hash(name)}"
    numbered = (f"{hashed}-{number}" for number in itertools.count(2))
    return next(found for found in itertools.chain([hashed], numbered) if found not in taken)


def label_for(class_name: str, labels: Sequence[Label]) -> Label | None:
    """Return the label that stands for a class: by its id, else by its name, else by its caption; None for none.

    Case does not count in names and captions, and "_" is a space. A caption that several labels share decides nothing:
    a guess would be a mislabelled mask.
    """
    exact = next((label for label in labels if label.id == class_name), None)
    if exact is not None:
        return exact
    wanted = folded(_shown(class_name))
    named = next((label for label in labels if folded(label.name) == wanted), None)
    if named is not None:
        return named
    captioned = [label for label in labels if folded(label.caption) == wanted]
    return captioned[0] if len(captioned) == 1 else None


def is_called(label: Label, text: str) -> bool:
    """Return whether a text is a label's own words: its name or its caption; case does not count, "_" is a space."""
    return folded(text) in (folded(label.name), folded(label.caption)) and bool(folded(text))


def label_of_class(
    class_name: str, labels: Sequence[Label], *, taken: Collection[str] = (), wanted_id: str = ""
) -> Label:
    """Return a new label with the class's name and an id that neither `labels` nor `taken` have.

    That is `wanted_id` where one is given and free, else one made of the name. Its caption is the class too, so that it
    stands for the class under another name as well.
    """
    name = _shown(class_name)
    ids = {label.id for label in labels} | set(taken)
    own_id = wanted_id if wanted_id and wanted_id not in ids else new_id(name, ids)
    return Label(own_id, name[:_MAX_NAME], next_colour(labels), name[:_MAX_CAPTION])


def _hash(name: str) -> str:
    """Return 6 hexadecimal digits; bytes of a command line that are no text count as well."""
    return hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:6]


def _shown(class_name: str) -> str:
    """Return a class's name on one line, never empty: a model's file may hold anything."""
    return " ".join(class_name.split()) or _UNNAMED


def folded(text: str) -> str:
    """Return a text as names are compared: case does not count, "_" is a space, and so are several."""
    return " ".join(text.replace("_", " ").split()).casefold()
