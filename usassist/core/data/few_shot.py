"""A small part of the training data, chosen so that parts can be compared: by ratio, or so many images a class.

Every choice is the beginning of one order of the training images, which the seed and the names alone decide: what is
chosen at 2 % is among what is chosen at 5 %. In that order the classes take turns by the method of Sainte-Laguë, so
that every beginning is stratified. The largest remainder would not do: with it a class may lose an image when the total
grows (the Alabama paradox), and then no part would contain the smaller one.
"""

import hashlib
import heapq
import logging
import math
from collections import defaultdict
from collections.abc import Sequence

from usassist.core.data.example import Example
from usassist.core.errors import TrainingError

logger = logging.getLogger(__name__)

PUBLISHED_RATIOS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""The shares of the training images at which NextGen-UIA was measured."""


def choose(
    examples: Sequence[Example],
    *,
    ratio: float | None = None,
    per_class: int | None = None,
    seed: int = 0,
    thin_val: bool = False,
) -> list[Example]:
    """Return the examples with a part of the split train, in their order; with neither number, all of them.

    `ratio` in (0, 1] keeps round(ratio x n) of the n training images, halves up, stratified by class and at least one
    of each class. `per_class` keeps that many of each class, or all where there are fewer. Images of a group are taken
    one after another, so that of each class at most one group (a patient) is cut: fewer images are fewer patients.

    Val and test stay whole, as in the publication. Choosing a model on a val as large as all of train is help that
    nobody has who owns five images: `thin_val` thins val by the same rule, which is the honest learning curve.
    Raises TrainingError for numbers out of range, for both at once, and where no example is in train.
    """
    if ratio is None and per_class is None:
        return list(examples)
    _check(ratio, per_class)
    if not any(example.split == "train" for example in examples):
        raise TrainingError("No image is in the split train, so there is none to choose; give the data splits first.")
    thinned = ("train", "val") if thin_val else ("train",)
    kept = {
        id(example)
        for split in thinned
        for example in _part([e for e in examples if e.split == split], ratio=ratio, per_class=per_class, seed=seed)
    }
    return [example for example in examples if example.split not in thinned or id(example) in kept]


def _check(ratio: float | None, per_class: int | None) -> None:
    if ratio is not None and per_class is not None:
        raise TrainingError("A part is chosen by ratio or by images per class, not by both; give one of them.")
    if ratio is not None and not 0 < ratio <= 1:
        raise TrainingError(f"The ratio of training images is {ratio}; expected more than 0 and at most 1.")
    if per_class is not None and per_class < 1:
        raise TrainingError(f"{per_class} images per class were asked for; expected at least 1.")


def _part(pool: Sequence[Example], *, ratio: float | None, per_class: int | None, seed: int) -> list[Example]:
    classes: dict[str, list[Example]] = defaultdict(list)
    for example in sorted(pool, key=lambda example: _place(example, seed)):
        classes[example.class_name].append(example)
    if per_class is not None:
        short = [name for name, members in classes.items() if len(members) < per_class]
        if short:
            logger.warning("fewer than %d images of: %s; all of them are used.", per_class, ", ".join(sorted(short)))
        return [example for members in classes.values() for example in members[:per_class]]
    total = max(len(classes), math.floor(len(pool) * (ratio or 1.0) + 0.5))
    counts = shares({name: len(members) for name, members in classes.items()}, total)
    return [example for name, members in classes.items() for example in members[: counts[name]]]


def shares(sizes: dict[str, int], total: int) -> dict[str, int]:
    """Return how many of `total` fall to each class of `sizes` members: one each first, then Sainte-Laguë's turns.

    No class gets more than it has, and none fewer when `total` grows.

    >>> shares({"benign": 60, "malignant": 30, "normal": 10}, 10)
    {'benign': 6, 'malignant': 3, 'normal': 1}
    """
    counts = {name: min(1, size) for name, size in sizes.items()}
    turns = [(-sizes[name] / 3, name) for name in sizes if sizes[name] > 1]
    heapq.heapify(turns)
    for _ in range(total - sum(counts.values())):
        if not turns:
            break
        _, name = heapq.heappop(turns)
        counts[name] += 1
        if counts[name] < sizes[name]:
            heapq.heappush(turns, (-sizes[name] / (2 * counts[name] + 1), name))
    return counts


def _place(example: Example, seed: int) -> tuple[bytes, str, bytes]:
    """Return where an example stands: groups in a random order, the members of each beside each other."""
    return _hash(seed, example.group or example.key), example.group, _hash(seed, example.key)


def _hash(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}|{name}".encode("utf-8", "surrogatepass")).digest()
