"""JSONL and CSV tables of captions, row by row with line numbers; a broken line is a row with a fault, never a stop."""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from usassist.core.errors import TrainingError

MOST_BYTES = 2**30
_LONGEST_LINE = 2**20
_COLUMNS = {"image": ("image", "filename", "file"), "caption": ("caption",), "refined": ("refined",)}
_IN_JSON = _COLUMNS | {"image_folder": ("image_folder",)}
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the number of its first line from 1, what it holds under `image`, `caption`, `refined`, or its fault.

    A line of JSON may also hold `image_folder`, the folder that its image is in.
    """

    line: int
    values: Mapping[str, str]
    fault: str = ""


@dataclass(slots=True)
class Table:
    """An opened table. `rows` can be walked once; `columns` are those of image, caption, refined that it can have."""

    columns: frozenset[str]
    rows: Iterator[Row] = field(repr=False)


def is_table(path: Path) -> bool:
    """Return whether a file is read as CSV, by its suffix; everything else is JSONL."""
    return path.suffix.lower() in {".csv", ".tsv"}


def open_table(path: Path, file: BinaryIO) -> Table:
    """Read an open file row by row: CSV (comma, semicolon or tab) with a header, or one JSON object a line.

    The names of columns may be in any case; `filename` and `file` mean image. A row's line is cut at 1 MiB. Raises
    TrainingError for a file of more than 1 GiB, in UTF-16, or a CSV without the columns image and caption.
    """
    file.seek(0, 2)
    if file.tell() > MOST_BYTES:
        raise TrainingError(f"{path} has more than {MOST_BYTES >> 30} GiB; it is no list of captions. Split it.")
    file.seek(0)
    start = file.read(3)
    if start[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        raise TrainingError(f"{path} is a text in UTF-16, expected UTF-8; save it again as UTF-8.")
    file.seek(3 if start == _BOM else 0)
    if is_table(path):
        return _open_csv(path, file)
    return Table(frozenset(_COLUMNS), _json_rows(file))


@dataclass(slots=True)
class _Lines:
    """The lines of a file as texts of at most 1 MiB; what was wrong with a line is kept by its number."""

    file: BinaryIO
    number: int = 0
    faults: dict[int, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[str]:
        while data := self.file.readline(_LONGEST_LINE):
            self.number += 1
            if len(data) == _LONGEST_LINE and not data.endswith(b"\n"):
                self.faults[self.number] = "the line is longer than 1 MiB"
                while (rest := self.file.readline(_LONGEST_LINE)) and not rest.endswith(b"\n"):
                    pass
                data = b"\n"
            try:
                yield data.decode("utf-8")
            except UnicodeDecodeError:
                self.faults[self.number] = "the line is not UTF-8; save the file again as UTF-8"
                yield data.decode("utf-8", "replace")

    def fault(self, first: int) -> str:
        """Return what was wrong with the lines from `first` to the last one read, and forget it."""
        found = [self.faults.pop(number) for number in range(first, self.number + 1) if number in self.faults]
        return found[0] if found else ""


def _json_rows(file: BinaryIO) -> Iterator[Row]:
    lines = _Lines(file)
    for text in lines:
        fault = lines.fault(lines.number)
        if fault:
            yield Row(lines.number, {}, fault)
        elif text.strip():
            yield _json_row(lines.number, text)


def _json_row(number: int, text: str) -> Row:
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:  # broken, a number of 5000 digits, a thousand brackets
        return Row(number, {}, f"not valid JSON: {error}")
    if not isinstance(raw, dict):
        return Row(number, {}, "not a JSON object with the keys image, caption and refined")
    values = _by_column(raw)
    for name, value in values.items():
        if not isinstance(value, str):
            return Row(number, {}, f"{name} is not a text")
    return Row(number, values)


def _by_column(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the values by our names; null counts as absent. A key as we write it wins over one in another case."""
    lower = {key.strip().lower(): value for key, value in raw.items()} | raw
    found = {
        name: next((lower[key] for key in keys if lower.get(key) is not None), None) for name, keys in _IN_JSON.items()
    }
    return {name: value for name, value in found.items() if value is not None}


def _open_csv(path: Path, file: BinaryIO) -> Table:
    lines = _Lines(file)
    texts = iter(lines)
    header = next(texts, "")
    names, delimiter = _header(header)
    missing = [name for name in ("image", "caption") if name not in names]
    if missing:
        raise TrainingError(
            f"{path}: expected a header with the columns filename and Caption, found {header.strip()[:200]!r}."
        )
    # strict: a quote that is never closed must be an error, not a caption of a hundred rows.
    reader = csv.reader(texts, delimiter=delimiter, strict=True)
    return Table(frozenset(name for name in names if name), _csv_rows(reader, lines, names))


def _header(text: str) -> tuple[list[str], str]:
    """Return for each column what it means to us ("" for nothing), and the delimiter."""
    meanings = {key: name for name, keys in _COLUMNS.items() for key in keys}
    best: tuple[list[str], str] = ([], ",")
    for delimiter in (",", ";", "\t"):
        try:
            cells = next(csv.reader([text], delimiter=delimiter), [])
        except csv.Error:
            continue
        names = [meanings.get(cell.strip().lower(), "") for cell in cells]
        names = [name if name not in names[:index] else "" for index, name in enumerate(names)]
        if sum(map(bool, names)) > sum(map(bool, best[0])):
            best = (names, delimiter)
    return best


def _csv_rows(reader: Any, lines: _Lines, names: list[str]) -> Iterator[Row]:
    while True:
        first = lines.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            lines.fault(first)
            yield Row(first, {}, _csv_fault(str(error), first, lines.number))
            continue
        fault = lines.fault(first)
        if fault:
            yield Row(first, {}, fault)
        elif len(cells) > len(names):
            yield Row(first, {}, f"{len(cells)} cells where the header has {len(names)}; put quotes around the caption")
        elif any(cell.strip() for cell in cells):
            yield Row(first, {name: cell for name, cell in zip(names, cells, strict=False) if name})


def _csv_fault(error: str, first: int, last: int) -> str:
    through = f", read up to line {last}" if last > first else ""
    return f"not valid CSV ({error}{through}); check its quotes"
