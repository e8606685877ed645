"""Text tables beside images: read whole, bounded, and never allowed to name a file elsewhere."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from usassist.core.errors import TrainingError

_MOST_BYTES = 256 * 2**20
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row: the line it ends on, from 1, and its cells without blanks around them, "" where it has none."""

    line: int
    cells: dict[str, str]


def read_table(path: Path) -> tuple[tuple[str, ...], list[TableRow]]:
    """Return the columns and rows of a CSV file with a header, in UTF-8. Raises TrainingError."""
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
    try:
        columns = tuple(str(name).strip() for name in reader.fieldnames or ())
        reader.fieldnames = columns
        rows = [
            TableRow(reader.line_num, {key: (value or "").strip() for key, value in row.items() if key is not None})
            for row in reader
        ]
    except csv.Error as error:
        raise _no_table(path, error) from error
    return columns, rows


def read_pairs(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield (line from 1, first cell, second cell) of a CSV file without a header, blank lines left out."""
    reader = csv.reader(io.StringIO(read_text(path), newline=""))
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                first, second, *_ = [*(cell.strip() for cell in cells), "", ""]
                yield reader.line_num, first, second
    except csv.Error as error:
        raise _no_table(path, error) from error


def read_text(path: Path) -> str:
    """Return a text file in UTF-8, with or without its mark. Raises TrainingError."""
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise TrainingError(f"{path} cannot be read: {error.strerror}.") from error
    if len(data) > _MOST_BYTES:
        raise TrainingError(f"{path} has more than {_MOST_BYTES:,} bytes, which no table of images has.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _no_table(path, error) from error


def relative_name(text: str, *, where: str) -> str:
    """Return a file's name, or its posix path below a folder, as a table gives it.

    Raises TrainingError for a path that begins elsewhere or climbs out: a table from others may not choose what is
    read from this machine.
    """
    name = text.replace("\\", "/")
    parts = name.split("/")
    kept = "/".join(part for part in parts if part != ".")
    if not kept or name.startswith("/") or _DRIVE.match(name) or {"..", ""} & {*parts} or "\0" in name:
        raise TrainingError(f"{where} names the file {text!r}; expected a name inside the dataset's own folder.")
    return kept


def require_columns(path: Path, columns: Sequence[str], needed: Sequence[str]) -> None:
    """Raise TrainingError unless all `needed` columns are there."""
    missing = [name for name in needed if name not in columns]
    if missing:
        found = ", ".join(columns) or "nothing"
        raise TrainingError(f"{path}: expected a column '{missing[0]}', found {found}.")


def _no_table(path: Path, error: Exception) -> TrainingError:
    return TrainingError(f"{path} is not a CSV table in UTF-8 ({error}); save it again as CSV UTF-8.")
