"""Frozen dataclasses from parsed JSON or TOML: every key known, every value of the type its field declares."""

import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from usassist.core.errors import UsassistError

_Part = TypeVar("_Part")
# For a choice that no file may leave open: a default would be taken for what the file says.
STATED: Mapping[str, Any] = {"stated": True}
_LARGEST = 1e30
_SHOWN = 60


def build_record(part: type[_Part], raw: object, *, where: str, error: type[UsassistError]) -> _Part:
    """Return the dataclass `part` filled from `raw`, sections inside it too.

    Understands bool, int, float (finite), str, Literal, tuples of one kind, mappings to values of one kind (or of any),
    dataclasses, and `X | None` for a part that may be left out. A field whose metadata is `STATED` must be given
    although it has a default. Raises `error` with a sentence that begins with `where` for unknown and missing keys and
    for values of another type.
    """
    if not isinstance(raw, Mapping):
        raise error(f"{where} is a section of settings, found the value {_shown(raw)}.")
    kinds = get_type_hints(part)
    unknown = sorted(str(key) for key in raw if key not in kinds)
    if unknown:
        raise error(f"{where}: unknown keys {', '.join(unknown)}; known are {', '.join(sorted(kinds))}.")
    needed = [f.name for f in fields(part) if _must_be_given(f)]  # type: ignore[arg-type]
    missing = [name for name in needed if name not in raw]
    if missing:
        raise error(f"{where}: {', '.join(missing)} must be given.")
    return part(**{name: _value(kinds[name], raw[name], where=f"{where}, {name}", error=error) for name in raw})


def _must_be_given(part: "Field[Any]") -> bool:
    return (part.default is MISSING and part.default_factory is MISSING) or bool(part.metadata.get("stated"))


def require_range(value: float, low: float, high: float, *, where: str, error: type[UsassistError]) -> None:
    """Raise `error` where a number is not within [low, high]; NaN never is."""
    if not low <= value <= high:
        raise error(f"{where} must be between {low:g} and {high:g}, found {value}.")


def _value(kind: Any, value: object, *, where: str, error: type[UsassistError]) -> Any:
    if is_dataclass(kind) and isinstance(kind, type):
        return build_record(kind, value, where=where, error=error)
    origin = get_origin(kind)
    if origin is types.UnionType:  # X | None: what is given is an X
        return _value(get_args(kind)[0], value, where=where, error=error)
    if origin is tuple:
        if _is_number(value) and get_args(kind)[0] in (int, float):
            value = (value,)  # one number is a list of one, as older files write it
        if not isinstance(value, list | tuple):
            raise error(f"{where} must be a list, found {_shown(value)}.")
        return tuple(_value(get_args(kind)[0], item, where=where, error=error) for item in value)
    if origin is Literal:
        if value not in get_args(kind):
            raise error(f"{where} must be one of {', '.join(map(str, get_args(kind)))}; found {_shown(value)}.")
        return value
    name, fits = _EXPECTED[origin or kind]
    if not fits(value):
        raise error(f"{where} must be {name}, found {_shown(value)}.")
    if isinstance(value, Mapping) and (own := get_args(kind)[1]) is not Any:
        return {key: _value(own, item, where=f"{where}, {key}", error=error) for key, item in value.items()}
    return value


def _is_number(value: object) -> bool:
    # `not <=` also refuses NaN; booleans are integers to Python, not to whoever wrote the file.
    return isinstance(value, int | float) and not isinstance(value, bool) and -_LARGEST <= value <= _LARGEST


_EXPECTED: dict[Any, tuple[str, Any]] = {
    bool: ("true or false", lambda value: isinstance(value, bool)),
    int: ("a whole number", lambda value: isinstance(value, int) and _is_number(value)),
    float: ("a finite number", _is_number),
    str: ("a text", lambda value: isinstance(value, str)),
    Mapping: ("a section", lambda value: isinstance(value, Mapping)),
}


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
