"""`usassist info INPUT`: what files hold, as they declare it, without a model."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from usassist.core.cli.inputs import Failure, Input, find_inputs
from usassist.core.cli.output import count, print_json, print_table, progress, report_failures, status
from usassist.core.domain import ScanRegion, Study
from usassist.core.errors import UsassistError

_HEADER = ("file", "frames", "columns x rows", "format", "spacing (row x col)", "frame time", "made by")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare INPUT and --json."""
    parser.add_argument("input", metavar="INPUT", type=Path, help="a file, a folder (in depth) or a project")
    parser.add_argument("--json", action="store_true", help="print one JSON document on stdout")


@dataclass(frozen=True, slots=True)
class _Row:
    """One file as it is reported; `spacing_mm` is (row, col) outside regions, None where unknown."""

    study: Study
    spacing_mm: tuple[float, float] | None


def run(arguments: argparse.Namespace) -> int:
    """Print what each file of INPUT holds; a file that cannot be read is listed with its reason."""
    inputs, failed = find_inputs([arguments.input])
    rows: list[_Row] = []
    with progress("reading", total=len(inputs), unit="file", quiet=arguments.quiet > 0) as bar:
        for item in inputs:
            try:
                rows.append(_read(item))
            except UsassistError as error:
                failed.append((item.source.relative, str(error)))
            bar.update()
    if arguments.json:
        print_json(_document(arguments.input, rows, failed))
    elif rows:
        print_table([_cells(row) for row in rows], header=_HEADER)
        frames = sum(len(row.study.frames) for row in rows)
        print(f"{count(len(rows), 'file')}, {count(frames, 'frame')}")
    report_failures(failed)
    return status(done=len(rows), failed=len(failed))


def _read(item: Input) -> _Row:
    from usassist.core.io.open_study import open_source

    reader = open_source(item.source)
    try:
        # The first frame is decoded too: a header may be whole where the pixels behind it are cut short.
        return _Row(reader.study, reader.frame(0).spacing_mm)
    finally:
        reader.close()


def _document(given: Path, rows: list[_Row], failed: list[Failure]) -> dict[str, Any]:
    return {
        "input": str(given),
        "files": len(rows),
        "frames": sum(len(row.study.frames) for row in rows),
        "items": [_facts(row) for row in rows],
        "failed": [{"input": name, "reason": reason} for name, reason in failed],
    }


def _facts(row: _Row) -> dict[str, Any]:
    study, facts = row.study, row.study.facts
    return {
        "input": study.source.relative,
        "key": study.key,
        "bytes": study.source.size,
        "frames": len(study.frames),
        "rows": study.rows,
        "columns": study.columns,
        "format": facts.format,
        "modality": facts.modality,
        "photometric": facts.photometric,
        "transfer_syntax": facts.transfer_syntax,
        "bits_stored": facts.bits_stored,
        "manufacturer": facts.manufacturer,
        "model": facts.model,
        "frame_time_ms": facts.frame_time_ms,
        "spacing_mm": row.spacing_mm,
        "regions": [_region(region) for region in study.regions],
    }


def _region(region: ScanRegion) -> dict[str, Any]:
    return {
        "kind": region.kind,
        "top": region.box.top,
        "left": region.box.left,
        "bottom": region.box.bottom,
        "right": region.box.right,
        "spacing_mm": region.spacing_mm,
        "units": region.units,
        "detected": region.detected,
    }


def _cells(row: _Row) -> tuple[str, ...]:
    study, facts = row.study, row.study.facts
    time = f"{facts.frame_time_ms:.1f} ms" if facts.frame_time_ms else ""
    maker = " ".join(part for part in (facts.manufacturer, facts.model) if part)
    spacing = _spacing_text(row)
    size = f"{study.columns} x {study.rows}"
    return study.source.relative, str(len(study.frames)), size, facts.format, spacing, time, maker


def _spacing_text(row: _Row) -> str:
    known = [row.spacing_mm, *(region.spacing_mm for region in row.study.regions)]
    texts = dict.fromkeys(f"{pair[0]:.4g} x {pair[1]:.4g} mm" for pair in known if pair)
    return ", ".join(texts) or "unknown"
