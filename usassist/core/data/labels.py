"""`labels.csv` of a dataset folder: what is known about each file, checked."""

import logging
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import get_args

from usassist.core.data.splits import Split, joined
from usassist.core.data.tables import read_table, require_columns
from usassist.core.errors import TrainingError

logger = logging.getLogger(__name__)
SPLITS: tuple[Split, ...] = get_args(Split)
_YES = frozenset({"1", "true", "yes"})


@dataclass(frozen=True, slots=True)
class Row:
    """What labels.csv says about one file: "" and None where it is silent.

    `group` is "" or a name shared by the files of one patient and by near-duplicates, `patient` the patient alone;
    `spacing_mm` is (row, col). `label_conflict`: a near-duplicate carries another class.
    """

    class_name: str = ""
    split: Split | None = None
    caption: str = ""
    group: str = ""
    spacing_mm: tuple[float, float] | None = None
    patient: str = ""
    label_conflict: bool = False


def read_labels(path: Path) -> dict[str, Row]:
    """Return the rows by their column `file`, a posix path or name; no file, no rows. Raises TrainingError."""
    if not path.is_file():
        return {}
    raw = _read(path)
    twice = [name for name, count in Counter(raw_row["file"] for raw_row in raw).items() if count > 1]
    if twice:
        raise TrainingError(f"{path} names {len(twice)} files more than once, for instance {twice[0]}; keep one row.")
    groups = _groups(raw)
    return {
        row["file"]: Row(
            class_name=row.get("class", ""),
            split=_split(row, path),
            caption=row.get("caption", ""),
            group=group,
            spacing_mm=_spacing(row, path),
            patient=row.get("patient", ""),
            label_conflict=row.get("label_conflict", "").lower() in _YES,
        )
        for row, group in zip(raw, groups, strict=True)
    }


def other_columns(path: Path) -> tuple[str, ...]:
    """Return the columns of a labels.csv without a column `class`; () for one that has it, and for no file."""
    columns = read_table(path)[0] if path.is_file() else ("class",)
    return () if "class" in columns else columns


def match_rows(rows: Mapping[str, Row], relatives: Sequence[str], *, where: Path) -> dict[str, Row]:
    """Return the row of each image by its relative path, found by that path or by the name if only one image has it.

    Raises TrainingError where no row is about any image; rows about none of them are counted in a warning.
    """
    names = Counter(PurePosixPath(relative).name for relative in relatives)
    matched: dict[str, Row] = {}
    used: set[str] = set()
    for relative in relatives:
        name = PurePosixPath(relative).name
        key = relative if relative in rows or names[name] > 1 else name
        if key in rows:
            matched[relative] = rows[key]
            used.add(key)
    left = [key for key in rows if key not in used]
    if left and not used and relatives:
        raise TrainingError(
            f"{where}: no row is about an image; its files are called like {left[0]}, the images like {relatives[0]}."
        )
    if left:
        logger.warning("%s: %d rows are about no image, for instance %s.", where, len(left), left[0])
    return matched


def _read(path: Path) -> list[dict[str, str]]:
    columns, rows = read_table(path)
    require_columns(path, columns, ["file"])
    cells = [row.cells for row in rows]
    return [row | {"file": row["file"].replace("\\", "/")} for row in cells if row["file"]]


def _split(row: Mapping[str, str], path: Path) -> Split | None:
    given = row.get("split", "").lower()
    if not given:
        return None
    # A row whose split is misread as "none" would be trained on, test images too.
    found = next((split for split in SPLITS if split == given), None)
    if found is None:
        raise TrainingError(
            f"{path}: the split of {row['file']} is {row['split']!r}; expected {', '.join(SPLITS)} or nothing."
        )
    return found


def _spacing(row: Mapping[str, str], path: Path) -> tuple[float, float] | None:
    texts = row.get("spacing_row_mm", ""), row.get("spacing_col_mm", "")
    if not all(texts):
        return None
    try:
        spacing = float(texts[0]), float(texts[1])
    except ValueError:
        spacing = (math.nan, math.nan)
    if not all(math.isfinite(value) and value > 0 for value in spacing):
        raise TrainingError(
            f"{path}: the spacing of {row['file']} is {' x '.join(texts)}; expected millimetres a pixel, or nothing."
        )
    return spacing


def _groups(rows: Iterable[Mapping[str, str]]) -> list[str]:
    """Return each row's group: files of one patient and near-duplicates end in one, also through others."""
    keys = [
        [*([f"patient {row['patient']}"] if row.get("patient") else []), *filter(None, [row.get("dup_group")])]
        for row in rows
    ]
    return joined(keys)
