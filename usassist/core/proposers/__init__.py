"""Engines that propose masks, one a file; a file with a `SPEC` is found without being listed anywhere."""

import importlib
import pkgutil
from functools import cache

from usassist.core.errors import ModelError
from usassist.core.proposers.proposer import BuildOptions, Proposer, ProposerSpec

DEFAULT_ENGINE = "clip_mona"

__all__ = ["DEFAULT_ENGINE", "BuildOptions", "Proposer", "ProposerSpec", "build", "specs"]


@cache
def specs() -> dict[str, ProposerSpec]:
    """Return every engine by name, the default first; imports no torch."""
    found: dict[str, ProposerSpec] = {}
    for module in pkgutil.iter_modules(__path__):
        spec = getattr(importlib.import_module(f"{__name__}.{module.name}"), "SPEC", None)
        if isinstance(spec, ProposerSpec):
            found[spec.name] = spec
    return dict(sorted(found.items(), key=lambda item: (item[0] != DEFAULT_ENGINE, item[0])))


def build(name: str, options: BuildOptions) -> Proposer:
    """Build an engine by name; raises ModelError for a name nobody has."""
    spec = specs().get(name)
    if spec is None:
        raise ModelError(f"There is no engine {name!r}; the engines are {', '.join(specs())}.")
    return spec.build(options)
