"""Asking whether an object is of a class of timm's or open_clip's without importing either, which takes a second."""

import sys
from typing import Any


def imported_classes(*names: str) -> tuple[Any, ...]:
    """Return the classes of these dotted names whose modules are imported; nothing is of any other class.

    Raises AttributeError where an imported module has no such class: another version moved it.

    >>> imported_classes("collections.OrderedDict", "never_imported.Anything")
    (<class 'collections.OrderedDict'>,)
    """
    split = (name.rpartition(".") for name in names)
    return tuple(getattr(sys.modules[module], own) for module, _, own in split if module in sys.modules)
