"""An evaluation as it lies in its folder: read back to be compared with another one."""

import csv
import hashlib
import io
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from usassist.core.errors import UsassistError
from usassist.core.metrics.overlap import LESION_FOUND_IOU

_MOST_BYTES = 256 * 2**20
"""More than the lines of a million images: such a file is no report."""

Metric = Literal["dice", "dice_lesion", "iou", "hd95_px", "assd_px", "nsd_2px", "empty_correct", "lesion_found"]
"""What is known of each image; `dice_lesion` and `lesion_found` where it shows one, `empty_correct` where not."""

Image = tuple[str, int]
"""Which image: its input and frame."""

Key = tuple[str, int, str]
"""Which line: its input, frame and class; a model that tells objects apart has a line for each object."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of per_image.csv, as far as models are compared by it; units and ranges as in `ImageScore`."""

    input: str
    frame: int
    class_name: str
    dice: float
    iou: float
    hd95_px: float
    assd_px: float
    nsd_2px: float
    empty_truth: bool
    empty_pred: bool

    @property
    def key(self) -> Key:
        """Return which line this is."""
        return self.input, self.frame, self.class_name

    def value(self, metric: Metric) -> float | None:
        """Return a metric of this image, shares as 0 or 1; None where it is not defined for such an image."""
        if metric == "empty_correct":
            return float(self.empty_pred) if self.empty_truth else None
        if metric in ("dice_lesion", "lesion_found") and self.empty_truth:
            return None
        if metric == "lesion_found":
            return float(self.iou > LESION_FOUND_IOU)
        return float(getattr(self, "dice" if metric == "dice_lesion" else metric))


@dataclass(frozen=True, slots=True)
class ClassLine:
    """One image whose class was named: the true class, and a probability for each of the report's classes."""

    input: str
    frame: int
    class_name: str
    probabilities: tuple[float, ...]

    @property
    def key(self) -> Key:
        """Return which line this is."""
        return self.input, self.frame, self.class_name


@dataclass(frozen=True, slots=True)
class StoredReport:
    """report.json and per_image.csv of one folder; `seconds` is the median for an image, None where none was measured.

    `lines` are the images whose masks were compared, `named` those of a known class whose class was named, with a
    probability for each of `classes`.
    """

    folder: Path
    model: str | None
    weights_hash: str | None
    data_fingerprint: str
    lines: tuple[Line, ...]
    seconds: float | None
    classes: tuple[str, ...] = ()
    named: tuple[ClassLine, ...] = ()

    def values(self, metric: Metric) -> dict[Key, float]:
        """Return a metric for each line for which it is defined."""
        pairs = ((line.key, line.value(metric)) for line in self.lines)
        return {key: value for key, value in pairs if value is not None}


def read_report(folder: Path) -> StoredReport:
    """Read what `usassist evaluate` wrote into a folder. Raises UsassistError where it holds no such report."""
    try:
        return as_stored(json.loads(text_of(folder / "report.json")), text_of(folder / "per_image.csv"), folder=folder)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, csv.Error) as error:
        raise UsassistError(
            f"{folder} holds no report that can be read ({type(error).__name__}: {error}); evaluate again."
        ) from error


def as_stored(document: Mapping[str, Any], table: str, *, folder: Path) -> StoredReport:
    """Return a report from the values of report.json and the text of per_image.csv.

    Raises what values of another kind raise: ValueError, TypeError, LookupError, AttributeError, csv.Error.
    """
    rows = list(csv.DictReader(io.StringIO(table)))
    classes = tuple(str(name) for name in (document.get("class_judge") or {}).get("classes", ()))
    return StoredReport(
        folder=folder,
        model=_named(document, "model"),
        weights_hash=_named(document, "weights_hash"),
        data_fingerprint=str(document["data_fingerprint"]),
        lines=tuple(_line(row) for row in rows if row["dice"]),
        seconds=_number(document["seconds_per_image"], "median"),
        classes=classes,
        named=tuple(_class_line(row, classes) for row in rows if row["class"] in classes and row["predicted"]),
    )


def pooled(parts: Sequence[StoredReport]) -> StoredReport:
    """Return reports on parts of one dataset, such as the folds of a cross-validation, as one report on all of it.

    Raises UsassistError where two of them are about the same image.
    """
    lines = tuple(line for part in parts for line in part.lines)
    named = tuple(line for part in parts for line in part.named)
    for several in ([line.key for line in lines], [line.key for line in named]):
        if len(set(several)) < len(several):
            raise UsassistError(
                f"{parts[0].folder} and other parts are about the same images; evaluate each image once."
            )
    marks = "".join(sorted(part.data_fingerprint for part in parts))
    seconds = [part.seconds for part in parts if part.seconds is not None]
    return replace(
        parts[0],
        weights_hash=None,
        data_fingerprint=hashlib.sha256(marks.encode()).hexdigest(),
        lines=lines,
        named=named,
        seconds=statistics.median(seconds) if seconds else None,
    )


def text_of(path: Path) -> str:
    """Return the text of a report's file. Raises UsassistError where it cannot be read or is too large to be one."""
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise UsassistError(
            f"{path} cannot be read ({error.strerror}); expected the report of an evaluation."
        ) from error
    if len(data) > _MOST_BYTES:
        raise UsassistError(f"{path} has more than {_MOST_BYTES} bytes; it is no report of an evaluation.")
    return data.decode("utf-8")


def _line(row: Mapping[str, str]) -> Line:
    numbers = {name: float(row[name]) for name in ("dice", "iou", "hd95_px", "assd_px", "nsd_2px")}
    if not all(math.isfinite(number) for number in numbers.values()):
        raise ValueError(f"{row['input']} has a value that is not finite")
    return Line(
        input=row["input"],
        frame=int(row["frame"]),
        class_name=row["class"],
        empty_truth=row["empty_truth"] == "1",
        empty_pred=row["empty_pred"] == "1",
        **numbers,
    )


def _class_line(row: Mapping[str, str], classes: Sequence[str]) -> ClassLine:
    probabilities = tuple(float(row[f"p_{name}"]) for name in classes)
    if not all(0.0 <= p <= 1.0 for p in probabilities):
        raise ValueError(f"{row['input']} has a probability that is none")
    return ClassLine(row["input"], int(row["frame"]), row["class"], probabilities)


def _named(document: Mapping[str, Any], name: str) -> str | None:
    return None if document.get(name) is None else str(document[name])


def _number(document: Mapping[str, Any], name: str) -> float | None:
    value = document.get(name)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
