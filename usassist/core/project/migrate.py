"""Bringing documents of past schema versions up to the present one, one step at a time."""

from collections.abc import Callable, Mapping
from typing import Literal

from usassist.core.errors import ProjectError
from usassist.core.project.fields import Malformed

SCHEMA_VERSION = 1
"""The version this program writes; a past version is read, a later one is refused."""


class NewerSchemaError(ProjectError):
    """A newer usassist wrote the document: this program must neither read nor replace it."""


Kind = Literal["project", "annotation"]
Step = Callable[[dict[str, object]], dict[str, object]]

STEPS: Mapping[tuple[Kind, int], Step] = {}
"""What turns a document of version n into version n + 1; a kind that a version did not change has no entry."""


def upgrade(
    document: object,
    *,
    kind: Kind,
    where: str,
    version: int = SCHEMA_VERSION,
    steps: Mapping[tuple[Kind, int], Step] = STEPS,
) -> object:
    """Return the document as schema `version` writes it, its own `schema_version` field taken off.

    Raises NewerSchemaError for a document of a later version, Malformed where the version is missing or no version.
    """
    if not isinstance(document, dict):
        return document
    found = document.get("schema_version")
    if type(found) is not int or found < 1:
        raise Malformed(f"'schema_version' should be an integer from 1, found {found!r:.60}")
    if found > version:
        raise NewerSchemaError(
            f"{where} was written by a newer usassist (schema {found}, this program knows up to {version}). "
            "Update usassist to open it; nothing was changed."
        )
    upgraded = {name: value for name, value in document.items() if name != "schema_version"}
    for past in range(found, version):
        step = steps.get((kind, past))
        upgraded = upgraded if step is None else step(upgraded)
    return upgraded
