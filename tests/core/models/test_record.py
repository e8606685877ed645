from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from usassist.core.errors import ModelError
from usassist.core.models.record import build_record, require_range


@dataclass(frozen=True)
class Inner:
    sizes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Outer:
    name: str
    rate: float = 1.0
    kind: Literal["a", "b"] = "a"
    on: bool = False
    inner: Inner = Inner()
    more: Mapping[str, Any] = field(default_factory=dict)
    draws: Mapping[str, float] = field(default_factory=dict)
    parts: Mapping[str, Inner] = field(default_factory=dict)


def _build(**raw: object) -> Outer:
    return build_record(Outer, raw, where="here", error=ModelError)


def test_every_kind_of_value_is_taken() -> None:
    built = _build(name="x", rate=2, kind="b", on=True, inner={"sizes": [1, 2]}, more={"any": [None]})
    assert built == Outer("x", 2, "b", True, Inner((1, 2)), {"any": [None]})
    built = _build(name="x", draws={"a": 1, "b": 0.5}, parts={"c": {"sizes": [3]}})
    assert (built.draws, built.parts) == ({"a": 1, "b": 0.5}, {"c": Inner((3,))})


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({}, "here: name must be given"),
        ({"name": "x", "nmae": 1}, "unknown keys nmae; known are draws, inner"),
        ({"name": 1}, "here, name must be a text, found 1"),
        ({"name": "x", "rate": "fast"}, "here, rate must be a finite number"),
        ({"name": "x", "rate": float("inf")}, "finite"),
        ({"name": "x", "rate": True}, "finite"),
        ({"name": "x", "kind": "c"}, "one of a, b"),
        ({"name": "x", "kind": []}, "one of a, b"),
        ({"name": "x", "on": 1}, "true or false"),
        ({"name": "x", "inner": 3}, "here, inner is a section"),
        ({"name": "x", "inner": {"sizes": [1.5]}}, "here, inner, sizes must be a whole number"),
        ({"name": "x", "draws": {"a": "twice"}}, "here, draws, a must be a finite number, found 'twice'"),
        ({"name": "x", "draws": {"a": 1, "b": True}}, "here, draws, b must be a finite number"),
        ({"name": "x", "parts": {"c": {"size": 3}}}, "here, parts, c: unknown keys size"),
        ({"name": "x", "more": "y" * 500}, r"a section, found 'y+\.\.\."),
    ],
)
def test_anything_else_is_a_sentence_that_says_where(raw: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        _build(**raw)


def test_nan_is_in_no_range() -> None:
    with pytest.raises(ModelError, match="between 0 and 1"):
        require_range(float("nan"), 0, 1, where="it", error=ModelError)
