"""The tables of benchmarks that a model card shows, read from their JSON files."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from usassist.core.errors import UsassistError
from usassist.core.evaluation.stored import text_of

_STARTS = {"proposal": "its own proposal", "blank": "an empty mask", "box": "its answer to a box around the object"}
_YES_OR_NO = {"ok": "yes", "MISSED": "no"}
_NOTES = {
    "speed": (
        "In ms, s and MiB as each row says. p95: 95 % of them took at most so long. Processor: the time of all threads "
        "together. Plain: the same model without what makes it fast here, measured in turns with it; ratio: to plain."
    ),
    "batch": (
        "Processor: the time of all threads together. One by one: each file is read, asked about and written before "
        "the next one; this is what batches are compared with, the target is not about it."
    ),
}


@dataclass(frozen=True, slots=True)
class BenchmarkTable:
    """The table of a benchmark's JSON file; `weights_hash` where it says of which weights it is.

    `note` says below it what a stranger cannot know.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    weights_hash: str | None = None
    note: str = ""


def notes_once(tables: Sequence[BenchmarkTable]) -> list[str]:
    """Return the note that stands below each table: below the last of those that share it."""
    last = {table.note: place for place, table in enumerate(tables)}
    return [table.note if last[table.note] == place else "" for place, table in enumerate(tables)]


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
        return BenchmarkTable(f"{raw['title']}{prompt}", _clicks_header(raw), rows, weights, _clicks_note(raw))
    header = tuple(str(cell) or "target met" for cell in _list(raw["header"]))
    rows = tuple(tuple(_said(cell) for cell in _list(row)) for row in _list(raw["rows"]))
    if not header or any(len(row) != len(header) for row in rows):
        raise ValueError("a row is longer or shorter than the header")
    return BenchmarkTable(str(raw["title"]), header, rows, weights, _NOTES.get(str(raw.get("benchmark")), ""))


def _clicks_header(raw: Mapping[str, Any]) -> tuple[str, ...]:
    within = "reached within 8 clicks: share (95 % CI)"
    beyond = f"images not reached within {int(raw['cap'])}"
    return ("starting from", "images", "clicks, mean (95 % CI)", "clicks, median", within, beyond)


def _clicks_note(raw: Mapping[str, Any]) -> str:
    return (
        f"How many clicks until the mask has a Dice of {float(raw['target']):g}. Each click of a simulated person lies "
        f"in the middle of the largest mistake that is left; a proposal and a box count no click. After "
        f"{int(raw['cap'])} clicks it ends, and the image counts {int(raw['cap'])}."
    )


def _clicks_row(start: str, found: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        *(
            _STARTS.get(start, start),
            str(int(found["n"])),
            _interval(found["clicks"]),
            f"{float(found['clicks_median']['median']):g}",
        ),
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
    return f"{cell:.2f}" if isinstance(cell, float) else _YES_OR_NO.get(str(cell), str(cell))
