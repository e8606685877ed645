"""The trainings behind a comparison: one folder each, so that what is finished is never done again."""

import hashlib
import json
import logging
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from usassist.core.errors import TrainingError
from usassist.core.evaluation.comparison import Setting
from usassist.core.evaluation.curves import METRICS_FILE
from usassist.core.models.config import CONFIG_FILE, WEIGHTS_FILE
from usassist.core.project.atomic import make_folder, write_bytes

if TYPE_CHECKING:
    from usassist.core.cli.trial_scores import Asked
    from usassist.core.training.config import TrainConfig
    from usassist.core.training.loop import EpochReport
    from usassist.core.training.run import RunResult
    from usassist.core.training.task import TaskName

logger = logging.getLogger(__name__)
TRIAL_FILE = "trial.json"
_LEARNED = "learned"
"""The key of the fingerprint of the images learned from, as they were divided."""
FOLD_SEED = 0
"""The folds are the same for every recipe and seed: that is what makes them comparable."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One training: a recipe under a setting with a seed, in a folder of its own; `fold` is (which, of how many)."""

    recipe: Path
    setting: Setting
    seed: int
    folder: Path
    fold: tuple[int, int] | None = None

    @property
    def name(self) -> str:
        """Return what the trial is called in lines for people."""
        fold = "" if self.fold is None else f"fold {self.fold[0]}"
        return ", ".join(part for part in (self.recipe.stem, self.setting.name, f"seed {self.seed}", fold) if part)

    def overrides(self, given: Sequence[str]) -> list[str]:
        """Return the changes of the recipe: those given, then what makes this trial."""
        own = [f"seed={self.seed}"]
        if self.setting.ratio is not None:
            own += [f"few_shot.ratio={self.setting.ratio}", f"few_shot.seed={self.seed}"]
        if self.setting.shots is not None:
            own += [f"few_shot.per_class={self.setting.shots}", f"few_shot.seed={self.seed}"]
        if self.fold is not None:
            own += [f"fold.k={self.fold[1]}", f"fold.index={self.fold[0]}", f"fold.seed={FOLD_SEED}"]
        return [*given, *own]


def plan(recipes: Sequence[Path], settings: Sequence[Setting], *, seeds: int, out: Path, folds: int = 0) -> list[Trial]:
    """Return every trial, recipe by recipe; raises TrainingError where two recipes would share a folder."""
    names = [recipe.stem for recipe in recipes]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise TrainingError(
            f"Two recipes are called {twice[0]!r}; their runs need folders of their own: rename one file."
        )
    trials: list[Trial] = []
    for recipe in recipes:
        for setting in settings:
            for seed in range(seeds):
                folder = out / recipe.stem / _folder_name(setting) / f"seed{seed}"
                parts = [Trial(recipe, setting, seed, folder / f"fold{i}", (i, folds)) for i in range(folds)]
                trials += parts or [Trial(recipe, setting, seed, folder)]
    return trials


def look_for_near_duplicates(recipes: Sequence[Path], overrides: Sequence[str]) -> bool:
    """Return whether the recipes' trainings do: what is scored has to be divided as they divide it.

    Raises TrainingError where some do and some do not. A recipe that cannot be read has no say; its training fails.
    """
    from usassist.core.training.config import read_recipe

    wanted = {}
    for recipe in recipes:
        try:
            wanted[recipe] = read_recipe(recipe, overrides=overrides).split.near_duplicates != "off"
        except TrainingError:
            continue
    if len(set(wanted.values())) > 1:
        without = next(recipe for recipe, looks in wanted.items() if not looks)
        raise TrainingError(
            f'{without} has split.near_duplicates = "off" and others have not, so their splits may differ; make them '
            "agree with --set split.near_duplicates=join."
        )
    return all(wanted.values())


def _folder_name(setting: Setting) -> str:
    if setting.ratio is not None:
        return f"ratio-{setting.ratio:g}"
    return "" if setting.shots is None else f"shots-{setting.shots}"


def train_trial(
    trial: Trial,
    data: Sequence[Path],
    *,
    overrides: Sequence[str],
    asked: "Asked",
    device: str,
    on_epoch: "Callable[[EpochReport], None] | None" = None,
) -> "RunResult | None":
    """Train what is not trained yet: start, or go on after an interruption; None where it was finished before.

    Raises TrainingError where the folder holds a training with another recipe, on other data or divided otherwise.
    """
    from usassist.core.training import run as training
    from usassist.core.training.checkpoint import CHECKPOINT_FILE
    from usassist.core.training.config import read_recipe

    changes = trial.overrides(overrides)
    config = read_recipe(trial.recipe, overrides=changes)
    if config.fold.k and trial.fold is None:
        raise TrainingError(f"{trial.recipe} trains fold {config.fold.index} of {config.fold.k}; use --folds instead.")
    identity = {
        "recipe": hashlib.sha256(_settings(trial.recipe, changes).encode()).hexdigest(),
        "data": asked.data_fingerprint,
        _LEARNED: asked.learned(trial, config),
    }
    found = _read(trial.folder)
    # Earlier versions did not say what was learned; the model does, and is asked when it is scored.
    known = None if found is None else {_LEARNED: identity[_LEARNED], **found}
    if known is not None and {name: known.get(name) for name in identity} != identity:
        raise TrainingError(
            f"{trial.folder} holds a training with another recipe or --set, on other data, or on data that was divided "
            "otherwise; give another --out, or remove it."
        )
    finished = found is not None and bool(found.get("finished"))
    _write(trial.folder, {**identity, "finished": finished})
    if finished:
        return None
    if (trial.folder / CHECKPOINT_FILE).is_file():
        result = training.resume(trial.folder, device=device, on_epoch=on_epoch)
    else:
        if found is not None:
            _clear(trial.folder)
        result = training.train(
            trial.recipe,
            data,
            trial.folder,
            task=_task(config),
            overrides=changes,
            device=device,
            on_epoch=on_epoch,
        )
    if not result.interrupted:
        _write(trial.folder, {**identity, "finished": True})
    return result


def learned_of(folder: Path) -> str | None:
    """Return the fingerprint of what the trial in a folder is to learn from, None where nothing says so."""
    return (_read(folder) or {}).get(_LEARNED)


def _settings(recipe: Path, changes: Sequence[str]) -> str:
    """Return what a recipe says and what was changed, as a text that comments and defaults are no part of."""
    with recipe.open("rb") as file:
        return json.dumps([tomllib.load(file), list(changes)], sort_keys=True, default=str)


def _task(config: "TrainConfig") -> "TaskName":
    """Return what a recipe is for: what it says itself, else what its head answers with."""
    if config.task:
        return config.task
    heads: dict[str, TaskName] = {"pooled": "classify", "none": "contrast"}
    return heads.get(config.head.kind, "segment") if config.head else "segment"


def _clear(folder: Path) -> None:
    """Remove what a training left that was interrupted before its first checkpoint: there is nothing to go on from."""
    for name in (METRICS_FILE, CONFIG_FILE, WEIGHTS_FILE):
        (folder / name).unlink(missing_ok=True)


def _read(folder: Path) -> dict[str, Any] | None:
    path = folder / TRIAL_FILE
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(f"{path} cannot be read ({error}); remove {folder} to train it again.") from error
    return found if isinstance(found, dict) else {}


def _write(folder: Path, document: dict[str, Any]) -> None:
    make_folder(folder, error=TrainingError)
    write_bytes(folder / TRIAL_FILE, (json.dumps(document, indent=1) + "\n").encode(), error=TrainingError)
