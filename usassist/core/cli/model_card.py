"""Writes the card of a model: from its folder, finished evaluations, benchmarks and the runs that led to it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from usassist.core.errors import UsassistError
from usassist.core.evaluation.card import FIGURE_FILES, CardFacts, card_files
from usassist.core.evaluation.card_benchmarks import BenchmarkTable, read_benchmark
from usassist.core.evaluation.card_runs import Run, read_run
from usassist.core.evaluation.card_seen import read_learned
from usassist.core.evaluation.card_sources import CardReport, read_card_report, read_terms
from usassist.core.models.config import CARD_FILE, WEIGHTS_FILE
from usassist.core.models.familiarity import images_looked_at
from usassist.core.models.inventory import count_by_part, facts_of
from usassist.core.models.weights import ModelInfo, find_model
from usassist.core.project import atomic


def write_card(
    name: str,
    *,
    out: Path,
    reports: Sequence[Path] = (),
    benchmarks: Sequence[Path] = (),
    runs: Sequence[Path] = (),
    watts: float | None = None,
    notes: Path | None = None,
) -> Path:
    """Write CARD.md and its figures into `out` and return the card's path.

    `name` is a model's, or a folder with one. The time is that of `runs` and of the model's own folder, where that is
    a run; the data of the one that made it are compared with those of the reports. Raises UsassistError: for a model or
    a file that cannot be read, and for a report on other weights.
    """
    info = find_model(name)
    if info.config is None:
        raise UsassistError(f"The model {info.name!r} cannot be described: {info.problem}")
    weights = info.folder / WEIGHTS_FILE
    read = [_report(folder, info) for folder in reports]
    learned = read_learned(info.config, [info.folder, *runs])
    facts = CardFacts(
        config=info.config,
        model=facts_of(info),
        parts=count_by_part(weights),
        weights_bytes=weights.stat().st_size,
        terms=read_terms(),
        reports=read,
        shared={} if learned is None else {report.fingerprint: learned.shared_with(report) for report in read},
        ordinary=images_looked_at(info.folder),
        benchmarks=[_benchmark(path, info) for path in benchmarks],
        runs=_runs(runs, info.folder),
        watts=watts,
        notes="" if notes is None else _text(notes),
    )
    return _write(card_files(facts), out)


def _write(files: Mapping[str, str], out: Path) -> Path:
    atomic.make_folder(out, error=UsassistError)
    for stale in {*FIGURE_FILES} - files.keys():  # of an earlier card, which would pass for this one's
        atomic.remove(out / stale, error=UsassistError)
    for file in sorted(files, key=lambda file: file == CARD_FILE):  # the card last: what it shows is there then
        atomic.write_bytes(out / file, files[file].encode(), error=UsassistError)
    return out / CARD_FILE


def _report(folder: Path, info: ModelInfo) -> CardReport:
    report = read_card_report(folder)
    _require_own(report.weights_hash or "no weights", folder, info)
    return report


def _benchmark(path: Path, info: ModelInfo) -> BenchmarkTable:
    """Read a benchmark; one of an engine without weights is there to compare with."""
    benchmark = read_benchmark(path)
    _require_own(benchmark.weights_hash or info.weights_hash, path, info)
    return benchmark


def _require_own(weights: str, path: Path, info: ModelInfo) -> None:
    if weights != info.weights_hash:
        raise UsassistError(
            f"{path} is about other weights ({weights[:12]}) than the model {info.name!r} has "
            f"({info.weights_hash[:12]}): measure this model, or leave it out."
        )


def _runs(folders: Sequence[Path], own: Path) -> list[Run]:
    found = {}
    for folder in (*folders, own):
        run = read_run(folder)
        if run is not None:
            found[folder.resolve()] = run
        elif folder is not own:
            raise UsassistError(
                f"{folder} is no run of a training: it holds no metrics.jsonl. Leave out --run {folder}."
            )
    return list(found.values())


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsassistError(f"{path} cannot be read as text ({error}); expected Markdown in UTF-8.") from error
