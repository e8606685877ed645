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


def write_comparison(out: Path, rows: Sequence[Row], facts: ComparisonFacts) -> None:
    """Write comparison.json, .csv and .html into a folder, which is made where it is missing; each in one step.

    Raises UsassistError where the folder cannot be written.
    """
    document = json.dumps(comparison_document(rows, facts), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    files = (
        ("comparison.html", comparison_page(rows, facts)),
        ("comparison.csv", comparison_table(rows)),
        ("comparison.json", document),
    )
    atomic.make_folder(out, error=UsassistError)
    for name, content in files:
        atomic.write_bytes(out / name, content.encode(), error=UsassistError)


def comparison_document(rows: Sequence[Row], facts: ComparisonFacts) -> dict[str, Any]:
    """Return comparison.json as plain values."""
    return {
        "data": list(facts.data),
        "split": facts.split,
        "overrides": list(facts.overrides),
        "device": facts.device,
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
