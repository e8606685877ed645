"""Masks in other people's formats, one format a file, both ways."""

import importlib
import pkgutil

from usassist.core.exchange.format import FormatSpec


def specs() -> dict[str, FormatSpec]:
    """Return name -> format of every file in this package that describes one in `SPEC`, sorted by name."""
    found: dict[str, FormatSpec] = {}
    for module in pkgutil.iter_modules(__path__):
        spec = getattr(importlib.import_module(f"{__name__}.{module.name}"), "SPEC", None)
        if isinstance(spec, FormatSpec):
            found[spec.name] = spec
    return dict(sorted(found.items()))
