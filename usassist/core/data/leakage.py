"""What stands on both sides of a split and should not: groups, files, near-duplicates; and labels that disagree."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from usassist.core.data.example import Example
from usassist.core.data.near_duplicates import NearPair
from usassist.core.data.splits import joined
from usassist.core.data.twins import file_marks, near_twins
from usassist.core.errors import UsassistError

NO_SPLIT = "none"
"""What the examples are counted under that no split has."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """Images that belong together and stand in several splits: `members` are keys of examples by split.

    `kind` says why they belong together: the data declares them a group, or their files are the same.
    """

    kind: Literal["group", "same file"]
    name: str
    members: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Twins:
    """Two near-duplicates: their keys, splits and classes; `declared` if the data puts them in one group."""

    keys: tuple[str, str]
    splits: tuple[str, str]
    classes: tuple[str, str]
    correlation: float
    declared: bool

    @property
    def crosses(self) -> bool:
        """Return whether they stand in two splits."""
        return self.splits[0] != self.splits[1]

    @property
    def disagree(self) -> bool:
        """Return whether both have a class, and not the same."""
        return all(self.classes) and self.classes[0] != self.classes[1]


@dataclass(frozen=True)
class Leakage:
    """What was found. `patients` is how many the data names; None where it names none, and a group stands for one.

    `failed` are images that cannot be read, `misfits` masks that have another size than their image or are none: keys
    with reasons. `pairs` are those of `twins` by their places.
    """

    images: int
    groups: int
    patients: int | None
    without_patient: int
    counts: Mapping[str, Mapping[str, int]]
    groups_of_split: Mapping[str, int]
    crossings: tuple[Crossing, ...]
    twins: tuple[Twins, ...]
    conflicts: tuple[str, ...]
    failed: tuple[tuple[str, str], ...]
    misfits: tuple[tuple[str, str], ...] = ()
    pairs: tuple[NearPair, ...] = ()

    @property
    def crossing_twins(self) -> tuple[Twins, ...]:
        """Return the near-duplicates on two sides of a split."""
        return tuple(pair for pair in self.twins if pair.crosses)

    @property
    def undeclared_twins(self) -> tuple[Twins, ...]:
        """Return the near-duplicates that the data does not put in one group."""
        return tuple(pair for pair in self.twins if not pair.declared)

    @property
    def patient_note(self) -> str:
        """Return who a patient is in this data, in a sentence."""
        if self.patients is None:
            return (
                "No patient is named, so each group stands for a patient; an image without a group is one of its own."
            )
        if self.without_patient:
            return f"{self.without_patient} images name no patient; each of their groups stands for one."
        return "Every image names its patient."


def find_leakage(
    examples: Sequence[Example],
    *,
    twins: Sequence[NearPair] | None = None,
    on_read: Callable[[], object] | None = None,
) -> Leakage:
    """Look for what crosses the splits of the examples; every image is read once, unless `twins` are known already.

    `on_read` is called for each image that was read. An image that cannot be read is listed in `failed`; of one that
    can the mask's size is compared (`misfits`), by its header alone where that says it.
    """
    failed: list[tuple[str, str]] = []
    misfits: list[tuple[str, str]] = []

    def tell(example: Example, error: UsassistError) -> None:
        failed.append((example.key, str(error)))

    def compare(example: Example, shape: tuple[int, int]) -> None:
        try:
            example.require_truth_size(shape)
        except UsassistError as error:
            misfits.append((example.key, str(error)))

    pairs = twins
    if pairs is None:
        pairs = near_twins(examples, on_error=tell, on_read=on_read, on_size=compare)
    found = [_described(examples[pair.first], examples[pair.second], pair.correlation) for pair in pairs]
    groups = [_group(example) for example in examples]
    patients = {(example.dataset, example.patient) for example in examples if example.patient}
    return Leakage(
        images=len(examples),
        groups=len(set(groups)),
        patients=len(patients) or None,
        without_patient=sum(not example.patient for example in examples),
        counts=_counts(examples),
        groups_of_split={
            split: len({_group(e) for e in examples if _split(e) == split}) for split in _counts(examples)
        },
        crossings=(
            *_crossings("group", examples, groups),
            *_crossings("same file", examples, joined(file_marks(examples))),
        ),
        twins=tuple(sorted(found, key=lambda pair: (not pair.crosses, -pair.correlation))),
        conflicts=tuple(example.key for example in examples if example.label_conflict),
        failed=tuple(failed),
        misfits=tuple(misfits),
        pairs=tuple(pairs),
    )


def _described(a: Example, b: Example, correlation: float) -> Twins:
    return Twins(
        keys=(a.key, b.key),
        splits=(_split(a), _split(b)),
        classes=(a.class_name, b.class_name),
        correlation=correlation,
        declared=_group(a) == _group(b),
    )


def _split(example: Example) -> str:
    return example.split or NO_SPLIT


def _group(example: Example) -> str:
    return example.group or example.key


def _counts(examples: Iterable[Example]) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for example in examples:
        counts[_split(example)][example.class_name] += 1
    order = ("train", "val", "test", NO_SPLIT)
    return {split: dict(sorted(counts[split].items())) for split in order if split in counts}


def _crossings(
    kind: Literal["group", "same file"], examples: Sequence[Example], names: Sequence[str]
) -> list[Crossing]:
    members: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for example, name in zip(examples, names, strict=True):
        members[name][_split(example)].append(example.key)
    found = [(name, sides) for name, sides in members.items() if len(sides) > 1]
    return [
        Crossing(kind, name if kind == "group" else min(min(keys) for keys in sides.values()), _frozen(sides))
        for name, sides in found
    ]


def _frozen(sides: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    return {split: tuple(keys) for split, keys in sides.items()}


def leakage_document(report: Leakage) -> dict[str, Any]:
    """Return the report as JSON values; "leaks" counts what stands in two splits, each kind on its own."""
    crossing = report.crossing_twins
    by_kind = {kind: [c for c in report.crossings if c.kind == kind] for kind in ("group", "same file")}
    return {
        "images": report.images,
        "groups": report.groups,
        "patients": report.patients,
        "patient_note": report.patient_note,
        "splits": {
            split: {"images": sum(classes.values()), "groups": report.groups_of_split[split], "classes": classes}
            for split, classes in report.counts.items()
        },
        "leaks": {
            "groups": len(by_kind["group"]),
            "same_file": len(by_kind["same file"]),
            "near_duplicates": len(crossing),
        },
        "groups_across": [{"group": c.name, **c.members} for c in by_kind["group"]],
        "same_file_across": [dict(c.members) for c in by_kind["same file"]],
        "near_duplicates_across": [_twins(pair) for pair in crossing],
        "near_duplicates": len(report.twins),
        "near_duplicates_in_no_common_group": [_twins(pair) for pair in report.undeclared_twins],
        "label_conflicts_declared": list(report.conflicts),
        "label_conflicts_found": [_twins(pair) for pair in report.twins if pair.disagree],
        "failed": [{"input": key, "reason": reason} for key, reason in (*report.failed, *report.misfits)],
    }


def _twins(pair: Twins) -> dict[str, Any]:
    return {
        "images": list(pair.keys),
        "splits": list(pair.splits),
        "classes": list(pair.classes),
        "correlation": round(pair.correlation, 3),
        "declared": pair.declared,
    }
