"""Strict reading of JSON: every field is asked for with its type and bounds, and what nobody asked for is an error."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import NoReturn

MAX_INTEGER = 2**53
"""The largest integer that every JSON reader keeps exact."""


class Malformed(Exception):  # noqa: N818 - it never reaches a user; the schema turns it into a sentence
    """A document is not what its schema says; the message says where and how."""


def parse_json(data: bytes) -> object:
    """Return the JSON value in UTF-8 bytes; duplicate keys, NaN, deep nesting and broken text raise Malformed."""
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
    except RecursionError as fault:
        raise Malformed("it is nested too deeply") from fault
    except ValueError as fault:
        raise Malformed(f"it is not JSON ({fault})") from fault


def dump_json(value: object) -> bytes:
    """Return readable JSON as ASCII bytes: odd file names (lone surrogates) survive, and no encoding can break it."""
    return json.dumps(value, ensure_ascii=True, allow_nan=False, indent=1).encode("ascii") + b"\n"


def dump_records(facts: Mapping[str, object], lists: Mapping[str, Sequence[object]]) -> bytes:
    """Return one JSON object of plain facts and long lists, a fact or a record a line; much faster than `dump_json`."""
    encoder = json.JSONEncoder(ensure_ascii=True, allow_nan=False)
    parts = [f"{encoder.encode(name)}: {encoder.encode(value)}" for name, value in facts.items()]
    for name, records in lists.items():
        lines = _lines(encoder, records)
        parts.append(f"{encoder.encode(name)}: [\n  {lines}\n ]" if records else f"{encoder.encode(name)}: []")
    return ("{\n " + ",\n ".join(parts) + "\n}\n").encode("ascii")


def _lines(encoder: json.JSONEncoder, records: Sequence[object]) -> str:
    # One call for all of them takes a third of the time; it only breaks at the right places if no text looks like one.
    whole = encoder.encode(records)[1:-1]
    if whole.count("}, {") == len(records) - 1:
        return whole.replace("}, {", "},\n  {")
    return ",\n  ".join(map(encoder.encode, records))


def dump_line(value: object) -> bytes:
    """Return JSON as one ASCII line with its newline."""
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"


class Fields:
    """One JSON object whose fields are taken by name; `end` refuses what was not taken."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise Malformed(f"{where} should be an object, found {_kind(value)}")
        self._rest: dict[str, object] = dict(value)
        self._where = where

    def take(self, name: str) -> object:
        """Return the value of a field, whatever its type."""
        try:
            return self._rest.pop(name)
        except KeyError:
            raise Malformed(f"{self._where} lacks {name!r}") from None

    def text(self, name: str, *, most: int = 200, pattern: re.Pattern[str] | None = None) -> str:
        """Return a string of at most `most` characters that matches `pattern`."""
        value = self.take(name)
        if not isinstance(value, str) or len(value) > most or (pattern is not None and not pattern.fullmatch(value)):
            self._fail(name, f"text of at most {most} characters in its own form", value)
        return value

    def text_or_none(self, name: str, *, most: int = 200, pattern: re.Pattern[str] | None = None) -> str | None:
        """Return a string as `text` does, or None for null."""
        if self._rest.get(name, "") is None:
            self.take(name)
            return None
        return self.text(name, most=most, pattern=pattern)

    def integer(self, name: str, *, least: int = 0, most: int = MAX_INTEGER) -> int:
        """Return an integer in [least, most]."""
        value = self.take(name)
        if type(value) is not int or not least <= value <= most:
            self._fail(name, f"an integer from {least} to {most}", value)
        return value

    def number_or_none(self, name: str, *, least: float = 0.0, most: float = 1e12) -> float | None:
        """Return a number in [least, most] as float, or None for null."""
        value = self.take(name)
        if value is None:
            return None
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not least <= value <= most:
            self._fail(name, f"a number from {least} to {most}", value)
        return float(value)

    def flag(self, name: str) -> bool:
        """Return a bool."""
        value = self.take(name)
        if not isinstance(value, bool):
            self._fail(name, "true or false", value)
        return value

    def flag_or_none(self, name: str) -> bool | None:
        """Return a bool, or None for null."""
        if self._rest.get(name, False) is None:
            self.take(name)
            return None
        return self.flag(name)

    def items(self, name: str, *, most: int) -> list[object]:
        """Return a list of at most `most` values."""
        value = self.take(name)
        if not isinstance(value, list) or len(value) > most:
            self._fail(name, f"a list of at most {most} items", value)
        return value

    def end(self) -> None:
        """Raise Malformed if a field is left that nobody asked for."""
        if self._rest:
            raise Malformed(f"{self._where} has unknown fields: {', '.join(sorted(map(repr, self._rest)))[:200]}")

    def _fail(self, name: str, expected: str, value: object) -> NoReturn:
        raise Malformed(f"{self._where}: {name!r} should be {expected}, found {_kind(value)}")


def _kind(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{type(value).__name__} {shown[:50]}..."


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice in one object")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
