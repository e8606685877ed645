"""How well scores put things in order."""

import numpy as np
import numpy.typing as npt

from usassist.core.errors import UsassistError


def auc(scores: npt.ArrayLike, positives: npt.ArrayLike) -> float:
    """Return the area under the ROC curve: the chance that a positive scores higher than a negative, ties count half.

    `scores` is N finite numbers, `positives` N bools. Raises UsassistError where either class is missing.

    >>> auc([0.1, 0.4, 0.35, 0.8], [False, False, True, True])
    0.75
    >>> auc([1, 1, 1], [True, False, True])
    0.5
    """
    values, wanted = checked_scores(scores, positives, both_kinds=True)
    count, rest = int(wanted.sum()), int((~wanted).sum())
    return float((ranks(values)[wanted].sum() - count * (count + 1) / 2) / (count * rest))


def average_precision(scores: npt.ArrayLike, positives: npt.ArrayLike) -> float:
    """Return the mean precision over the positives, from the highest score down; equal scores are taken in one step.

    Raises UsassistError where there is no positive.

    >>> round(average_precision([0.1, 0.4, 0.35, 0.8], [False, False, True, True]), 4)
    0.8333
    """
    values, wanted = checked_scores(scores, positives)
    if not wanted.any():
        raise UsassistError("A precision curve needs at least one positive case; found none.")
    order = np.argsort(-values, kind="stable")
    values, wanted = values[order], wanted[order]
    last = np.append(np.flatnonzero(values[1:] != values[:-1]), len(values) - 1)
    found = np.cumsum(wanted)[last]
    gained = np.diff(found, prepend=0)
    return float(np.sum(gained * found / (last + 1)) / wanted.sum())


def ranks(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the ranks from 1, equal values sharing the mean of theirs.

    >>> ranks([10, 30, 20, 20])
    array([1. , 4. , 2.5, 2.5])
    """
    _, place, count = np.unique(np.asarray(values, dtype=np.float64), return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return np.asarray((last - (count - 1) / 2)[place], dtype=np.float64)


def spearman(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Return the rank correlation of two lists of equal length, -1 to 1: 0 where either is constant.

    >>> round(spearman([1, 2, 3, 4], [10, 20, 40, 30]), 4)
    0.8
    """
    first, second = ranks(a) - np.mean(ranks(a)), ranks(b) - np.mean(ranks(b))
    if len(first) != len(second):
        raise UsassistError(f"Two lists are correlated case by case; found {len(first)} and {len(second)} values.")
    scale = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / scale if scale > 0 else 0.0


def checked_scores(
    scores: npt.ArrayLike, positives: npt.ArrayLike, *, both_kinds: bool = False
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Return N scores as float64 and N labels as bool.

    Raises UsassistError for unequal lengths, for a score that is not finite, and with `both_kinds` where there is no
    positive or no negative.
    """
    values, wanted = np.asarray(scores, dtype=np.float64), np.asarray(positives, dtype=np.bool_)
    if values.ndim != 1 or values.shape != wanted.shape:
        raise UsassistError(f"Each score needs one label; found {values.shape} scores and {wanted.shape} labels.")
    if not np.isfinite(values).all():
        raise UsassistError("A ranking needs finite scores; found NaN or infinity among them.")
    count, rest = int(wanted.sum()), int((~wanted).sum())
    if both_kinds and not (count and rest):
        raise UsassistError(f"An ROC curve needs both kinds of case; found {count} positive and {rest} negative.")
    return values, wanted
