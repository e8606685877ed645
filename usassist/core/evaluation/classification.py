"""How well classes are told apart, whether prompts or a trained head named them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from usassist.core.errors import UsassistError
from usassist.core.evaluation.bootstrap import statistic_ci95
from usassist.core.evaluation.zero_shot import PromptSet
from usassist.core.metrics import classification as counts
from usassist.core.metrics.calibration import Reliability, reliability
from usassist.core.metrics.ranking import auc

_RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class ClassScores:
    """The true class of one image and a probability for each class named; `group` as in an evaluation's case.

    `input` and `frame` say which image. `per_prompt` is what each prompt of a zero-shot classification scored, in the
    order of its prompts: cosines, or how present each is; empty for a trained head.
    """

    class_name: str
    probabilities: tuple[float, ...]
    group: str
    input: str = ""
    frame: int = 0
    seconds: float | None = None
    per_prompt: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class PerClass:
    """One class against the rest: `n` images; AUC, precision, recall (sensitivity) and F1, 0 to 1."""

    name: str
    n: int
    auc: float
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class Classification:
    """One-against-rest AUC, precision, recall and F1, each the plain mean over the classes that occur, and accuracy.

    `n` is (class, images) pairs. `ci95` is the bootstrap interval of the AUC, None where there are too few images for
    one. `recall` is also called balanced accuracy. `confusion` has a row for each true and a column for each predicted
    class, in the order of `n`. `reliability` counts how often the predicted class was right by its probability.
    """

    auc: float
    ci95: tuple[float, float] | None
    accuracy: float
    f1: float
    n: tuple[tuple[str, int], ...]
    precision: float = 0.0
    recall: float = 0.0
    per_class: tuple[PerClass, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    reliability: Reliability | None = field(default=None, compare=False)


@dataclass(frozen=True)
class ClassFacts:
    """How classes were named, and what was said of each image, in the order evaluated.

    `how` is "trained" (a class head), "similarity" or "presence" (of `prompts`, None for a trained head). `temperature`
    divided the logits; it was fitted on `calibrated_on` validation images, 0 for none. `warnings` are sentences.
    """

    names: tuple[str, ...]
    how: str
    cases: tuple[ClassScores, ...]
    prompts: PromptSet | None = None
    temperature: float = 1.0
    calibrated_on: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def left_out(self) -> Mapping[str, int]:
        """Return how many images have a class that was not asked for, by that class ("" where none is known)."""
        return dict(Counter(case.class_name for case in self.cases if case.class_name not in self.names))


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
    predicted = scores.argmax(axis=1)
    table = counts.confusion(truth, predicted, classes=len(names))
    numbers = [counts.precision(table), counts.recall(table), counts.f1(table)]
    ranked = {index: auc(scores[:, index], truth == index) for index in present}
    return Classification(
        auc=float(np.mean(list(ranked.values()))),
        ci95=_auc_ci95(scores, truth, present, groups=[case.group for case in named]),
        accuracy=counts.accuracy(table),
        f1=float(numbers[2][present].mean()),
        n=tuple((name, counted[name]) for name in names),
        precision=float(numbers[0][present].mean()),
        recall=float(numbers[1][present].mean()),
        per_class=tuple(
            PerClass(names[i], counted[names[i]], ranked[i], *(float(values[i]) for values in numbers)) for i in present
        ),
        confusion=tuple(tuple(int(count) for count in row) for row in table),
        reliability=reliability(np.clip(scores.max(axis=1), 0.0, 1.0), predicted == truth, bins=10),
    )


def _auc_ci95(
    scores: npt.NDArray[np.float64], truth: npt.NDArray[np.intp], present: Sequence[int], *, groups: Sequence[str]
) -> tuple[float, float] | None:
    def mean_auc(chosen: npt.NDArray[np.intp]) -> float | None:
        drawn = truth[chosen]
        if len(np.unique(drawn)) < len(present):
            return None
        return float(np.mean([auc(scores[chosen, index], drawn == index) for index in present]))

    return statistic_ci95(mean_auc, groups, resamples=_RESAMPLES)
