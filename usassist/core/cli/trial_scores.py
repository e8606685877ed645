"""What a comparison's trainings are scored on, and the scores."""

import logging
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from usassist.core.cli.trials import FOLD_SEED, Trial, learned_of
from usassist.core.data.dataset import (
    Example,
    fingerprint,
    groups_of,
    linked,
    load,
    undeclared_twins,
    with_splits,
)
from usassist.core.data.divide import Division, NearDuplicates, divide
from usassist.core.data.folds import folds as divide_in_folds
from usassist.core.data.near_duplicates import NearPair
from usassist.core.errors import TrainingError, UsassistError
from usassist.core.evaluation.comparison import Trained
from usassist.core.evaluation.curves import read_epochs
from usassist.core.evaluation.stored import Image, StoredReport, pooled, read_report
from usassist.core.models.config import ModelConfig

if TYPE_CHECKING:
    from usassist.core.models.weights import ModelInfo
    from usassist.core.training.config import TrainConfig

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Images:
    """The images of one dataset that a comparison is about, for each fold (one part where there are no folds).

    `split` is "all" where the dataset declares none. `warning` is a sentence that speaks against the scores, or "".
    """

    name: str
    split: str
    parts: tuple[tuple[Example, ...], ...]
    warning: str = ""

    def of(self, trial: Trial) -> tuple[Example, ...]:
        """Return the images that a trial is scored on."""
        return self.parts[0 if trial.fold is None else trial.fold[0]]

    def groups(self) -> dict[Image, str]:
        """Return the group of each image."""
        return {(e.source.relative, e.frame): e.group for part in self.parts for e in part}


@dataclass(frozen=True, eq=False)
class Asked:
    """What a comparison is about: the images to score, and `data`, all that is trained on, with its near-duplicates."""

    images: tuple[Images, ...]
    data: tuple[Example, ...]
    twins: tuple[NearPair, ...] = ()

    @property
    def data_fingerprint(self) -> str:
        """Return the fingerprint of all that is trained on, as it lies there: not divided yet."""
        return fingerprint(self.data)

    def scored(self) -> dict[str, list[str]]:
        """Return the fingerprint of what is scored of each dataset, for each fold."""
        return {images.name: [fingerprint(part) for part in images.parts] for images in self.images}

    def learned(self, trial: Trial, config: "TrainConfig") -> str:
        """Return the fingerprint of what a trial learns from where it is divided as it is scored.

        It is that of its model's provenance, or an image that is scored may be one that it learned. Raises
        TrainingError.
        """
        from usassist.core.training.division import learned_fingerprint, thinned

        division = _division(self, config.split.near_duplicates, trial.fold)
        return learned_fingerprint(thinned(division.examples, config.few_shot))


@lru_cache(maxsize=16)
def _division(asked: Asked, near_duplicates: NearDuplicates, fold: tuple[int, int] | None) -> Division:
    """Divide all that is trained on: once, however many recipes and seeds train on it."""
    index, count = fold or (0, 0)
    return divide(
        asked.data,
        near_duplicates=near_duplicates,
        folds=count,
        index=index,
        seed=FOLD_SEED,
        twins=asked.twins,
    )


def images_to_score(
    data: Sequence[Path], others: Sequence[Path], *, split: str, folds: int = 0, near_duplicates: bool = True
) -> Asked:
    """Return the images of `split` of each dataset in `data`, divided as the training divides them, then of the others.

    Of a dataset in `others` that declares no splits all images are taken: nothing was trained on it. `near_duplicates`
    looks for those that no group declares, as the training does unless its recipe says "off". Raises TrainingError
    where a dataset has no image in that split, or two have one name.
    """
    lists = [load(path) for path in data]
    together = [example for part in lists for example in part]
    twins = undeclared_twins(together) if near_duplicates else []
    if folds:
        divided = divide_in_folds(together, k=folds, seed=FOLD_SEED, twins=twins)
    else:
        divided = [with_splits(together, twins=twins)]
    found, first = [], 0
    for path, part in zip(data, lists, strict=True):
        mine = slice(first, first + len(part))
        first += len(part)
        parts = tuple(_of_split(examples[mine], split) for examples in divided)
        found.append(Images(path.resolve().name, split, parts))
    for path in others:
        examples = load(path)
        declared = any(example.split for example in examples)
        chosen = _of_split(examples, split) if declared else tuple(examples)
        name = path.resolve().name
        warning = _shared(divided, chosen, name, near_duplicates=near_duplicates)
        found.append(Images(name, split if declared else "all", (chosen,), warning))
    for images in found:
        if not all(images.parts):
            raise TrainingError(f"{images.name} has no image in the split {split!r}; choose another with --split.")
        if sum(other.name == images.name for other in found) > 1:
            raise TrainingError(f"Two datasets are called {images.name!r}; give each folder a name of its own.")
    return Asked(tuple(found), tuple(together), tuple(twins))


def _shared(
    divided: Sequence[Sequence[Example]], others: Sequence[Example], name: str, *, near_duplicates: bool
) -> str:
    """Say how many images of another dataset are, by patient, near-duplicate or bytes, among those trained on."""
    used = [example for examples in divided for example in examples if example.split in ("train", "val")]
    both = [*used, *others]
    groups = linked(groups_of(both), undeclared_twins(both) if near_duplicates else [])
    seen = set(groups[: len(used)])
    shared = sum(group in seen for group in groups[len(used) :])
    if not shared:
        return ""
    return (
        f"{shared} of {len(others)} images of {name} share a patient, a group of near-duplicates or a file with images "
        "that are trained or validated on; their scores flatter."
    )


def _of_split(examples: Sequence[Example], split: str) -> tuple[Example, ...]:
    return tuple(example for example in examples if split in ("all", example.split))


def evaluate_trial(trial: Trial, images: Images, *, device: str, quiet: bool) -> StoredReport:
    """Score a trained model on images, with a report in its folder; an evaluation that is there already is read.

    Raises UsassistError where the model cannot run or no image could be evaluated, and where it learned from other
    images than its trial says.
    """
    from usassist.core.cli.engine import engine
    from usassist.core.cli.harness import evaluate_examples
    from usassist.core.evaluation.report import write_report
    from usassist.core.models.weights import find_model
    from usassist.core.proposers import DEFAULT_ENGINE

    out = trial.folder / "evaluation" / f"{images.name}-{images.split}"
    examples = list(images.of(trial))
    try:
        before = read_report(out)
    except UsassistError:
        before = None
    model = find_model(str(trial.folder))
    _require_division(trial, model)
    asked = (model.weights_hash, fingerprint(examples))
    if before is not None and (before.weights_hash, before.data_fingerprint) == asked:
        return before
    chosen = Namespace(
        model=str(trial.folder), engine=DEFAULT_ENGINE, prompt=None, device=device, threshold=None, precision="fp32"
    )
    with engine(chosen) as built:
        evaluation, facts = evaluate_examples(built, examples, quiet=quiet)
    for name, reason in facts.failed:
        logger.warning("%s: %s was not evaluated: %s", trial.name, name, reason)
    write_report(out, evaluation, replace(facts, data=images.name, split=images.split))
    return read_report(out)


def _require_division(trial: Trial, model: "ModelInfo") -> None:
    provenance = model.config.provenance if model.config is not None else {}
    if provenance.get("data_fingerprint") != learned_of(trial.folder):
        raise TrainingError(
            f"The model in {trial.folder} learned from other images than this comparison trains on, or from images "
            "divided otherwise, so it may have learned some that are scored; give another --out, or remove the folder."
        )


def as_trained(scored: Sequence[tuple[Trial, StoredReport]]) -> Trained:
    """Return what a comparison needs to know of one seed: one training, or those of all folds taken together."""
    trial, report = scored[0]
    if trial.fold is not None:
        report = pooled([part for _, part in scored])
    return Trained(trial.seed, report, read_epochs(trial.folder))


def count_parameters(folder: Path) -> tuple[int, int]:
    """Return how many parameters of a trained model learned, and how many it has. Raises ModelError, TrainingError."""
    from usassist.core.models.adapt import select_trainable
    from usassist.core.models.build import build_model
    from usassist.core.training.config import read_recipe
    from usassist.core.training.run_folder import RECIPE_FILE

    config = ModelConfig.read(folder)
    model = build_model(config, folder=folder)
    select_trainable(model, config.adapter, trainable=read_recipe(folder / RECIPE_FILE).trainable)
    counted = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return sum(n for n, learns in counted if learns), sum(n for n, _ in counted)
