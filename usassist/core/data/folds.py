"""Cross-validation: k ways to divide a small data set, so that every image is tested once."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from usassist.core.data.dataset import Example, groups_of, linked
from usassist.core.data.near_duplicates import NearPair
from usassist.core.data.splits import Split
from usassist.core.errors import TrainingError


def folds(examples: Sequence[Example], *, k: int, seed: int, twins: Sequence[NearPair] = ()) -> list[list[Example]]:
    """Return k assignments of all examples: in the i-th, part i is tested, part i + 1 validates, the others train.

    Groups (patients, near-duplicates, equal files) stay whole, also those that `twins` (`undeclared_twins`) join, and
    the parts are alike in their classes, as with scikit-learn's StratifiedGroupKFold. The examples' own `split` is not
    looked at: that is the point of it. The same examples and seed give the same parts, whatever the order of the
    examples. Raises TrainingError for k below 3 (one part each to test, validate and train) and fewer groups than k.
    """
    groups = linked(groups_of(examples), twins)
    images = list(zip(groups, examples, strict=True))
    part = _parts([(group, example.class_name) for group, example in images], k=k, seed=seed)
    return [[replace(example, split=_side(part[group], test, k)) for group, example in images] for test in range(k)]


def fold(
    examples: Sequence[Example], *, k: int, index: int, seed: int, twins: Sequence[NearPair] = ()
) -> list[Example]:
    """Return the assignment `index` (from 0) of `folds`. Raises TrainingError, also where there is no such one."""
    if not 0 <= index < k:
        raise TrainingError(f"The folds are numbered 0 to {k - 1}; found {index}.")
    return folds(examples, k=k, seed=seed, twins=twins)[index]


def _side(part: int, test: int, k: int) -> Split:
    if part == test:
        return "test"
    return "val" if part == (test + 1) % k else "train"


def _parts(images: Sequence[tuple[str, str]], *, k: int, seed: int) -> dict[str, int]:
    """Deal the groups out, the large ones first: each to the part that then lies nearest to its share of each class."""
    members: dict[str, Counter[str]] = defaultdict(Counter)
    for group, class_name in images:
        members[group][class_name] += 1
    if k < 3 or len(members) < k:
        raise TrainingError(
            f"Cross-validation needs at least 3 folds and a group (patient) for each; found {k} folds and "
            f"{len(members)} groups."
        )
    total = sum(members.values(), Counter())
    order = sorted(members)
    np.random.default_rng(seed).shuffle(order)
    order.sort(key=lambda group: -members[group].total())
    held: list[Counter[str]] = [Counter() for _ in range(k)]
    part: dict[str, int] = {}
    for group in order:
        # How full a part is of the classes that this group brings; then of anything.
        fullness = [
            (sum(count * held[p][name] / total[name] for name, count in members[group].items()), held[p].total(), p)
            for p in range(k)
        ]
        part[group] = min(fullness)[2]
        held[part[group]].update(members[group])
    return part
