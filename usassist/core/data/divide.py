"""Examples divided for a training, by declared splits or in folds, near-duplicates kept together; what was found."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from usassist.core.data.dataset import Example, groups_of, linked, undeclared_twins, with_splits
from usassist.core.data.folds import fold
from usassist.core.data.leakage import Twins, find_leakage, leakage_document
from usassist.core.data.near_duplicates import NearPair

NearDuplicates = Literal["join", "drop", "off"]
"""What is done about near-duplicates that no group declares: see `divide`."""


@dataclass(frozen=True)
class Division:
    """Examples with their splits, and what was found about near-duplicates that no group declares.

    `joined` are the keys of the examples whose groups near-duplicates made one (on two sides only where declared so),
    `pairs` the near-duplicates with the splits they got, `left_out` the keys of training examples that are not used.
    `note` says what became of images without a split beside others with one (`say_undeclared`), "" where none is.
    `document` is the leakage report of the splits as they were made, JSON values.
    """

    examples: tuple[Example, ...]
    near_duplicates: NearDuplicates
    joined: tuple[tuple[str, ...], ...] = ()
    pairs: tuple[Twins, ...] = ()
    left_out: tuple[str, ...] = ()
    document: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""

    @property
    def across(self) -> tuple[Twins, ...]:
        """Return the pairs that the data itself declares in two splits."""
        return tuple(pair for pair in self.pairs if pair.crosses)

    def counts(self) -> dict[str, Any]:
        """Return how many of each there are, for a model's description."""
        if self.near_duplicates == "off":
            return {"setting": "off"}
        return {
            "setting": self.near_duplicates,
            "pairs": len(self.pairs),
            "joined": len(self.joined),
            "across": len(self.across),
            "left_out": len(self.left_out),
        }

    def sentence(self) -> str:
        """Return what was found and done, in two sentences at most; "" where there is nothing to say."""
        if not self.pairs:
            return ""
        said = f"Pairs of near-duplicates that share no declared group (patient, dup_group): {len(self.pairs)}"
        if not self.across:
            return f"{said}; the two of each were kept on one side."
        one = self.across[0]
        ends = " and ".join(f"{key} ({split})" for key, split in zip(one.keys, one.splits, strict=True))
        said = f"{said}; {len(self.across)} in two of the declared splits, for instance {ends}"
        if self.near_duplicates == "drop":
            return f"{said}. Training images left out for it: {len(self.left_out)}."
        return f"{said}. Scores there flatter; split.near_duplicates=drop leaves the training images out."


def divide(
    examples: Sequence[Example],
    *,
    near_duplicates: NearDuplicates = "join",
    folds: int = 0,
    index: int = 0,
    seed: int = 0,
    twins: Sequence[NearPair] | None = None,
    on_read: Callable[[], object] | None = None,
) -> Division:
    """Give every example a split: the data's, else by group; with `folds`, those of the cross-validation's `index`.

    "join": near-duplicates that no group declares are looked for, which reads every image once (`on_read`), and are
    kept on one side. A declared split is honoured all the same; what has none follows. "drop" also leaves out training
    examples with a near-duplicate, through others too, that is declared in val or test. "off" does not look. `twins`
    are those of `undeclared_twins` where they are known already. Raises TrainingError for folds that cannot be made.
    """
    if near_duplicates == "off":
        twins = []
    elif twins is None:
        twins = undeclared_twins(examples, on_read=on_read)
    if folds:
        divided = fold(examples, k=folds, index=index, seed=seed, twins=twins)
    else:
        divided = with_splits(examples, twins=twins)
    groups = groups_of(divided)
    wide = linked(groups, twins)
    left_out = _leaking(divided, wide) if near_duplicates == "drop" else frozenset[int]()
    joined = _joined(divided, groups, wide)
    keys = tuple(divided[place].key for place in sorted(left_out))
    report = find_leakage(divided, twins=twins)
    return Division(
        examples=tuple(example for place, example in enumerate(divided) if place not in left_out),
        near_duplicates=near_duplicates,
        joined=joined,
        pairs=report.twins,
        left_out=keys,
        note="" if folds else say_undeclared(examples, divided),
        document={
            "near_duplicates_setting": near_duplicates,
            "joined": [list(members) for members in joined],
            "left_out": list(keys),
            **_looked_for(leakage_document(report), near_duplicates),
        },
    )


def say_undeclared(examples: Sequence[Example], divided: Sequence[Example]) -> str:
    """Return a sentence about images without a split in a dataset that declares one for others; "" for no such image.

    `divided` are the same examples as `dataset.with_splits` divides them: a split column that somebody began to fill.
    """
    partly = {example.dataset for example in examples if example.split}
    found = Counter(
        after.split
        for before, after in zip(examples, divided, strict=True)
        if not before.split and before.dataset in partly
    )
    if not found:
        return ""
    sides = ", ".join(f"{found[split]} {split}" for split in ("train", "val", "test") if split in found)
    images = "1 image without a split was" if found.total() == 1 else f"{found.total()} images without a split were"
    return f"{images} divided here: {sides}."


def _looked_for(document: dict[str, Any], near_duplicates: NearDuplicates) -> dict[str, Any]:
    """Return a report without what nobody looked for: an empty list would read as if there were none."""
    del document["failed"]  # that an image cannot be read is said where it is used
    if near_duplicates != "off":
        return document
    leaks = {kind: found for kind, found in document["leaks"].items() if kind != "near_duplicates"}
    kept = {
        name: value
        for name, value in document.items()
        if not name.startswith("near_duplicates") and name != "label_conflicts_found"
    }
    return {**kept, "leaks": leaks}


def _leaking(examples: Sequence[Example], wide: Sequence[str]) -> frozenset[int]:
    held = {name for example, name in zip(examples, wide, strict=True) if example.split in ("val", "test")}
    return frozenset(
        place
        for place, (example, name) in enumerate(zip(examples, wide, strict=True))
        if example.split == "train" and name in held
    )


def _joined(examples: Sequence[Example], groups: Sequence[str], wide: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    members: dict[str, list[str]] = defaultdict(list)
    parts: dict[str, set[str]] = defaultdict(set)
    for example, group, name in zip(examples, groups, wide, strict=True):
        members[name].append(example.key)
        parts[name].add(group)
    return tuple(tuple(sorted(keys)) for name, keys in sorted(members.items()) if len(parts[name]) > 1)
