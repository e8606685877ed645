"""The trainings that led to a model, as a model card tells them: how long, how far, and what was left out."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from usassist.core.errors import UsassistError
from usassist.core.evaluation.curves import read_epochs
from usassist.core.evaluation.stored import text_of

_READING = (ValueError, TypeError, KeyError, AttributeError, RecursionError, UsassistError)


@dataclass(frozen=True, slots=True)
class NearDuplicates:
    """What a training did about near-duplicates: its setting, the pairs on two sides of a split, images left out."""

    setting: str
    across: int
    left_out: int

    @property
    def sentence(self) -> str:
        """Return what was found and what was done about it."""
        if not self.across:
            return "no pair stood in two of the data's splits"
        pairs = "1 pair" if self.across == 1 else f"{self.across} pairs"
        images = {0: "no image was", 1: "1 image was"}.get(self.left_out, f"{self.left_out} images were")
        return f"{pairs} stood in two of the data's splits (train, val, test); {images} left out of the training for it"


@dataclass(frozen=True, slots=True)
class Run:
    """A training that led to the model: its folder's name, its last epoch, and how many hours, validation included.

    `of` is how many epochs its recipe asks for, None where it is not known.
    """

    name: str
    epochs: int
    hours: float
    of: int | None = None
    near_duplicates: NearDuplicates | None = None

    @property
    def reached(self) -> str:
        """Return how many epochs there were, and of how many planned ones where that is known.

        >>> Run("r", 12, 0.5, of=12).reached, Run("r", 49, 1.3, of=60).reached, Run("r", 3, 0.1).reached
        ('all 12', '49 of 60', '3')
        """
        if self.of is None:
            return str(self.epochs)
        return f"all {self.epochs}" if self.epochs >= self.of else f"{self.epochs} of {self.of}"


def read_run(folder: Path) -> Run | None:
    """Return what a run's folder tells, None where it holds no metrics.jsonl. Other files may be missing or broken."""
    epochs = read_epochs(folder)
    if not epochs:
        return None
    return Run(
        folder.resolve().name,
        epochs[-1].number,
        sum(epoch.seconds for epoch in epochs) / 3600,
        of=_planned(folder / "config.toml"),
        near_duplicates=_left_out(folder / "leakage.json"),
    )


def declared_near_duplicates(provenance: Mapping[str, Any]) -> NearDuplicates | None:
    """Return what a model's own description says about near-duplicates, None where it says nothing."""
    try:
        said = provenance["near_duplicates"]
        return NearDuplicates(str(said["setting"]), int(said["across"]), int(said["left_out"]))
    except (ValueError, TypeError, KeyError):
        return None


def _planned(recipe: Path) -> int | None:
    try:
        return int(tomllib.loads(text_of(recipe))["epochs"])
    except _READING:
        return None


def _left_out(path: Path) -> NearDuplicates | None:
    try:
        said = json.loads(text_of(path))
        across, left_out = int(said["leaks"]["near_duplicates"]), len(list(said["left_out"]))
        return NearDuplicates(str(said["near_duplicates_setting"]), across, left_out)
    except _READING:
        return None
