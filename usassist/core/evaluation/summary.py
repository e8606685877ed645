"""The numbers of an evaluation, from the lines of its protocol."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from usassist.core.evaluation.bootstrap import mean_ci95
from usassist.core.evaluation.protocol import ImageScore
from usassist.core.evaluation.rank_intervals import auc_ci95, spearman_ci95
from usassist.core.evaluation.wilson import wilson_ci95
from usassist.core.metrics.calibration import ece
from usassist.core.metrics.overlap import LESION_FOUND_IOU
from usassist.core.metrics.ranking import auc, spearman


@dataclass(frozen=True, slots=True)
class Spread:
    """A metric over `n` images: mean, standard deviation (population), 95 % interval of the mean, median.

    All but `n` are None where there is no image.
    """

    n: int
    mean: float | None = None
    std: float | None = None
    ci95: tuple[float, float] | None = None
    median: float | None = None


@dataclass(frozen=True, slots=True)
class ClassSummary:
    """The images of one class: `dice` and `iou` over all of them."""

    name: str
    n: int
    dice: Spread
    iou: Spread


@dataclass(frozen=True, slots=True)
class Confidence:
    """Whether an engine knows when it is wrong; each None where the engine gave no such number or it cannot be judged.

    `presence_auc` and `presence_ece` compare presence with "the truth is not empty"; `quality_error` is the mean
    distance of quality from the Dice reached on images with a lesion and `quality_spearman` their rank correlation, -1
    to 1; `score_rank` is that of score and Dice over all images. Intervals are bootstrap, by group.
    """

    presence_auc: float | None
    presence_ece: float | None
    quality_error: float | None
    score_rank: float | None
    presence_auc_ci95: tuple[float, float] | None = None
    quality_spearman: float | None = None
    quality_spearman_ci95: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything that is said about all images together; the names are those of report.json.

    The intervals of the two shares are Wilson's.
    """

    n: int
    n_empty_truth: int
    n_degenerate: int
    dice: Spread
    dice_lesion: Spread
    iou: Spread
    precision: Spread
    recall: Spread
    hd95_px: Spread
    assd_px: Spread
    nsd_2px: Spread
    hd95_mm: Spread | None
    assd_mm: Spread | None
    nsd_1mm: Spread | None
    empty_correct: float | None
    empty_correct_ci95: tuple[float, float] | None
    lesion_found: float | None
    lesion_found_ci95: tuple[float, float] | None
    seconds_median: float | None
    seconds_p95: float | None
    by_class: tuple[ClassSummary, ...]
    confidence: Confidence


def summarise(scores: Sequence[ImageScore]) -> Summary:
    """Return the summary of the images: means over all, `dice_lesion` over those whose truth is not empty."""
    lesions = [score for score in scores if not score.empty_truth]
    empties = [score for score in scores if score.empty_truth]
    measured = [score for score in scores if score.hd95_mm is not None]
    seconds = [score.seconds for score in scores if score.seconds is not None]
    left_empty = [score.empty_pred for score in empties]
    found = [score.iou > LESION_FOUND_IOU for score in lesions]
    return Summary(
        n=len(scores),
        n_empty_truth=len(empties),
        n_degenerate=sum(score.is_degenerate for score in scores),
        dice=_spread(scores, lambda score: score.dice),
        dice_lesion=_spread(lesions, lambda score: score.dice),
        iou=_spread(scores, lambda score: score.iou),
        precision=_spread(scores, lambda score: score.precision),
        recall=_spread(scores, lambda score: score.recall),
        hd95_px=_spread(scores, lambda score: score.hd95_px),
        assd_px=_spread(scores, lambda score: score.assd_px),
        nsd_2px=_spread(scores, lambda score: score.nsd_2px),
        hd95_mm=_spread(measured, lambda score: score.hd95_mm) if measured else None,
        assd_mm=_spread(measured, lambda score: score.assd_mm) if measured else None,
        nsd_1mm=_spread(measured, lambda score: score.nsd_1mm) if measured else None,
        empty_correct=_share(left_empty),
        empty_correct_ci95=wilson_ci95(sum(left_empty), len(left_empty)) if left_empty else None,
        lesion_found=_share(found),
        lesion_found_ci95=wilson_ci95(sum(found), len(found)) if found else None,
        seconds_median=float(np.median(seconds)) if seconds else None,
        seconds_p95=float(np.percentile(seconds, 95)) if seconds else None,
        by_class=_by_class(scores),
        confidence=_confidence(scores),
    )


def _spread(scores: Sequence[ImageScore], value: Callable[[ImageScore], float | None]) -> Spread:
    pairs = [(number, score.group) for score in scores if (number := value(score)) is not None]
    if not pairs:
        return Spread(0)
    numbers = np.array([number for number, _ in pairs])
    return Spread(
        len(numbers),
        float(numbers.mean()),
        float(numbers.std()),
        mean_ci95(numbers, groups=[group for _, group in pairs]),
        float(np.median(numbers)),
    )


def _share(hits: Sequence[bool]) -> float | None:
    return sum(hits) / len(hits) if hits else None


def _by_class(scores: Sequence[ImageScore]) -> tuple[ClassSummary, ...]:
    names = sorted({score.class_name for score in scores if score.class_name})
    parts = [(name, [score for score in scores if score.class_name == name]) for name in names]
    return tuple(
        ClassSummary(name, len(part), _spread(part, lambda s: s.dice), _spread(part, lambda s: s.iou))
        for name, part in parts
    )


def _confidence(scores: Sequence[ImageScore]) -> Confidence:
    said = [score for score in scores if score.presence is not None]
    judged = [score for score in scores if score.quality is not None and not score.empty_truth]
    ranked = [(score.score, score.dice) for score in scores if score.score is not None]
    presence, truth = [s.presence for s in said if s.presence is not None], [not s.empty_truth for s in said]
    quality, reached = [s.quality for s in judged if s.quality is not None], [s.dice for s in judged]
    both, several = len(set(truth)) == 2, len(judged) > 2
    return Confidence(
        presence_auc=auc(presence, truth) if both else None,
        presence_ece=ece(presence, truth) if said else None,
        quality_error=float(np.mean(np.abs(np.subtract(quality, reached)))) if judged else None,
        score_rank=spearman([s for s, _ in ranked], [d for _, d in ranked]) if len(ranked) > 2 else None,
        presence_auc_ci95=auc_ci95(presence, truth, [s.group for s in said]) if both else None,
        quality_spearman=spearman(quality, reached) if several else None,
        quality_spearman_ci95=spearman_ci95(quality, reached, [s.group for s in judged]) if several else None,
    )
