"""How often a class was named rightly, from the table of truth against prediction, and the ROC curve of a score.

A share of nothing (the precision of a class that was never predicted, the recall of one that never occurs) is 0, as in
scikit-learn with `zero_division=0`: a class that an engine never names counts against it instead of vanishing.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from usassist.core.errors import UsassistError
from usassist.core.metrics.ranking import checked_scores

Table = npt.NDArray[np.int64]
"""KxK counts: row = the true class, column = the predicted one."""

Shares = npt.NDArray[np.float64]
"""One number from 0 to 1 for each of the K classes."""


def confusion(truth: npt.ArrayLike, predicted: npt.ArrayLike, *, classes: int | None = None) -> Table:
    """Return the confusion matrix, KxK int64: row = the true class, column = the predicted one.

    Both are N whole numbers from 0; `classes` is K, by default one more than the largest that occurs, at least 2.
    Raises UsassistError for no case, unequal lengths, and numbers that are no class.

    >>> confusion([0, 0, 1, 1, 1], [0, 1, 1, 1, 0])
    array([[1, 1],
           [1, 2]])
    """
    rows, cols = np.asarray(truth), np.asarray(predicted)
    if rows.ndim != 1 or rows.shape != cols.shape or rows.size == 0:
        raise UsassistError(f"Each case needs a true and a predicted class; found {rows.shape} and {cols.shape}.")
    if not all(np.issubdtype(part.dtype, np.integer) or part.dtype == np.bool_ for part in (rows, cols)):
        raise UsassistError(f"Classes are whole numbers from 0; found {rows.dtype} and {cols.dtype}.")
    rows, cols = rows.astype(np.int64), cols.astype(np.int64)
    low, high = int(min(rows.min(), cols.min())), int(max(rows.max(), cols.max()))
    count = max(2, high + 1) if classes is None else classes
    if low < 0 or high >= count:
        raise UsassistError(f"Classes are numbers from 0 to {count - 1}; found {low} to {high}.")
    return np.bincount(rows * count + cols, minlength=count * count).reshape(count, count)


def accuracy(table: Table) -> float:
    """Return the share of all cases whose class was named rightly.

    >>> accuracy(confusion([0, 0, 1, 1, 1], [0, 1, 1, 1, 0]))
    0.6
    """
    return float(np.trace(table) / table.sum())


def recall(table: Table) -> Shares:
    """Return for each class the share of its cases that were named so: the sensitivity.

    >>> recall(confusion([0, 0, 1, 1], [0, 1, 1, 1]))
    array([0.5, 1. ])
    """
    return _share(np.diag(table), table.sum(axis=1))


def precision(table: Table) -> Shares:
    """Return for each class the share of the cases named so that belong to it: the positive predictive value.

    >>> precision(confusion([0, 0, 1, 1], [0, 1, 1, 1])).round(4)
    array([1.    , 0.6667])
    """
    return _share(np.diag(table), table.sum(axis=0))


def specificity(table: Table) -> Shares:
    """Return for each class the share of the cases of other classes that were not named so.

    >>> specificity(confusion([0, 0, 1, 1], [0, 1, 1, 1]))
    array([1. , 0.5])
    """
    others = table.sum() - table.sum(axis=1)
    named_wrongly = table.sum(axis=0) - np.diag(table)
    return _share(others - named_wrongly, others)


def f1(table: Table) -> Shares:
    """Return for each class the harmonic mean of precision and recall, 2 TP / (2 TP + FP + FN).

    >>> f1(confusion([0, 0, 1, 1], [0, 1, 1, 1])).round(4)
    array([0.6667, 0.8   ])
    """
    return _share(2 * np.diag(table), table.sum(axis=0) + table.sum(axis=1))


def balanced_accuracy(table: Table) -> float:
    """Return the mean recall over the classes that occur: a large class counts no more than a small one.

    >>> balanced_accuracy(confusion([0, 0, 0, 1], [0, 0, 0, 0]))
    0.5
    """
    return float(recall(table)[table.sum(axis=1) > 0].mean())


@dataclass(frozen=True, eq=False)
class RocCurve:
    """A receiver operating characteristic: at `thresholds[i]` and above a case is called positive.

    Float64, from (0, 0), whose threshold is infinite, to (1, 1); one point for each distinct score, so cases with equal
    scores are taken in one step and the trapezoids under the curve add up to `ranking.auc`.
    """

    false_positive_rate: Shares
    true_positive_rate: Shares
    thresholds: npt.NDArray[np.float64]


def roc_curve(scores: npt.ArrayLike, positives: npt.ArrayLike) -> RocCurve:
    """Return the ROC curve of N finite scores and N bools. Raises UsassistError where either class is missing.

    >>> curve = roc_curve([0.1, 0.4, 0.35, 0.8], [False, False, True, True])
    >>> curve.false_positive_rate.tolist(), curve.true_positive_rate.tolist()
    ([0.0, 0.0, 0.5, 0.5, 1.0], [0.0, 0.5, 0.5, 1.0, 1.0])
    """
    values, wanted = checked_scores(scores, positives, both_kinds=True)
    order = np.argsort(-values, kind="stable")
    values, wanted = values[order], wanted[order]
    last = np.append(np.flatnonzero(values[1:] != values[:-1]), len(values) - 1)
    true, false = np.cumsum(wanted)[last], np.cumsum(~wanted)[last]
    return RocCurve(
        np.concatenate([[0.0], false / false[-1]]),
        np.concatenate([[0.0], true / true[-1]]),
        np.concatenate([[np.inf], values[last]]),
    )


def _share(part: npt.NDArray[np.int64], whole: npt.NDArray[np.int64]) -> Shares:
    return np.divide(part, whole, out=np.zeros(len(whole), dtype=np.float64), where=whole > 0)
