"""What two windows know of one project, put together."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from usassist.core.domain import Project

_T = TypeVar("_T")


def union(given: Project, saved: Project) -> Project:
    """Return what is saved with the labels, readers and sources that are given too.

    Where both know a label or a reader the given one wins; what is saved of a source, and where the images are, stays.
    """
    keys = {entry.key for entry in saved.sources}
    places = {entry.relative for entry in saved.sources}
    new = tuple(entry for entry in given.sources if entry.key not in keys and entry.relative not in places)
    return replace(
        saved,
        labels=_by_identity(given.labels, saved.labels, lambda label: label.id),
        readers=_by_identity(given.readers, saved.readers, lambda reader: reader.id),
        sources=(*saved.sources, *new),
    )


def _by_identity(first: tuple[_T, ...], second: tuple[_T, ...], identity: Callable[[_T], str]) -> tuple[_T, ...]:
    known = {identity(item) for item in first}
    return (*first, *(item for item in second if identity(item) not in known))
