"""What report.json and the tables say about classes and retrieval."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from usassist.core.evaluation.classification import ClassFacts, Classification, ClassScores
from usassist.core.metrics.retrieval import Recalls, Retrieval

Image = tuple[str, int]
"""Which image: its input and frame."""

SIMILARITY_COLUMNS = ("input", "frame", "class", "asked_class", "prompt", "score")


def classification_document(found: Classification) -> dict[str, Any]:
    """Return `classification` of report.json: means over the classes, then each class, then calibration."""
    counted = found.reliability
    return {
        "auc": found.auc,
        "ci95": None if found.ci95 is None else list(found.ci95),
        "accuracy": found.accuracy,
        "f1": found.f1,
        "n": dict(found.n),
        "precision": found.precision,
        "recall": found.recall,
        "by_class": {
            part.name: {name: value for name, value in asdict(part).items() if name != "name"}
            for part in found.per_class
        },
        "confusion": [list(row) for row in found.confusion],
        "ece": None if counted is None else counted.ece,
        "reliability": None
        if counted is None
        else {
            "count": counted.count.tolist(),
            "confidence": counted.confidence.tolist(),
            "hits": counted.hits.tolist(),
        },
    }


def judge_document(facts: ClassFacts) -> dict[str, Any]:
    """Return `class_judge` of report.json: who named the classes, by which prompts, and what speaks against it."""
    asked = facts.prompts
    return {
        "by": facts.how,
        "classes": list(facts.names),
        "prompts": None
        if asked is None
        else {name: list(texts) for name, texts in zip(asked.names, asked.prompts, strict=True)},
        "temperature": facts.temperature,
        "calibrated_on": facts.calibrated_on,
        "left_out": {"n": sum(facts.left_out.values()), "by_class": dict(facts.left_out)},
        "warnings": list(facts.warnings),
    }


def retrieval_document(found: Retrieval) -> dict[str, Any]:
    """Return `retrieval` of report.json: recalls 0 to 1, what chance reaches, ranks from 1, rsum 0 to 600."""
    sides = {name: asdict(side) for name, side in retrieval_sides(found)}
    for side in sides.values():
        side["chance"] = dict(zip(("r1", "r5", "r10"), side["chance"], strict=True))
    return {name.replace(" ", "_"): side for name, side in sides.items()} | {"rsum": found.rsum}


def retrieval_sides(found: Retrieval) -> tuple[tuple[str, Recalls], ...]:
    """Return both directions with their names."""
    return ("image to text", found.image_to_text), ("text to image", found.text_to_image)


def retrieval_lines(found: Retrieval) -> list[str]:
    """Return a line for people about each direction, with what a random order would reach, and one with rSum."""
    lines = []
    for name, side in retrieval_sides(found):
        recalls = zip((1, 5, 10), (side.r1, side.r5, side.r10), side.chance, strict=True)
        words = "   ".join(f"R@{k} {recall:.4f} (chance {chance:.4f})" for k, recall, chance in recalls)
        lines.append(f"{name:<14}{words}   MedR {side.median_rank:g}   n {side.n} among {side.candidates}")
    return [*lines, f"{'rSum':<14}{found.rsum:.1f} of 600"]


def left_out_sentence(facts: ClassFacts) -> str:
    """Say how many images count nowhere among the classes since theirs was not asked for; "" where there are none."""
    found = facts.left_out
    if not found:
        return ""
    parts = ", ".join(f"{n} {name or 'without a class'}" for name, n in found.items())
    total = sum(found.values())
    return f"{total} image{'' if total == 1 else 's'} left out, whose class was not asked for: {parts}."


def class_columns(facts: ClassFacts) -> tuple[str, ...]:
    """Return the columns that per_image.csv has behind its own: the class named, and each class's probability."""
    return ("predicted", *(f"p_{name}" for name in facts.names))


def class_cells(case: ClassScores | None, facts: ClassFacts) -> tuple[str, ...]:
    """Return the cells of `class_columns` for one image; empty where nothing was said about it."""
    if case is None:
        return ("",) * (1 + len(facts.names))
    return (predicted(case, facts.names), *(f"{p:.6f}" for p in case.probabilities))


def predicted(case: ClassScores, names: Sequence[str]) -> str:
    """Return the most probable class; of equals the first."""
    return names[max(range(len(names)), key=lambda index: case.probabilities[index])]


def cases_by_image(facts: ClassFacts) -> dict[Image, ClassScores]:
    """Return what was said of each image."""
    return {(case.input, case.frame): case for case in facts.cases}


def similarities_table(facts: ClassFacts) -> str | None:
    """Return similarities.csv: a line for each image and prompt with what the prompt scored; None without prompts."""
    asked = facts.prompts
    if asked is None:
        return None
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(SIMILARITY_COLUMNS)
    for case in facts.cases:
        for name, text, score in zip(asked.asked, asked.texts, case.per_prompt, strict=True):
            writer.writerow((case.input, case.frame, case.class_name, name, text, f"{score:.6f}"))
    return out.getvalue()
