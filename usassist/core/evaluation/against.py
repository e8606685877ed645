"""An evaluation beside an earlier one of the same images: what became better, and how sure that is."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from usassist.core.evaluation.class_comparison import auc_difference, judged_by_all
from usassist.core.evaluation.paired import PairedDifference, compare_reports, require_same_questions
from usassist.core.evaluation.stored import Image, Metric, StoredReport

_METRICS: tuple[tuple[Metric, str], ...] = (
    ("dice_lesion", "Dice, images with a lesion"),
    ("dice", "Dice, all images"),
    ("hd95_px", "HD95 (px)"),
    ("nsd_2px", "NSD at 2 px"),
)


@dataclass(frozen=True, slots=True)
class Against:
    """This evaluation minus an earlier one of `model` with `weights_hash`: (key, name, difference) of each metric."""

    model: str
    weights_hash: str | None
    differences: tuple[tuple[str, str, PairedDifference], ...]


def against(before: StoredReport, now: StoredReport, *, groups: Mapping[Image, Hashable] | None = None) -> Against:
    """Compare two evaluations image by image; `groups` names the group of an image where more is known than its input.

    Raises UsassistError where the two were not asked the same questions.
    """
    require_same_questions([before, now])
    found: list[tuple[str, str, PairedDifference]] = []
    for metric, name in _METRICS:
        if any(key in before.values(metric) for key in now.values(metric)):
            found.append((metric, name, compare_reports(before, now, metric=metric, groups=groups)))
    judged = judged_by_all([before, now], groups or {}) if before.classes else None
    difference = None if judged is None else auc_difference(judged, first=1)
    if difference is not None:
        found.append(("auc", "AUC", difference))
    return Against(before.model or before.folder.name, before.weights_hash, tuple(found))


def against_document(found: Against) -> dict[str, Any]:
    """Return `against` of report.json: each metric's mean difference, its interval and p, over so many groups."""
    return {
        "model": found.model,
        "weights_hash": found.weights_hash,
        **{key: difference_document(difference) for key, _, difference in found.differences},
    }


def difference_document(difference: PairedDifference) -> dict[str, Any]:
    """Return a paired difference as plain values."""
    return {
        "mean": difference.mean,
        "ci95": list(difference.ci95),
        "p": difference.p,
        "n": difference.n,
        "groups": difference.groups,
    }
