"""From a recipe and data to a run folder."""

import contextlib
import dataclasses
import functools
import importlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypedDict, cast

import torch
import torch.distributed as dist

from usassist.core.data.dataset import Example, with_splits
from usassist.core.data.few_shot import choose
from usassist.core.data.folds import fold
from usassist.core.errors import TrainingError
from usassist.core.models.build import Model, build_model
from usassist.core.models.config import CONFIG_FILE, WEIGHTS_FILE, ModelConfig
from usassist.core.models.device import resolve
from usassist.core.models.weights import fill, save_model
from usassist.core.project.atomic import make_folder, write_bytes
from usassist.core.training.checkpoint import Checkpoint, read_checkpoint, restore, save_checkpoint
from usassist.core.training.config import TrainConfig, read_recipe, to_toml
from usassist.core.training.distributed import Shard, joined_processes
from usassist.core.training.loop import EpochReport, TrainState, new_state, train_epochs
from usassist.core.training.memory import keep_freed_memory
from usassist.core.training.metrics_log import METRICS_FILE, MetricsLog
from usassist.core.training.provenance import provenance
from usassist.core.training.start import Start, describe_model, find_start, first_model, without_paths
from usassist.core.training.task import OnProgress, Task, TaskModule

logger = logging.getLogger(__name__)
RECIPE_FILE = "config.toml"
DATA_FILE = "data.json"
_LOCK_FILE = ".run.lock"

TaskName = Literal["segment", "classify", "contrast"]
TASKS: dict[TaskName, str] = {
    "segment": "usassist.core.training.segmentation",
    "classify": "usassist.core.training.classification",
    "contrast": "usassist.core.training.contrastive",
}
"""Kinds of training, and the modules (`training.task.TaskModule`) that know them; imported when asked for."""

OnEpoch = Callable[[EpochReport], None]


class Told(TypedDict):
    """What `train` and `resume` both take: the task, the device, and whom to tell how it goes."""

    task: TaskName
    device: str
    on_epoch: OnEpoch | None
    on_progress: OnProgress | None


class Save(Protocol):
    """Writes the averaged weights with a description, as a model that can be added."""

    def __call__(self, *, config: ModelConfig) -> None: ...


@dataclass(frozen=True)
class RunResult:
    """What a finished or interrupted run leaves: its folder, epochs done, the best validation score, failures."""

    folder: Path
    epochs: int
    best: float
    interrupted: bool
    failed: tuple[str, ...]


def train(
    recipe: Path,
    data: Sequence[Path],
    out: Path,
    *,
    task: TaskName,
    overrides: Sequence[str] = (),
    device: str = "auto",
    on_epoch: OnEpoch | None = None,
    on_progress: OnProgress | None = None,
) -> RunResult:
    """Start a run in a new folder. Raises TrainingError and ModelError."""
    config = read_recipe(recipe, overrides=overrides)
    if config.task not in ("", task):
        raise TrainingError(f"{recipe} is a recipe to {config.task}; run `usassist-train {config.task} {recipe}`.")
    config = dataclasses.replace(config, task=task)
    if not data:
        raise TrainingError("No data was given; add --data FOLDER (a dataset folder or a usassist project).")
    _require_free(out)
    with joined_processes(device) as (shard, place), _locked(out, shard):
        if shard.is_first:
            write_bytes(out / RECIPE_FILE, to_toml(_without_paths(config)).encode(), error=TrainingError)
            folders = json.dumps([str(path.resolve()) for path in data], indent=1)
            write_bytes(out / DATA_FILE, folders.encode(), error=TrainingError)
        run = _Run(config, data, out, shard, resolve(place), on_epoch, on_progress)
        return run.go(resumed=None)


def resume(
    run: Path,
    *,
    task: TaskName | None = None,
    device: str = "auto",
    on_epoch: OnEpoch | None = None,
    on_progress: OnProgress | None = None,
) -> RunResult:
    """Continue a run from its last finished epoch, on the data it was started with.

    The run knows its task; with `task` another one is refused. Raises TrainingError and ModelError.
    """
    if not (run / RECIPE_FILE).is_file():
        raise TrainingError(f"{run} is not a run: it holds no {RECIPE_FILE}.")
    config = read_recipe(run / RECIPE_FILE)
    if task not in (None, config.task or "segment"):
        raise TrainingError(f"{run} is a run to {config.task}; continue it with `usassist-train {config.task}`.")
    config = dataclasses.replace(config, task=config.task or "segment")
    data = _listed_data(run / DATA_FILE)
    with joined_processes(device) as (shard, place), _locked(run, shard):
        return _Run(config, data, run, shard, resolve(place), on_epoch, on_progress).go(resumed=read_checkpoint(run))


def task_module(name: TaskName) -> TaskModule:
    """Return the module that knows a kind of training."""
    return cast("TaskModule", importlib.import_module(TASKS[name]))


@dataclass(frozen=True)
class _Run:
    """One run on one process."""

    config: TrainConfig
    data: Sequence[Path]
    out: Path
    shard: Shard
    device: torch.device
    on_epoch: OnEpoch | None
    on_progress: OnProgress | None

    def go(self, *, resumed: Checkpoint | None) -> RunResult:
        """Train, from the beginning or from a checkpoint, to the end or to an interrupt; leave the best weights."""
        config = self.config
        if config.threads:
            torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        keep_freed_memory()
        module = task_module(config.task or "segment")
        unread: list[str] = []
        examples = self._examples(module, unread)
        if resumed is None:
            start = find_start(config)
            description = self._describe(module, examples, start)
            model, clip_folder = first_model(description, config, start), start.folder
            description = without_paths(description, start, self.out)
        else:
            description, clip_folder = resumed.config, self.out
            _require_same_data(self.out, description, provenance(examples, self.data, task=config.task))
            model = build_model(description, folder=self.out)
        state = new_state(model.to(self.device, memory_format=torch.channels_last), config)  # type: ignore[call-overload]
        save = functools.partial(save_model, state.average, self.out, clip_folder=clip_folder)
        if resumed is not None:
            restore(state, resumed)
        task = module.build(config, state.model, examples, shard=self.shard, on_progress=self.on_progress)
        logger.info("%s: %s on %s", config.task, json.dumps(task.describe()), self.device)
        interrupted = self._train(state, task, description, save)
        if self.shard.is_first:
            self._finish(state, task, description, save, interrupted=interrupted)
        return RunResult(self.out, state.epoch, state.best, interrupted, (*unread, *task.failed))

    def _examples(self, module: TaskModule, unread: list[str]) -> list[Example]:
        """List the examples, every one with its split: the data's, or a fold's; then thinned to a few shots."""
        examples = module.read(self.data, self.config, failed=unread)
        cross, few = self.config.fold, self.config.few_shot
        examples = fold(examples, k=cross.k, index=cross.index, seed=cross.seed) if cross.k else with_splits(examples)
        return choose(
            examples,
            ratio=few.ratio or None,
            per_class=few.per_class or None,
            seed=few.seed,
            thin_val=few.thin_val,
        )

    def _describe(self, module: TaskModule, examples: Sequence[Example], start: Start) -> ModelConfig:
        config = self.config
        few = config.few_shot.ratio or config.few_shot.per_class
        return describe_model(
            config,
            start,
            task=module.MODEL_TASK,
            classes=module.classes(examples, config),
            captions=[example.caption for example in examples if example.split == "train"],
            provenance=provenance(
                examples,
                self.data,
                task=config.task,
                **start.provenance,
                **({"few_shot": dataclasses.asdict(config.few_shot)} if few else {}),
                **({"fold": dataclasses.asdict(config.fold)} if config.fold.k else {}),
                **({"processes": self.shard.world} if self.shard.world > 1 else {}),
            ),
        )

    def _train(self, state: TrainState[Model], task: Task[Any], description: ModelConfig, save: Save) -> bool:
        """Run the loop, writing what each epoch reaches; returns whether it was interrupted."""
        with MetricsLog(self.out, tensorboard=self.config.tensorboard and self.shard.is_first) as log:
            if self.shard.is_first:
                log.keep(state.epoch)

            def finish_epoch(report: EpochReport, is_best: bool) -> None:
                if not self.shard.is_first:
                    return
                if is_best:
                    save(config=description)
                log.add(report)
                save_checkpoint(state, self.out, config=description)
                if self.on_epoch is not None:
                    self.on_epoch(report)

            try:
                train_epochs(
                    *(state, task, self.config),
                    device=self.device,
                    on_epoch=finish_epoch,
                    shard=self.shard,
                    on_progress=self.on_progress,
                )
            except KeyboardInterrupt:
                logger.warning("Stopped after epoch %d; what was best so far is kept.", state.epoch)
                return True
        return False

    def _finish(
        self, state: TrainState[Model], task: Task[Any], description: ModelConfig, save: Save, *, interrupted: bool
    ) -> None:
        """Calibrate the best weights on validation data and write them out with it."""
        if (self.out / WEIGHTS_FILE).is_file():
            fill(state.average, self.out / WEIGHTS_FILE)
            save(config=task.finished(state.average, description))
        elif not interrupted:
            raise TrainingError(
                f"No epoch of {self.out} gave a finite score, so there is no model; lower lr and start again."
            )


def _without_paths(config: TrainConfig) -> TrainConfig:
    """Name the models that a recipe starts from instead of saying where they lay; a run knows them by their hash."""
    base, start = ((Path(place).name or place) for place in (config.encoder.base, config.start_from))
    return dataclasses.replace(config, start_from=start, encoder=dataclasses.replace(config.encoder, base=base))


@contextlib.contextmanager
def _locked(out: Path, shard: Shard) -> Iterator[None]:
    """Keep a second run out of the folder; the operating system lets go when this process ends, however it ends."""
    if shard.world > 1:
        dist.barrier()  # everyone has looked at the folder before anyone writes there
    if not shard.is_first:
        yield
        return
    import filelock

    make_folder(out, error=TrainingError)
    try:
        with filelock.FileLock(out / _LOCK_FILE, timeout=0):
            yield
    except filelock.Timeout as error:
        raise TrainingError(
            f"Another process trains in {out} already; wait until it has finished, or name another folder with --out."
        ) from error


def _require_free(out: Path) -> None:
    if (out / METRICS_FILE).exists():
        raise TrainingError(f"{out} holds a run already; continue it with --resume {out}, or name another with --out.")
    if (out / WEIGHTS_FILE).exists() or (out / CONFIG_FILE).exists():
        raise TrainingError(f"{out} holds a model, which a run would overwrite; name another folder with --out.")


def _listed_data(path: Path) -> list[Path]:
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(f"{path} cannot be read ({error}); start a new run with --out.") from error
    if not isinstance(listed, list) or not all(isinstance(folder, str) for folder in listed):
        raise TrainingError(f"{path} is not a list of folders; start a new run with --out.")
    return [Path(folder) for folder in listed]


def _require_same_data(run: Path, before: ModelConfig, now: dict[str, Any]) -> None:
    """Refuse to go on with other images: neither the schedule nor what was measured would mean anything."""
    if before.provenance.get("data_fingerprint") not in (None, now["data_fingerprint"]):
        raise TrainingError(
            f"The data of {run} changed since it was started; start a new run, from its weights if you like: "
            f"--set start_from={run}."
        )
