"""Two models on the same images: is one better, and by how much.

Every model is a table of values, a row for each training seed and a column for each image. Seeds and groups of images
are drawn anew together (a crossed bootstrap): the interval says what another training and other patients would change.
The p-value is about the images alone, with the trained models as they are.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from usassist.core.errors import UsassistError
from usassist.core.evaluation.bootstrap import RESAMPLES, SEED, numbered
from usassist.core.evaluation.signed_rank import signed_rank
from usassist.core.evaluation.stored import Image, Metric, StoredReport

Values = npt.NDArray[np.float64]
"""SxN: a row for each seed, a column for each image."""

_CHUNK = 1 << 20
"""Drawn indices held at once."""


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Second minus first over the same `n` images in `groups` groups: mean, 95 % interval, two-sided Wilcoxon p."""

    mean: float
    ci95: tuple[float, float]
    p: float
    n: int
    groups: int


def paired_difference(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    *,
    groups: Sequence[Hashable] | None = None,
    seed: int = SEED,
    resamples: int = RESAMPLES,
) -> PairedDifference:
    """Compare two models' values on the same N images: each SxN (a row a seed, of any number), or N for one seed.

    `groups` names the group of each image (a patient, a cine); without it each stands alone. In the bootstrap whole
    groups are drawn, the same for both models, and seeds for each model by itself. For the signed-rank test each group
    counts once, by its mean difference over images and seeds: frames of one cine are not independent evidence. Raises
    UsassistError for no image, unequal numbers of images, and values that are not finite.
    """
    a, b = _table(first), _table(second)
    if a.shape[1] != b.shape[1]:
        raise UsassistError(
            f"Two models are compared on the same images; found {a.shape[1]} of one and {b.shape[1]} of the other."
        )
    place = _places(a.shape[1], groups)
    size = np.bincount(place).astype(np.float64)
    before, after = _by_group(a, place), _by_group(b, place)
    drawn = _drawn_means([before, after], size, seed=seed, resamples=resamples)
    low, high = np.percentile(drawn[1] - drawn[0], (2.5, 97.5))
    differences = (after.mean(axis=0) - before.mean(axis=0)) / size
    # The noise of the last digits would make equal differences unequal and zeros none.
    test = signed_rank(np.round(differences, 9))
    return PairedDifference(
        float(b.mean() - a.mean()), (float(low), float(high)), test.p, n=a.shape[1], groups=len(size)
    )


def crossed_ci95(
    values: npt.ArrayLike,
    *,
    groups: Sequence[Hashable] | None = None,
    seed: int = SEED,
    resamples: int = RESAMPLES,
) -> tuple[float, float]:
    """Return the 95 % interval of the mean of SxN values, seeds and groups of images drawn anew together.

    With one seed it is the interval over the images. Raises UsassistError for no value and values that are not finite.
    """
    table = _table(values)
    place = _places(table.shape[1], groups)
    size = np.bincount(place).astype(np.float64)
    drawn = _drawn_means([_by_group(table, place)], size, seed=seed, resamples=resamples)
    low, high = np.percentile(drawn[0], (2.5, 97.5))
    return float(low), float(high)


def _by_group(table: Values, place: npt.NDArray[np.intp]) -> Values:
    """Return the sums over each group, a row for each seed."""
    return np.array([np.bincount(place, weights=row) for row in table])


def _drawn_means(sums: Sequence[Values], size: Values, *, seed: int, resamples: int) -> Values:
    """Return a row of means for each table of sums: groups drawn for all of them together, seeds for each by itself."""
    draw = np.random.default_rng(seed)
    means = np.empty((len(sums), resamples))
    step = max(1, _CHUNK // len(size))
    for first in range(0, resamples, step):
        part = slice(first, min(first + step, resamples))
        chosen = draw.integers(0, len(size), size=(part.stop - first, len(size)))
        weight = size[chosen].sum(axis=1)
        for row, table in enumerate(sums):
            picked = draw.integers(0, len(table), size=(len(chosen), len(table)))
            total = sum(table[column[:, None], chosen].sum(axis=1) for column in picked.T)
            means[row, part] = total / (len(table) * weight)
    return means


def _table(values: npt.ArrayLike) -> Values:
    table = np.atleast_2d(np.asarray(values, dtype=np.float64))
    if table.ndim != 2 or table.size == 0 or not np.isfinite(table).all():
        raise UsassistError(
            f"A comparison needs finite values, a row for each seed and a column for each image; found {table.shape}."
        )
    return table


def _places(count: int, groups: Sequence[Hashable] | None) -> npt.NDArray[np.intp]:
    if groups is None:
        return np.arange(count)
    if len(groups) != count:
        raise UsassistError(f"Each image needs a group; found {count} images and {len(groups)} groups.")
    return numbered(groups)


def compare_reports(
    first: StoredReport,
    second: StoredReport,
    *,
    metric: Metric = "dice_lesion",
    groups: Mapping[Image, Hashable] | None = None,
) -> PairedDifference:
    """Compare two evaluations of the same images by a metric; frames of one input are drawn together.

    `groups` names the group of an image where more is known than its input. Raises UsassistError where the two were
    not asked the same questions.
    """
    require_same_questions([first, second])
    values = [report.values(metric) for report in (first, second)]
    keys = [key for key in values[0] if key in values[1]]
    known = groups or {}
    return paired_difference(
        [values[0][key] for key in keys],
        [values[1][key] for key in keys],
        groups=[known.get(key[:2], key[0]) for key in keys],
    )


def require_same_questions(reports: Sequence[StoredReport]) -> None:
    """Raise UsassistError, naming two folders, unless all reports are about the same data."""
    for report in reports[1:]:
        if report.data_fingerprint != reports[0].data_fingerprint:
            raise UsassistError(
                f"{reports[0].folder} and {report.folder} were evaluated on different images (data_fingerprint "
                f"{reports[0].data_fingerprint[:12]} and {report.data_fingerprint[:12]}), so they cannot be compared "
                "image by image. Evaluate both models on the same dataset and split."
            )
