"""What a model learned from, the models that it went on from and stands on included: terms are inherited."""

from collections.abc import Mapping
from typing import Any

PARENTS = ("start_from", "base")
"""The entries of a provenance that name another model, by its name, its weights' hash and its data."""


def own_data(provenance: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the datasets of a model's own training, or of a parent's entry; none where no list is."""
    named = provenance.get("data")
    return tuple(str(name) for name in named) if isinstance(named, list | tuple) else ()


def learned_from(provenance: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of all datasets behind a model, its own first, each once."""
    parents = [entry for key in PARENTS if isinstance(entry := provenance.get(key), Mapping)]
    return tuple(dict.fromkeys([*own_data(provenance), *(name for entry in parents for name in own_data(entry))]))
