"""How well classes named by prompts are told apart."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from usassist.core.errors import UsassistError
from usassist.core.evaluation.bootstrap import statistic_ci95
from usassist.core.metrics.ranking import auc

_RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class ClassScores:
    """The true class of one image and a probability for each class named; `group` as in an evaluation's case."""

    class_name: str
    probabilities: tuple[float, ...]
    group: str


@dataclass(frozen=True, slots=True)
class Classification:
    """One-against-rest AUC and F1, each the plain mean over the classes, and accuracy; `n` is (class, images) pairs.

    `ci95` is the bootstrap interval of the AUC, None where there are too few images for one.
    """

    auc: float
    ci95: tuple[float, float] | None
    accuracy: float
    f1: float
    n: tuple[tuple[str, int], ...]


def classify(cases: Sequence[ClassScores], names: Sequence[str]) -> Classification | None:
    """Return how well the classes `names` are told apart; images of any other class are left out.

    `probabilities` of every case are in the order of `names` and add up to 1; the predicted class is the most probable.
    None where fewer than two of the classes occur. Raises UsassistError for another number of probabilities.
    """
    named = [case for case in cases if case.class_name in names]
    wrong = next((case for case in named if len(case.probabilities) != len(names)), None)
    if wrong is not None:
        raise UsassistError(
            f"Each image needs one probability for each of {len(names)} classes; found {len(wrong.probabilities)} for "
            f"{wrong.group}."
        )
    counted = Counter(case.class_name for case in named)
    if len(counted) < 2:
        return None
    truth = np.array([names.index(case.class_name) for case in named], dtype=np.intp)
    scores = np.array([case.probabilities for case in named], dtype=np.float64)
    present = [index for index, name in enumerate(names) if counted[name]]

    def mean_auc(chosen: npt.NDArray[np.intp]) -> float | None:
        drawn = truth[chosen]
        if len(np.unique(drawn)) < len(present):
            return None
        return float(np.mean([auc(scores[chosen, index], drawn == index) for index in present]))

    predicted = scores.argmax(axis=1)
    whole = mean_auc(np.arange(len(named)))
    return Classification(
        auc=0.0 if whole is None else whole,
        ci95=statistic_ci95(mean_auc, [case.group for case in named], resamples=_RESAMPLES),
        accuracy=float(np.mean(predicted == truth)),
        f1=float(np.mean([_f1(truth == index, predicted == index) for index in present])),
        n=tuple((name, counted[name]) for name in names),
    )


def _f1(truth: npt.NDArray[np.bool_], predicted: npt.NDArray[np.bool_]) -> float:
    return float(2 * np.count_nonzero(truth & predicted) / (np.count_nonzero(truth) + np.count_nonzero(predicted)))
