"""Asking whether an object is of a class of timm's or open_clip's without importing either, which takes a second."""

import sys
from typing import Any


def seen(*names: str) -> tuple[Any, ...]:
    """Return the classes of these dotted names whose modules are imported; nothing is of any other class.

    >>> seen("collections.OrderedDict", "never_imported.Anything")
    (<class 'collections.OrderedDict'>,)
    """
    found = []
    for name in names:
        module, _, own = name.rpartition(".")
        kind = getattr(sys.modules.get(module), own, None)
        if isinstance(kind, type):
            found.append(kind)
    return tuple(found)
