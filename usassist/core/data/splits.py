"""Splits by group: near-duplicates and frames of one patient never stand on both sides."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Literal

Split = Literal["train", "val", "test"]

LEAST_TRAIN = 2
"""A training needs two images: fewer make no batch to normalise."""


def split_of_group(group: str, *, val_share: float = 0.2) -> Literal["train", "val"]:
    """Return the side a group belongs to, from a hash of its name: stable as the data grows, the same everywhere."""
    return "val" if _place(group) < val_share else "train"


def strictest(declared: Sequence[Split]) -> Split | None:
    """Return where a group belongs whose members were declared differently: what is tested is never trained on."""
    return next((split for split in ("test", "val", "train") if split in declared), None)


def joined(names: Sequence[Sequence[str]]) -> list[str]:
    """Return for each item the name of its group: items that share a name, also through others, share a group.

    A group is called by its first name in the order of the alphabet; an item without a name has "".

    >>> joined([["p1"], ["p1", "d7"], ["d7"], ["d8"], []])
    ['d7', 'd7', 'd7', 'd8', '']
    """
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        parent.setdefault(name, name)
        while parent[name] != name:
            parent[name] = name = parent[parent[name]]
        return name

    for own in names:
        for other in own[1:]:
            first, second = sorted((root(own[0]), root(other)))
            parent[second] = first
    return [root(own[0]) if own else "" for own in names]


def with_both_sides(sides: Mapping[str, Split], sizes: Mapping[str, int], *, fixed: frozenset[str]) -> dict[str, Split]:
    """Return the sides of groups, changed so that there is something to train on and, if it can be, to validate on.

    A handful of groups may all fall on one side of the hash. Then about one in five validates, never so many that fewer
    than LEAST_TRAIN of the `sizes` (images a group) are left to train on. Groups in `fixed` keep a declared "val"; one
    "test" is never touched.
    """
    out = dict(sides)
    order = sorted((group for group, side in sides.items() if side != "test"), key=_place)
    if sum(sizes[group] for group in order if out[group] == "train") < LEAST_TRAIN:
        out.update({group: "train" for group in order if group not in fixed})
    if any(out[group] == "val" for group in order):
        return out
    left, wanted = sum(sizes[group] for group in order), max(1, len(order) // 5)
    for group in order:
        if wanted and left - sizes[group] >= LEAST_TRAIN:
            out[group] = "val"
            left, wanted = left - sizes[group], wanted - 1
    return out


def _place(group: str) -> float:
    """Return a number in [0, 1) that a group's name alone decides."""
    return int.from_bytes(hashlib.sha256(group.encode("utf-8", "surrogatepass")).digest()[:8], "big") / 2**64
