"""The tables of benchmarks that a model card shows, read from their JSON files."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from usassist.core.errors import UsassistError
from usassist.core.evaluation.stored import text_of

_CLICKS_HEADER = ("from", "images", "clicks, mean (95 % CI)", "median", "within 8 (95 % CI)", "never reached")


@dataclass(frozen=True, slots=True)
class BenchmarkTable:
    """The table of a benchmark's JSON file; `weights_hash` where it says of which weights it is."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    weights_hash: str | None = None


def read_benchmark(path: Path) -> BenchmarkTable:
    """Read the table of a benchmark's JSON file (`title`, `header`, `rows`), of clicks what a person wants to know.

    Raises UsassistError for another file.
    """
    try:
        return _benchmark(json.loads(text_of(path)))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UsassistError(
            f"{path} is no benchmark's table ({type(error).__name__}: {error}); expected JSON with title, header, rows."
        ) from error


def _benchmark(raw: Mapping[str, Any]) -> BenchmarkTable:
    weights = None if raw.get("weights_hash") is None else str(raw["weights_hash"])
    if raw.get("benchmark") == "clicks":
        prompt = "" if raw.get("prompt") is None else f', "{raw["prompt"]}"'
        rows = tuple(_clicks_row(str(start), found) for start, found in raw["starts"].items())
        return BenchmarkTable(f"{raw['title']}{prompt}", _CLICKS_HEADER, rows, weights)
    header = tuple(str(cell) for cell in _list(raw["header"]))
    rows = tuple(tuple(_said(cell) for cell in _list(row)) for row in _list(raw["rows"]))
    if not header or any(len(row) != len(header) for row in rows):
        raise ValueError("a row is longer or shorter than the header")
    return BenchmarkTable(str(raw["title"]), header, rows, weights)


def _clicks_row(start: str, found: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        *(start, str(int(found["n"])), _interval(found["clicks"]), f"{float(found['clicks_median']['median']):g}"),
        *(_interval(found["within"]["8"]), str(len(_list(found["failures"])))),
    )


def _interval(estimate: Mapping[str, Any]) -> str:
    low, high = estimate["ci95"]
    return f"{float(estimate['mean']):.2f} ({float(low):.2f} to {float(high):.2f})"


def _list(raw: Any) -> list[Any]:
    if not isinstance(raw, list):
        raise TypeError(f"{raw!r} is no list")
    return raw


def _said(cell: object) -> str:
    return f"{cell:.2f}" if isinstance(cell, float) else str(cell)
