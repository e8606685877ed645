"""How far two readers agree."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from usassist.core.errors import UsassistError


def kappa(
    first: Sequence[Hashable],
    second: Sequence[Hashable],
    *,
    categories: Sequence[Hashable] | None = None,
    weights: Literal["linear", "quadratic"] | None = None,
) -> float:
    """Return Cohen's kappa of two readers' answers to the same cases: 1 is full agreement, 0 what chance would give.

    `categories` gives the order that weighted kappa needs; without it the answers are sorted as text. Two readers who
    both gave one and the same answer throughout agree fully: 1. Raises UsassistError for no case or unequal lengths.

    >>> kappa(["b", "m", "b", "m"], ["b", "m", "m", "m"])
    0.5
    >>> round(kappa([1, 2, 3], [1, 2, 2], categories=[1, 2, 3], weights="linear"), 4)
    0.5714
    """
    if len(first) != len(second) or not first:
        raise UsassistError(
            f"Two readers are compared on the same cases, at least one; found {len(first)} and {len(second)} answers."
        )
    order = list(categories) if categories is not None else sorted({*first, *second}, key=str)
    place = {category: index for index, category in enumerate(order)}
    unknown = {answer for answer in (*first, *second) if answer not in place}
    if unknown:
        raise UsassistError(f"Answers are among {order}; found {sorted(map(str, unknown))} as well.")
    table = np.zeros((len(order), len(order)))
    np.add.at(table, ([place[answer] for answer in first], [place[answer] for answer in second]), 1)
    table /= table.sum()
    apart = np.abs(np.subtract.outer(np.arange(len(order)), np.arange(len(order)))).astype(np.float64)
    cost = (apart > 0).astype(np.float64) if weights is None else apart if weights == "linear" else apart**2
    expected = float((cost * np.outer(table.sum(axis=1), table.sum(axis=0))).sum())
    return 1.0 if expected == 0 else 1.0 - float((cost * table).sum()) / expected


@dataclass(frozen=True, slots=True)
class LimitsOfAgreement:
    """Bland and Altman (1986): the mean difference second - first and the range that holds 95 % of the differences."""

    bias: float
    lower: float
    upper: float
    n: int


def limits_of_agreement(first: npt.ArrayLike, second: npt.ArrayLike) -> LimitsOfAgreement:
    """Return the bias and limits of agreement of two readers' measurements of the same cases, in their unit.

    Raises UsassistError for fewer than two cases or unequal lengths.

    >>> limits_of_agreement([10, 12, 14], [11, 12, 16])
    LimitsOfAgreement(bias=1.0, lower=-0.96, upper=2.96, n=3)
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1 or len(a) < 2:
        raise UsassistError(
            f"Limits of agreement need the same cases from both readers, at least two; found {a.shape} and {b.shape}."
        )
    bias, spread = float(np.mean(b - a)), 1.96 * float(np.std(b - a, ddof=1))
    return LimitsOfAgreement(bias, bias - spread, bias + spread, len(a))
