"""The three files of an evaluation: report.json for programs, per_image.csv for tables, report.html for people."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import usassist
from usassist.core.errors import UsassistError
from usassist.core.evaluation.against import against_document
from usassist.core.evaluation.class_report import (
    cases_by_image,
    class_cells,
    class_columns,
    classification_document,
    judge_document,
    retrieval_document,
    similarities_table,
)
from usassist.core.evaluation.classification import ClassFacts, ClassScores
from usassist.core.evaluation.facts import ReportFacts
from usassist.core.evaluation.gallery import Shown
from usassist.core.evaluation.protocol import ImageScore
from usassist.core.evaluation.report_page import report_page
from usassist.core.evaluation.run import Evaluation
from usassist.core.evaluation.summary import Spread
from usassist.core.project import atomic

__all__ = ["COLUMNS", "ReportFacts", "per_image_table", "report_document", "report_page", "write_report"]

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
    "assd_mm",
    "nsd_1mm",
    "strangeness",
)


def write_report(out_dir: Path, evaluation: Evaluation, facts: ReportFacts) -> None:
    """Write report.json, per_image.csv and report.html into a folder, which is made where it is missing.

    With classes by prompts also similarities.csv; without, that of an earlier report in the folder is removed.

    Everything is prepared before the first file is replaced, and each is replaced in one step, report.json last: where
    it is new, the other two belong to it. Raises UsassistError where the folder cannot be written.
    """
    document = report_document(evaluation, facts)
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    prompts = None if facts.classes is None else similarities_table(facts.classes)
    files = (
        ("report.html", report_page(evaluation, facts)),
        ("per_image.csv", per_image_table(evaluation, facts.classes)),
        *([("similarities.csv", prompts)] if prompts is not None else []),
        ("report.json", text),
    )
    atomic.make_folder(out_dir, error=UsassistError)
    if prompts is None and (out_dir / "report.html").is_file():  # else it would pass for this report's
        atomic.remove(out_dir / "similarities.csv", error=UsassistError)
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
        "hd95_mm": _known(summary.hd95_mm),
        "empty_correct": summary.empty_correct,
        "lesion_found": summary.lesion_found,
        "model": facts.model,
        "engine": facts.engine,
        "weights_hash": facts.weights_hash,
        "prompt": facts.prompt,
        "data_fingerprint": facts.data_fingerprint or evaluation.data_fingerprint,
        "seconds_per_image": {"median": summary.seconds_median, "p95": summary.seconds_p95},
        "classification": None if facts.classification is None else classification_document(facts.classification),
        "class_judge": None if facts.classes is None else judge_document(facts.classes),
        "retrieval": None if facts.retrieval is None else retrieval_document(facts.retrieval),
        "against": None if facts.against is None else against_document(facts.against),
        "empty_correct_ci95": _interval(summary.empty_correct_ci95),
        "lesion_found_ci95": _interval(summary.lesion_found_ci95),
        "assd_mm": _known(summary.assd_mm),
        "nsd_1mm": _known(summary.nsd_1mm),
        "by_class": {
            part.name: {"n": part.n, "dice": _spread(part.dice), "iou": _spread(part.iou)} for part in summary.by_class
        },
        "calibration": {
            "presence_auc": confidence.presence_auc,
            "presence_ece": confidence.presence_ece,
            "quality_error": confidence.quality_error,
            "score_rank": confidence.score_rank,
            "pixel_ece": None if evaluation.pixels is None else evaluation.pixels.ece,
            "presence_auc_ci95": _interval(confidence.presence_auc_ci95),
            "quality_spearman": confidence.quality_spearman,
            "quality_spearman_ci95": _interval(confidence.quality_spearman_ci95),
        },
        "data": facts.data,
        "split": facts.split,
        "device": facts.device,
        "compute_precision": facts.compute_precision,
        "marks": facts.marks,
        "usassist": usassist.__version__,
        "failed": [{"input": name, "reason": reason} for name, reason in facts.failed],
        "worst": [_worst(shown) for shown in evaluation.shown if shown.rank == "worst"],
    }


def per_image_table(evaluation: Evaluation, classes: ClassFacts | None = None) -> str:
    """Return per_image.csv: one line for each image in the order evaluated, empty where a value is not known.

    `empty_truth` and `empty_pred` are 0 or 1; other numbers have six decimals. With `classes` there are columns for the
    class named and each class's probability behind them; where no mask was asked for, those of masks are empty.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    judged = {} if classes is None else cases_by_image(classes)
    writer.writerow((*COLUMNS, *(class_columns(classes) if classes else ())))
    lines = [((score.input, score.frame), _line(score)) for score in evaluation.scores]
    if not evaluation.scores:
        lines = [(image, _line_without_mask(case)) for image, case in judged.items()]
    for image, line in lines:
        writer.writerow((*line, *(class_cells(judged.get(image), classes) if classes else ())))
    return out.getvalue()


def _worst(shown: Shown) -> dict[str, Any]:
    """Return a worst case without its picture: both outlines as SVG paths in pixels of its `rows` x `columns`."""
    score, outlines = shown.score, shown.outlines
    return {
        "input": score.input,
        "frame": score.frame,
        "dice": score.dice,
        "rows": outlines.shape[0],
        "columns": outlines.shape[1],
        "truth": outlines.truth,
        "pred": outlines.pred,
    }


def _interval(ci95: tuple[float, float] | None) -> list[float] | None:
    return None if ci95 is None else list(ci95)


def _spread(spread: Spread) -> dict[str, Any]:
    return {
        "mean": spread.mean,
        "std": spread.std,
        "ci95": _interval(spread.ci95),
        "median": spread.median,
        "n": spread.n,
    }


def _known(spread: Spread | None) -> dict[str, Any] | None:
    return None if spread is None else _spread(spread)


def _line(score: ImageScore) -> tuple[str, ...]:
    measured = (score.dice, score.iou, score.hd95_px, score.assd_px, score.nsd_2px, score.hd95_mm)
    engine = (score.score, score.presence, score.quality, score.seconds)
    empty = (str(int(score.empty_truth)), str(int(score.empty_pred)))
    named = (score.input, str(score.frame), score.class_name)
    later = (score.assd_mm, score.nsd_1mm, score.strangeness)
    return (*named, *map(_cell, (*measured, *engine)), *empty, *map(_cell, later))


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"


def _line_without_mask(case: ClassScores) -> tuple[str, ...]:
    known = {"input": case.input, "frame": str(case.frame), "class": case.class_name}
    known["seconds"] = _cell(case.seconds)
    return tuple(known.get(column, "") for column in COLUMNS)
