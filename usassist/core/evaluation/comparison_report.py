"""The files of a comparison: comparison.json for programs, comparison.csv for tables, comparison.html for people."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import usassist
from usassist.core.errors import UsassistError
from usassist.core.evaluation.against import difference_document
from usassist.core.evaluation.comparison import ComparisonFacts, Row, SeedSpread
from usassist.core.evaluation.comparison_page import comparison_page
from usassist.core.project import atomic

COLUMNS = (
    "recipe", "setting", "data", "trainable", "parameters", "seeds", "n", "metric", "mean", "sd", "ci95_low",
    "ci95_high", "difference", "difference_low", "difference_high", "p", "hd95_px", "nsd_2px", "empty_correct",
    "lesion_found", "seconds_per_epoch", "seconds_per_image",
)  # fmt: skip


_NAME = "comparison"
_KINDS = ("html", "csv", "json")
_MOST_KEPT = 1000


def write_comparison(out: Path, rows: Sequence[Row], facts: ComparisonFacts) -> Path | None:
    """Write comparison.json, .csv and .html into a folder, which is made where it is missing; each in one step.

    An earlier comparison there that asked something else (`facts.asked`) is not lost: its files become comparison-1.*,
    or the next free number, or take the place of an older one of the same question. Returns its page, None where
    nothing was in the way. Raises UsassistError where the folder cannot be written.
    """
    document = json.dumps(comparison_document(rows, facts), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    files = (
        ("comparison.html", comparison_page(rows, facts)),
        ("comparison.csv", comparison_table(rows)),
        ("comparison.json", document),
    )
    atomic.make_folder(out, error=UsassistError)
    kept = _keep_earlier(out, json.loads(document)["asked"])
    for name, content in files:
        atomic.write_bytes(out / name, content.encode(), error=UsassistError)
    return kept


def _keep_earlier(out: Path, asked: Any) -> Path | None:
    """Rename the comparison that is there where it asked something else; returns its page's new path."""
    if not any((out / f"{_NAME}.{kind}").exists() for kind in _KINDS):
        return None
    earlier = _asked(out / f"{_NAME}.json")
    if earlier == asked:
        return None
    places = [f"{_NAME}-{number}" for number in range(1, _MOST_KEPT + 1)]
    taken = [name for name in places if any((out / f"{name}.{kind}").exists() for kind in _KINDS)]
    same = [name for name in taken if earlier is not None and _asked(out / f"{name}.json") == earlier]
    free = [name for name in places if name not in taken]
    if not (same or free):
        raise UsassistError(f"{out} holds {_MOST_KEPT} earlier comparisons; give another --out, or remove some.")
    name = (same or free)[0]
    try:
        for kind in _KINDS:
            if (out / f"{_NAME}.{kind}").exists():
                (out / f"{_NAME}.{kind}").replace(out / f"{name}.{kind}")
    except OSError as error:
        raise UsassistError(f"The earlier comparison in {out} cannot be renamed: {error.strerror}.") from error
    return out / f"{name}.html"


def _asked(path: Path) -> Any:
    """Return what the comparison in a file asked, None where that is not known."""
    try:
        return json.loads(path.read_text(encoding="utf-8")).get("asked")
    except (OSError, ValueError, AttributeError, RecursionError):
        return None


def comparison_document(rows: Sequence[Row], facts: ComparisonFacts) -> dict[str, Any]:
    """Return comparison.json as plain values."""
    return {
        "data": list(facts.data),
        "split": facts.split,
        "overrides": list(facts.overrides),
        "device": facts.device,
        "asked": dict(facts.asked),
        "usassist": usassist.__version__,
        "rows": [_row(row) for row in rows],
        "warnings": list(facts.warnings),
        "failed": [{"trial": name, "reason": reason} for name, reason in facts.failed],
    }


def comparison_table(rows: Sequence[Row]) -> str:
    """Return comparison.csv: one line for each row of the table, empty where a value is not known."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow(
            "" if cell is None else f"{cell:.6f}" if isinstance(cell, float) else cell for cell in _cells(row)
        )
    return out.getvalue()


def _cells(row: Row) -> list[str | int | float | None]:
    candidate, main, difference = row.candidate, row.spreads.get(row.main), row.difference
    low, high = main.ci95 if main and main.ci95 else (None, None)
    others = [row.spreads.get(name) for name in ("hd95_px", "nsd_2px", "empty_correct", "lesion_found")]
    return [
        candidate.recipe,
        candidate.setting.name,
        candidate.data,
        candidate.trainable,
        candidate.parameters,
        len(candidate.runs),
        main.n if main else None,
        row.main,
        main.mean if main else None,
        main.sd if main else None,
        low,
        high,
        *((difference.mean, *difference.ci95, difference.p) if difference else (None, None, None, None)),
        *(None if other is None else other.mean for other in others),
        row.seconds_per_epoch,
        row.seconds_per_image,
    ]


def _row(row: Row) -> dict[str, Any]:
    candidate, difference = row.candidate, row.difference
    return {
        "recipe": candidate.recipe,
        "setting": candidate.setting.name,
        "ratio": candidate.setting.ratio,
        "shots": candidate.setting.shots,
        "data": candidate.data,
        "seeds": [run.seed for run in candidate.runs],
        "trainable": candidate.trainable,
        "parameters": candidate.parameters,
        "metric": row.main,
        "data_fingerprint": candidate.runs[0].report.data_fingerprint,
        **{name: _spread(spread) for name, spread in row.spreads.items()},
        "difference_to_first": None if difference is None else difference_document(difference),
        "seconds_per_epoch": row.seconds_per_epoch,
        "seconds_per_image": row.seconds_per_image,
    }


def _spread(spread: SeedSpread) -> dict[str, Any]:
    return {
        "mean": spread.mean,
        "sd": spread.sd,
        "ci95": None if spread.ci95 is None else list(spread.ci95),
        "per_seed": list(spread.per_seed),
        "n": spread.n,
    }
