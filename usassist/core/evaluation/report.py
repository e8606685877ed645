"""The three files of an evaluation: report.json for programs, per_image.csv for tables, report.html for people."""

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

import usassist
from usassist.core.errors import UsassistError
from usassist.core.evaluation.charts import histogram
from usassist.core.evaluation.classification import Classification
from usassist.core.evaluation.protocol import ImageScore
from usassist.core.evaluation.run import Evaluation
from usassist.core.evaluation.summary import Spread
from usassist.core.project import atomic

COLUMNS = (
    "input",
    "frame",
    "class",
    "dice",
    "iou",
    "hd95_px",
    "assd_px",
    "nsd_2px",
    "hd95_mm",
    "score",
    "presence",
    "quality",
    "seconds",
    "empty_truth",
    "empty_pred",
)
_MOST_ROWS = 500
"""Lines in the page's table; a page with all of 10,000 would be slow to open, and the CSV has them."""

_TILES = (
    ("dice", "Dice, all images"),
    ("dice_lesion", "Dice, images with a lesion"),
    ("iou", "IoU"),
    ("precision", "Precision"),
    ("recall", "Recall"),
    ("nsd_2px", "NSD at 2 px"),
    ("hd95_px", "HD95 (px)"),
    ("assd_px", "ASSD (px)"),
    ("hd95_mm", "HD95 (mm)"),
)


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """What was run on what; None where it does not apply, for instance an engine without weights.

    `data` names the data and `split` the part of it. `data_fingerprint` replaces the one over the truth masks where the
    data has one of its own. `failed` lists the inputs that could not be evaluated as (input, reason).
    """

    model: str | None = None
    engine: str | None = None
    weights_hash: str | None = None
    prompt: str | None = None
    device: str | None = None
    data: str | None = None
    split: str | None = None
    data_fingerprint: str | None = None
    classification: Classification | None = None
    failed: tuple[tuple[str, str], ...] = ()


def write_report(out_dir: Path, evaluation: Evaluation, facts: ReportFacts) -> None:
    """Write report.json, per_image.csv and report.html into a folder, which is made where it is missing.

    Everything is prepared before the first file is replaced, and each is replaced in one step, report.json last: where
    it is new, the other two belong to it. Raises UsassistError where the folder cannot be written.
    """
    document = report_document(evaluation, facts)
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    files = (
        ("report.html", report_page(evaluation, facts)),
        ("per_image.csv", per_image_table(evaluation)),
        ("report.json", text),
    )
    atomic.make_folder(out_dir, error=UsassistError)
    for name, content in files:
        atomic.write_bytes(out_dir / name, content.encode(), error=UsassistError)


def report_document(evaluation: Evaluation, facts: ReportFacts) -> dict[str, Any]:
    """Return report.json as plain values; the names are a contract with other people's scripts."""
    summary = evaluation.summary
    confidence = summary.confidence
    return {
        "n": summary.n,
        "n_empty_truth": summary.n_empty_truth,
        "n_degenerate": summary.n_degenerate,
        "dice": _spread(summary.dice),
        "dice_lesion": _spread(summary.dice_lesion),
        "iou": _spread(summary.iou),
        "precision": _spread(summary.precision),
        "recall": _spread(summary.recall),
        "hd95_px": _spread(summary.hd95_px),
        "assd_px": _spread(summary.assd_px),
        "nsd_2px": _spread(summary.nsd_2px),
        "hd95_mm": None if summary.hd95_mm is None else _spread(summary.hd95_mm),
        "empty_correct": summary.empty_correct,
        "lesion_found": summary.lesion_found,
        "model": facts.model,
        "engine": facts.engine,
        "weights_hash": facts.weights_hash,
        "prompt": facts.prompt,
        "data_fingerprint": facts.data_fingerprint or evaluation.data_fingerprint,
        "seconds_per_image": {"median": summary.seconds_median, "p95": summary.seconds_p95},
        "classification": None if facts.classification is None else _classification(facts.classification),
        "by_class": {
            part.name: {"n": part.n, "dice": _spread(part.dice), "iou": _spread(part.iou)} for part in summary.by_class
        },
        "calibration": {
            "presence_auc": confidence.presence_auc,
            "presence_ece": confidence.presence_ece,
            "quality_error": confidence.quality_error,
            "score_rank": confidence.score_rank,
            "pixel_ece": None if evaluation.pixels is None else evaluation.pixels.ece,
        },
        "data": facts.data,
        "split": facts.split,
        "device": facts.device,
        "usassist": usassist.__version__,
        "failed": [{"input": name, "reason": reason} for name, reason in facts.failed],
    }


def per_image_table(evaluation: Evaluation) -> str:
    """Return per_image.csv: one line for each image in the order evaluated, empty where a value is not known.

    `empty_truth` and `empty_pred` are 0 or 1; other numbers have six decimals.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_line(score) for score in evaluation.scores)
    return out.getvalue()


def report_page(evaluation: Evaluation, facts: ReportFacts) -> str:
    """Return report.html: one file with its own style, figures and pictures, which needs no network and no script."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=_number, percent=_percent)
    summary = evaluation.summary
    ordered = sorted(evaluation.scores, key=lambda score: (score.dice, -score.hd95_px))
    lesions = [score.dice for score in evaluation.scores if not score.empty_truth]
    ranks = {rank: [case for case in evaluation.shown if case.rank == rank] for rank in ("worst", "median", "best")}
    return environment.get_template("report.html.j2").render(
        facts=facts,
        summary=summary,
        evaluation=evaluation,
        fingerprint=facts.data_fingerprint or evaluation.data_fingerprint,
        tiles=[(caption, spread) for name, caption in _TILES if (spread := getattr(summary, name)) and spread.n],
        histogram=histogram(lesions, caption="Dice, images with a lesion (dashed: median)") if lesions else None,
        ranks=ranks,
        missed=[s for s in ordered if s.empty_pred and not s.empty_truth],
        invented=[s for s in ordered if s.empty_truth and not s.empty_pred],
        rows=ordered[:_MOST_ROWS],
        version=usassist.__version__,
    )


def _spread(spread: Spread) -> dict[str, Any]:
    ci95 = None if spread.ci95 is None else list(spread.ci95)
    return {"mean": spread.mean, "std": spread.std, "ci95": ci95, "median": spread.median, "n": spread.n}


def _classification(found: Classification) -> dict[str, Any]:
    return {
        "auc": found.auc,
        "ci95": None if found.ci95 is None else list(found.ci95),
        "accuracy": found.accuracy,
        "f1": found.f1,
        "n": dict(found.n),
    }


def _line(score: ImageScore) -> tuple[str, ...]:
    measured = (score.dice, score.iou, score.hd95_px, score.assd_px, score.nsd_2px, score.hd95_mm)
    engine = (score.score, score.presence, score.quality, score.seconds)
    numbers = ["" if value is None else f"{value:.6f}" for value in (*measured, *engine)]
    empty = (str(int(score.empty_truth)), str(int(score.empty_pred)))
    return (score.input, str(score.frame), score.class_name, *numbers, *empty)


def _number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"
