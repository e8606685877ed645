"""What a project has to train on: how many accepted frames, of which labels, and on which side of the split."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from usassist.core.data.dataset import with_splits
from usassist.core.data.example import Example
from usassist.core.data.few_shot import choose
from usassist.core.data.objects import RegionTruth
from usassist.core.data.project_examples import learned_labels, project_examples, target_of
from usassist.core.domain import Label, Region
from usassist.core.project.store import open_project

LEAST_SHOWING = 5
"""With fewer frames that show the object, one image decides what is learned and another one how good it is."""
LEAST_FILES = 2
"""Frames of one file stay on one side of the split, so a single file leaves nothing to validate on."""
FEW_TO_VALIDATE = 10
"""Below this many validation frames a mean Dice says little: one frame moves it by a tenth."""


@dataclass(frozen=True, slots=True)
class Sides:
    """How many frames a training would learn from and validate on, and how many of each show the object."""

    train: int
    val: int
    train_showing: int
    val_showing: int


@dataclass(frozen=True)
class AcceptedFrames:
    """The accepted frames of a project, of every reader.

    `labels` are the project's with the number of frames that carry each. `learned` is the label that a training of one
    object learns (with those that mean the same), `target` what the vocabulary calls it, "" where it does not know it.
    `nothing` frames are accepted as showing nothing, `others` show other labels only and are left out. Of the learned
    `outlines` so many are `unchanged`: as an engine proposed them, corrected by nobody. `examples` are the frames to
    train with, every one with its split.
    """

    labels: tuple[tuple[Label, int], ...]
    learned: Label | None
    target: str
    nothing: int
    others: int
    outlines: int
    unchanged: int
    examples: tuple[Example, ...]

    @property
    def showing(self) -> int:
        """Return how many frames show what is learned."""
        return sum(_shows(example) for example in self.examples)

    @property
    def files(self) -> int:
        """Return from how many files the frames come."""
        return len({example.source.path for example in self.examples})

    def sides(self, *, ratio: float | None = None, per_class: int | None = None, seed: int = 0) -> Sides:
        """Count both sides of the split, the train side thinned as `few_shot.choose` does. Raises TrainingError."""
        chosen: Sequence[Example] = self.examples
        if chosen and any(example.split == "train" for example in chosen):
            chosen = choose(chosen, ratio=ratio, per_class=per_class, seed=seed)
        train = [example for example in chosen if example.split == "train"]
        val = [example for example in chosen if example.split == "val"]
        return Sides(len(train), len(val), sum(map(_shows, train)), sum(map(_shows, val)))

    def shortage(self) -> str:
        """Return a sentence about what is missing before a training makes sense, "" where it does."""
        name = self.learned.name if self.learned is not None else "an object"
        if self.showing < LEAST_SHOWING:
            more = LEAST_SHOWING - self.showing
            are = "1 does" if self.showing == 1 else f"{self.showing} do"
            needed = f"Training needs at least {LEAST_SHOWING} accepted frames that show {name}"
            return f"{needed}; {are}. Accept {more} more."
        if self.files < LEAST_FILES:
            return (
                f"All accepted frames come from one file, so none is left to validate on. Accept frames of at least "
                f"{LEAST_FILES} files."
            )
        return ""


def accepted_frames(root: Path) -> AcceptedFrames:
    """Count the accepted frames of a project as training would use them; reads every annotation, decodes no image.

    Training also keeps near-duplicate files on one side, which only the images tell: its sides may differ for those.
    Raises ProjectError and TrainingError.
    """
    project = open_project(root)
    every = project_examples(root, every_object=True)
    wanted = learned_labels(project)
    carried = [_label_ids(example) for example in every]
    counts = Counter(label_id for ids in carried for label_id in ids)
    used = [example for example, ids in zip(every, carried, strict=True) if not ids or ids & wanted]
    learned = [region for example in used for region in _regions(example) if region.label_id in wanted]
    first = project.labels[0] if project.labels else None
    return AcceptedFrames(
        labels=tuple((label, counts[label.id]) for label in project.labels),
        learned=first,
        target=target_of(first) if first is not None else "",
        nothing=sum(not ids for ids in carried),
        others=len(every) - len(used),
        outlines=len(learned),
        unchanged=sum(region.origin == "engine" and not region.edited for region in learned),
        examples=tuple(with_splits(used)) if used else (),
    )


def _regions(example: Example) -> tuple[Region, ...]:
    truth = example.object_truth
    return truth.regions if isinstance(truth, RegionTruth) else ()


def _label_ids(example: Example) -> frozenset[str]:
    return frozenset(region.label_id for region in _regions(example))


def _shows(example: Example) -> bool:
    return bool(_label_ids(example))
