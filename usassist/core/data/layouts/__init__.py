"""How datasets lie on disk, one layout a file: a new one is a new file with a `SPEC`."""

import importlib
import pkgutil
from collections.abc import Sequence
from pathlib import Path

from usassist.core.data.example import Example
from usassist.core.data.layouts.layout import Layout
from usassist.core.errors import TrainingError


def specs() -> Sequence[Layout]:
    """Return every layout of this package, those that ask for more before those that ask for less, then by name."""
    modules = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    found = [module.SPEC for module in modules if isinstance(getattr(module, "SPEC", None), Layout)]
    return sorted(found, key=lambda layout: (layout.is_general, layout.name))


def examples_of(path: Path) -> list[Example]:
    """List the examples of a dataset in any layout. Raises TrainingError where it has none of them, naming them all."""
    layouts = specs()
    for layout in layouts:
        if layout.recognises(path):
            return layout.examples(path)
    expected = "; ".join(layout.expected for layout in layouts)
    raise TrainingError(f"{path} is not a dataset. Expected one of these: {expected}.")
