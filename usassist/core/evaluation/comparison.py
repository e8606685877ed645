"""Several recipes, each trained from several seeds, on the same images: the numbers of the one table.

A mean is over seeds and images, `sd` is the standard deviation of the seeds' means, and the interval draws seeds and
groups of images anew together (`paired.crossed_ci95`). The difference is to the first recipe under the same setting and
on the same images.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from usassist.core.evaluation.class_comparison import auc_ci95, auc_difference, judged_by_all
from usassist.core.evaluation.curves import Epoch
from usassist.core.evaluation.paired import (
    PairedDifference,
    Values,
    crossed_ci95,
    paired_difference,
    require_same_questions,
)
from usassist.core.evaluation.stored import Image, Key, Metric, StoredReport

METRICS: tuple[Metric, ...] = (
    "dice_lesion",
    "dice",
    "iou",
    "hd95_px",
    "assd_px",
    "nsd_2px",
    "empty_correct",
    "lesion_found",
)
"""What a row says about masks, in the table's order."""

Groups = Mapping[Image, Hashable]
"""The group (patient, cine) of each image; an image that is not named is in the group of its input."""


@dataclass(frozen=True, slots=True)
class Setting:
    """How much of the training split was used: a share (`ratio`, 0 to 1), so many of each class (`shots`), or all."""

    ratio: float | None = None
    shots: int | None = None

    @property
    def name(self) -> str:
        """Return "" for all of it, else a text such as "5 %" or "8 shots"."""
        if self.ratio is not None:
            return f"{100 * self.ratio:g} %"
        return "" if self.shots is None else f"{self.shots} shot{'' if self.shots == 1 else 's'}"

    @property
    def amount(self) -> float | None:
        """Return what the learning curve has on its axis: per cent of the images, or images of each class."""
        return 100 * self.ratio if self.ratio is not None else self.shots


@dataclass(frozen=True, slots=True)
class Trained:
    """One training and how it did on one set of images."""

    seed: int
    report: StoredReport
    epochs: tuple[Epoch, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """The trainings of one recipe under one setting, evaluated on the images named `data`.

    `trainable` and `parameters` count the model's parameters that learn and all of them, None where not known.
    """

    recipe: str
    setting: Setting
    data: str
    runs: tuple[Trained, ...]
    trainable: int | None = None
    parameters: int | None = None


@dataclass(frozen=True, slots=True)
class SeedSpread:
    """A metric over seeds and images; `sd` over the seeds' means (sample), None for one seed; `n` images in each."""

    mean: float
    sd: float | None
    ci95: tuple[float, float] | None
    per_seed: tuple[float, ...]
    n: int


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `spreads` holds what is defined for these images, `difference` is in the row's `main`.

    `main` is "dice_lesion" for masks and "auc" for classes. `difference` is None for the first recipe.
    Times are medians over the seeds, in seconds.
    """

    candidate: Candidate
    main: str
    spreads: Mapping[str, SeedSpread]
    difference: PairedDifference | None
    seconds_per_epoch: float | None
    seconds_per_image: float | None


@dataclass(frozen=True, slots=True)
class ComparisonFacts:
    """What was compared on what: datasets trained on, the split that was scored, the changes of the recipes.

    `device` is where it was computed. `failed` lists the trainings and evaluations that failed as (which, reason),
    `warnings` are about the data. `asked` is the question as JSON values (recipes, seeds, settings, ...): comparisons
    of another question are kept apart.
    """

    data: tuple[str, ...]
    split: str
    overrides: tuple[str, ...] = ()
    device: str = ""
    failed: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    asked: Mapping[str, Any] = field(default_factory=dict)


def compare(candidates: Sequence[Candidate], *, groups: Mapping[str, Groups] | None = None) -> tuple[Row, ...]:
    """Return a row for each candidate that has a run, in the order given; `groups` are by the name of the data.

    Raises UsassistError where runs on data of the same name were evaluated on different images.
    """
    rows = []
    first: dict[tuple[Setting, str], Candidate] = {}
    questions: dict[str, StoredReport] = {}
    for candidate in candidates:
        if not candidate.runs:
            continue
        reports = [run.report for run in candidate.runs]
        require_same_questions([questions.setdefault(candidate.data, reports[0]), *reports])
        base = first.setdefault((candidate.setting, candidate.data), candidate)
        rows.append(_row(candidate, None if base is candidate else base, (groups or {}).get(candidate.data, {})))
    return tuple(rows)


def _row(candidate: Candidate, base: Candidate | None, groups: Groups) -> Row:
    spreads: dict[str, SeedSpread] = {}
    for metric in METRICS:
        spread = _mask_spread(candidate, metric, groups)
        if spread is not None:
            spreads[metric] = spread
    judged = judged_by_all([run.report for run in candidate.runs], groups)
    if judged is not None:
        spreads["auc"] = _spread(judged.auc().T, ci95=auc_ci95(judged), n=judged.n)
        spreads["accuracy"] = _spread(judged.right(), ci95=crossed_ci95(judged.right(), groups=judged.groups))
    main = "auc" if "auc" in spreads and "dice_lesion" not in spreads else "dice_lesion"
    return Row(
        candidate,
        main,
        spreads,
        None if base is None else _difference(base, candidate, groups, main),
        _median([epoch.seconds for run in candidate.runs for epoch in run.epochs]),
        _median([run.report.seconds for run in candidate.runs if run.report.seconds is not None]),
    )


def _mask_spread(candidate: Candidate, metric: Metric, groups: Groups) -> SeedSpread | None:
    keys = _common(candidate.runs, metric)
    if not keys:
        return None
    table = _table(candidate.runs, metric, keys)
    return _spread(table, ci95=crossed_ci95(table, groups=_groups(keys, groups)))


def _difference(base: Candidate, candidate: Candidate, groups: Groups, main: str) -> PairedDifference | None:
    if main == "auc":
        judged = judged_by_all([run.report for run in (*base.runs, *candidate.runs)], groups)
        return None if judged is None else auc_difference(judged, first=len(base.runs))
    keys = _common([*base.runs, *candidate.runs], "dice_lesion")
    if not keys:
        return None
    tables = [_table(part.runs, "dice_lesion", keys) for part in (base, candidate)]
    return paired_difference(tables[0], tables[1], groups=_groups(keys, groups))


def _common(runs: Sequence[Trained], metric: Metric) -> list[Key]:
    """Return the images for which every run has a value: one that failed in any of them counts in none."""
    values = [run.report.values(metric) for run in runs]
    return [key for key in values[0] if all(key in others for others in values[1:])]


def _table(runs: Sequence[Trained], metric: Metric, keys: Sequence[Key]) -> Values:
    values = [run.report.values(metric) for run in runs]
    return np.array([[found[key] for key in keys] for found in values], dtype=np.float64)


def _groups(keys: Sequence[Key], groups: Groups) -> list[Hashable]:
    return [groups.get(key[:2], key[0]) for key in keys]


def _spread(table: Values, *, ci95: tuple[float, float] | None, n: int | None = None) -> SeedSpread:
    means = table.mean(axis=1)
    sd = float(means.std(ddof=1)) if len(means) > 1 else None
    return SeedSpread(float(means.mean()), sd, ci95, tuple(means.tolist()), table.shape[1] if n is None else n)


def _median(values: Sequence[float]) -> float | None:
    return float(np.median(values)) if values else None
