"""From a recipe and data to a run folder."""

import dataclasses
import functools
import itertools
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypedDict

import torch

from usassist.core.data.dataset import Example
from usassist.core.data.divide import Division
from usassist.core.errors import TrainingError, UsassistError
from usassist.core.models.adding import file_hash
from usassist.core.models.build import Model, build_model
from usassist.core.models.config import WEIGHTS_FILE, ModelConfig
from usassist.core.models.device import resolve
from usassist.core.models.memory import keep_freed_memory
from usassist.core.models.weights import fill, is_saved, save_model
from usassist.core.project.atomic import write_bytes
from usassist.core.training.checkpoint import Checkpoint, read_checkpoint, restore, save_checkpoint
from usassist.core.training.config import TrainConfig, read_recipe, stated
from usassist.core.training.description import describe_model, say_adapter, without_paths
from usassist.core.training.distributed import Shard, joined_processes, wait_for_all
from usassist.core.training.division import divided, thinned
from usassist.core.training.familiarity import kept_familiarity
from usassist.core.training.fitting import require_drawn_classes, require_early_size
from usassist.core.training.interrupts import held_signals
from usassist.core.training.learned import learned_targets
from usassist.core.training.loop import EpochReport, TrainState, new_state, train_epochs
from usassist.core.training.metrics_log import MetricsLog
from usassist.core.training.provenance import provenance, require_same_data
from usassist.core.training.run_folder import has_checkpoint, locked, read_beginning, require_free, write_beginning
from usassist.core.training.start import Start, find_start, first_model, say_colours, with_colours
from usassist.core.training.task import OnProgress, Task, TaskModule, TaskName, task_module

logger = logging.getLogger(__name__)
LEAKAGE_FILE = "leakage.json"

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
    """What a finished or interrupted run leaves: its folder, epochs done, the validation of what is kept, failures.

    `best`, that validation, is not finite where nothing was validated; `selected_by` names it: "score", or "loss"
    (lower is better).
    """

    folder: Path
    epochs: int
    best: float
    interrupted: bool
    failed: tuple[str, ...]
    selected_by: str = "score"


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
    """Start a run in a new folder, or in that of a run that finished no epoch. Raises TrainingError and ModelError."""
    config = read_recipe(recipe, overrides=overrides)
    if config.task not in ("", task):
        raise TrainingError(f"{recipe} is a recipe to {config.task}; run `usassist-train {config.task} {recipe}`.")
    config = dataclasses.replace(config, task=task)
    keys = stated(recipe, overrides=overrides)
    if not data:
        raise TrainingError("No data was given; add --data FOLDER (a dataset folder or a usassist project).")
    start = find_start(config)
    require_free(out)
    with joined_processes(device) as (shard, place), locked(out, shard):
        config = with_colours(config, start, stated=keys)
        if shard.is_first and (said := say_colours(config, start)):
            logger.warning("%s", said)
        return _Run(config, data, out, shard, resolve(place), on_epoch, on_progress).go(resumed=None)


def resume(
    run: Path,
    *,
    task: TaskName | None = None,
    device: str = "auto",
    on_epoch: OnEpoch | None = None,
    on_progress: OnProgress | None = None,
) -> RunResult:
    """Continue a run from its last finished epoch, on the data it was started with; without one it begins again.

    The run knows its task; with `task` another one is refused. Raises TrainingError and ModelError.
    """
    config, data = read_beginning(run)
    if task not in (None, config.task or "segment"):
        raise TrainingError(f"{run} is a run to {config.task}; continue it with `usassist-train {config.task}`.")
    config = dataclasses.replace(config, task=config.task or "segment")
    with joined_processes(device) as (shard, place), locked(run, shard):
        found = read_checkpoint(run) if has_checkpoint(run) else None
        if found is None and shard.is_first:
            logger.warning("%s finished no epoch; it begins again with the recipe and the data it has kept.", run)
        return _Run(config, data, run, shard, resolve(place), on_epoch, on_progress).go(resumed=found)


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
        division = self._divided(module, unread)
        examples = thinned(division.examples, config.few_shot)
        require_drawn_classes(config, division.examples)
        if resumed is None:
            model, description, clip_folder = self._begin(module, examples, division.counts())
        else:
            description, clip_folder = resumed.config, self.out
            require_same_data(self.out, description, provenance(examples, self.data, task=config.task))
            model = build_model(description, folder=self.out)
        require_early_size(config, model)
        if self.shard.is_first:  # of a run that goes on, as it is not refused
            document = json.dumps(division.document, indent=1) + "\n"
            write_bytes(self.out / LEAKAGE_FILE, document.encode(), error=TrainingError)
        state = new_state(model.to(self.device, memory_format=torch.channels_last), config)  # type: ignore[call-overload]
        save = functools.partial(save_model, state.average, self.out, clip_folder=clip_folder)
        if resumed is not None:
            restore(state, resumed)
        task = module.build(config, state.model, examples, shard=self.shard, on_progress=self.on_progress)
        description = dataclasses.replace(
            description, provenance={**description.provenance, "training": task.describe()}
        )
        logger.info("%s: %s on %s", config.task, json.dumps(task.describe()), self.device)
        is_kept = self.shard.is_first and 0 < state.epoch == state.best_epoch
        if is_kept and not is_saved(state.average, self.out, config=description):
            save(config=description)  # the process was killed between its checkpoint and its model
        interrupted = self._train(state, task, description, save)
        if self.shard.is_first:
            with held_signals():  # impatience, Ctrl+C again and again, must not cost the model its calibration
                self._finish(state, task, description, save, interrupted=interrupted)
        if not interrupted:
            wait_for_all()
        best = -state.best if task.selected_by == "loss" else state.best
        return RunResult(self.out, state.epoch, best, interrupted, (*unread, *task.failed), task.selected_by)

    def _begin(
        self, module: TaskModule, examples: Sequence[Example], near_duplicates: dict[str, Any]
    ) -> tuple[Model, ModelConfig, Path | None]:
        """Write how the run begins; return its model, what describes it, and where its open_clip configuration lies."""
        config, start = self.config, find_start(self.config)
        description = self._describe(module, examples, start, near_duplicates)
        if self.shard.is_first:
            if config.adapter is None:
                inherited = start.model is not None and description.adapter.kind != "none"
                said = say_adapter(description, start, trainable=config.trainable)
                logger.log(logging.INFO if inherited else logging.WARNING, "%s", said)
            write_beginning(self.out, dataclasses.replace(config, adapter=description.adapter), self.data, start)
        model = first_model(description, config, start)
        return model, without_paths(description, start, self.out), start.folder

    def _divided(self, module: TaskModule, unread: list[str]) -> Division:
        """List the examples, every one with its split: the data's, or a fold's; say what crosses splits."""
        listed = module.read(self.data, self.config, failed=unread)
        tell, read = self.on_progress, itertools.count(1)
        division = divided(
            listed,
            self.config,
            on_read=None if tell is None else lambda: tell("looking for near-duplicates", next(read), len(listed)),
        )
        for said in (division.note, division.sentence()):
            if self.shard.is_first and said:
                logger.warning("%s", said)
        return division

    def _describe(
        self, module: TaskModule, examples: Sequence[Example], start: Start, near_duplicates: dict[str, Any]
    ) -> ModelConfig:
        config = self.config
        few = config.few_shot.ratio or config.few_shot.per_class
        description = describe_model(
            config,
            start,
            task=module.MODEL_TASK,
            classes=module.classes(examples, config),
            captions=[example.caption for example in examples if example.split == "train"],
            provenance=provenance(
                examples,
                self.data,
                task=config.task,
                near_duplicates=near_duplicates,
                **start.provenance,
                **({"few_shot": dataclasses.asdict(config.few_shot)} if few else {}),
                **({"fold": dataclasses.asdict(config.fold)} if config.fold.k else {}),
                **({"processes": self.shard.world} if self.shard.world > 1 else {}),
            ),
        )
        learned = learned_targets(description, examples, start=start, target=config.target)
        return dataclasses.replace(description, learned_targets=learned)

    def _train(self, state: TrainState[Model], task: Task[Any], description: ModelConfig, save: Save) -> bool:
        """Run the loop, writing what each epoch reaches; returns whether it was interrupted."""
        with MetricsLog(self.out, tensorboard=self.config.tensorboard and self.shard.is_first) as log:
            if self.shard.is_first:
                log.keep(state.epoch)

            def finish_epoch(report: EpochReport) -> None:
                if not self.shard.is_first:
                    return
                # Wherever it ends, also killed, a resumed run comes to the same: it leaves out a line beyond its
                # checkpoint, and the checkpoint says whether its weights are the model. Ctrl+C waits.
                with held_signals():
                    log.add(report)
                    save_checkpoint(state, self.out, config=description)
                    if report.kept:
                        save(config=description)
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
            except KeyboardInterrupt as stop:
                if isinstance(stop.__context__, UsassistError):  # the save it waited for failed, and would fail again
                    logger.warning("%s", stop.__context__)
                    raise
                logger.warning("Stopped after epoch %d; what was kept so far stays.", state.epoch)
                return True
        return False

    def _finish(
        self, state: TrainState[Model], task: Task[Any], description: ModelConfig, save: Save, *, interrupted: bool
    ) -> None:
        """Calibrate the best weights on validation data, learn what is ordinary, and write them out with both.

        An interrupted run does without the second: who presses Ctrl+C does not wait for all images to be seen again.
        What the model that the run went on from takes for ordinary stays ordinary, as far as it sees images alike.
        """
        weights = self.out / WEIGHTS_FILE
        if weights.is_file():
            fill(state.average, weights)
            save(config=task.finished(state.average, description))
            learned = None if interrupted else task.familiarity(state.average)
            known = kept_familiarity(state.average, self.config, description)
            if learned is not None:
                known = learned if known is None else learned.and_before(known)
            if known is not None:
                known.save(self.out, weights_hash=file_hash(weights))
        elif not interrupted:
            raise TrainingError(
                f"No epoch of {self.out} gave a finite score, so there is no model; lower lr and start again."
            )
