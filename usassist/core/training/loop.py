"""The training loop, from top to bottom: one for whatever is taught (`training.task.Task`)."""

import contextlib
import copy
import itertools
import logging
import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel as Ddp

from usassist.core.errors import TrainingError
from usassist.core.log import EPOCH
from usassist.core.models import adapt
from usassist.core.models.precision import FrozenMatrix, lower
from usassist.core.training.config import TrainConfig
from usassist.core.training.distributed import Shard, average_of_processes, from_first
from usassist.core.training.norms import synchronise_norms
from usassist.core.training.rates import lr_factor, parameter_groups
from usassist.core.training.task import OnProgress, Task

logger = logging.getLogger(__name__)


ModelT = TypeVar("ModelT", bound=nn.Module)


@dataclass
class TrainState(Generic[ModelT]):
    """All that a resumed run needs: weights, their moving average, the optimiser, and where we are.

    `best` is the validation score of what is kept, `waited` how many validations have passed since, `skipped` how many
    steps were left out because their gradient was not finite; `best_epoch` is the epoch whose average is kept, 0 for
    none.
    """

    model: ModelT
    average: ModelT
    optimiser: torch.optim.AdamW
    epoch: int = 0
    step: int = 0
    best: float = -math.inf
    waited: int = 0
    skipped: int = 0
    best_epoch: int = 0


@dataclass(frozen=True)
class EpochReport:
    """One line of metrics.jsonl; `val` is empty for an epoch that was not validated.

    `selected_by` names what of `val` tells a person how good the epoch is; `kept` says that its weights became the
    model, until those of a later epoch do.
    """

    epoch: int
    seconds: float
    lr: float
    loss: float
    parts: dict[str, float]
    val: dict[str, float]
    skipped: int = 0
    selected_by: str = "score"
    kept: bool = False


def new_state(model: ModelT, config: TrainConfig) -> TrainState[ModelT]:
    """Prepare the optimiser and the moving average for a model that lies on its device.

    Raises TrainingError where nothing may learn, or where int8 is asked for and no block is frozen.
    """
    # By what the model has: a recipe may leave its adapter to the model it goes on from.
    description: Any = model.config
    adapt.select_trainable(
        *(model, description.adapter), trainable=config.trainable, frozen_stages=config.frozen_stages
    )
    # What is frozen never moves, so the average shares it: half the memory of a large backbone.
    frozen = {id(p): p for p in model.parameters() if not p.requires_grad}
    average = copy.deepcopy(model, frozen).eval().requires_grad_(requires_grad=False)
    # After the copy: what is validated and saved computes in float32, as at work.
    _lower(model, config)
    beta1, beta2 = config.betas
    return TrainState(model, average, torch.optim.AdamW(parameter_groups(model, config), betas=(beta1, beta2)))


def _lower(model: nn.Module, config: TrainConfig) -> None:
    lowered = lower(model, config.precision)
    if lowered:
        logger.info("%d frozen layers multiply in %s.", lowered, config.precision)
    elif config.precision == "int8":
        raise TrainingError(
            "precision = int8 is for the frozen transformer blocks of an image tower, and this model has none; set "
            'trainable = "adapters" on a ViT, or precision = "fp32" or "bf16".'
        )


def train_epochs(
    state: TrainState[Any],
    task: Task[Any],
    config: TrainConfig,
    *,
    device: torch.device,
    on_epoch: Callable[[EpochReport], None],
    shard: Shard = Shard(),  # noqa: B008  frozen
    on_progress: OnProgress | None = None,
) -> None:
    """Train from `state.epoch` to the end, or until `patience` validations brought nothing better.

    After each epoch `on_epoch(report)` is called on every process; the state is advanced before, so what it
    saves is what a resumed run continues from. Without validation data every epoch is the best so far.
    """
    learner = parallel(task, shard)
    steps = math.ceil(task.steps_per_epoch() / config.accumulate)
    if config.accumulate > 1 and task.compares and shard.is_first:
        # Not an information for -v: who accumulates often expects the contrary.
        logger.warning(
            "The gradients of %d batches of %d make one step. Contrastive losses still compare within one batch of %d: "
            "accumulation does not enlarge the set of negatives.",
            *(config.accumulate, config.batch_size, config.batch_size),
        )
    while state.epoch < config.epochs and not is_exhausted(state, config):
        started = time.monotonic()
        # Dropout: the same after a resume, another on every process.
        torch.manual_seed((config.seed * 100_003 + state.epoch) * 1009 + shard.rank)
        adapt.training_mode(state.model)
        means = _train_epoch(state, task, learner, config, device=device, steps=steps, watch=on_progress)
        epoch = state.epoch + 1
        scores: dict[str, float] = {}
        if epoch % config.validate_every == 0 or epoch == config.epochs:
            scores = from_first(task.validate(state.average) if shard.is_first else {})
        state.epoch = epoch  # only now: an epoch whose validation was interrupted is not done
        kept = _judge(state, scores, keep=config.keep)
        lr = state.optimiser.param_groups[0]["lr"]
        report = EpochReport(
            *(state.epoch, time.monotonic() - started, lr, sum(means.values()), means, scores, state.skipped),
            selected_by=task.selected_by,
            kept=kept,
        )
        on_epoch(report)


def is_exhausted(state: TrainState[Any], config: TrainConfig) -> bool:
    """Return whether early stopping ends the run."""
    return 0 < config.patience <= state.waited


def _judge(state: TrainState[Any], scores: dict[str, float], *, keep: Literal["best", "last"]) -> bool:
    """Count a validation; return whether these weights are to be kept."""
    if not scores:
        return False
    kept = True  # without validation data the latest weights are the best guess
    if scores["n"] > 0:
        kept = scores["score"] > state.best or (keep == "last" and not math.isnan(scores["score"]))  # never NaN
        state.best = scores["score"] if kept else state.best
        state.waited = 0 if kept else state.waited + 1
    state.best_epoch = state.epoch if kept else state.best_epoch
    return kept


def _train_epoch(
    state: TrainState[Any],
    task: Task[Any],
    learner: nn.Module,
    config: TrainConfig,
    *,
    device: torch.device,
    steps: int,
    watch: OnProgress | None,
) -> dict[str, float]:
    """Take one epoch's steps; returns the mean of each term of the loss, over the steps and over all processes."""
    sums: dict[str, float] = {}
    taken = 0
    for done, batches in enumerate(_in_groups(task.batches(state.epoch), config.accumulate), start=1):
        factor = lr_factor(state.step, config.epochs * steps, config.warmup)
        for group in state.optimiser.param_groups:
            group["lr"] = config.min_lr + max(0.0, group["peak_lr"] - config.min_lr) * factor
        terms = train_step(state, learner, batches, config, device=device)
        state.step += 1
        if terms is not None:
            taken += 1
            for name, value in terms.items():
                sums[name] = sums.get(name, 0.0) + value
        if watch is not None:
            watch(f"{EPOCH} {state.epoch + 1}", done, steps)
    if not taken:
        raise TrainingError(
            f"In epoch {state.epoch + 1} no step had a finite gradient: the training diverged, or the images hold "
            f"numbers that are none. Lower lr (--set lr=...) and start again."
        )
    names = sorted(sums)
    means = torch.tensor([sums[name] / taken for name in names], dtype=torch.float64, device=device)
    return dict(zip(names, average_of_processes(means).tolist(), strict=True))


def _in_groups(batches: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while group := list(itertools.islice(batches, size)):
        yield group


def train_step(
    state: TrainState[Any], learner: nn.Module, batches: Sequence[Any], config: TrainConfig, *, device: torch.device
) -> dict[str, float] | None:
    """Take one optimiser step on the mean loss of some batches; returns the terms of the loss.

    A loss that compares the examples of a batch, a contrastive one, sees one batch at a time: several batches give a
    steadier gradient, not more negatives. None for a step that was skipped because its gradient is not finite.
    """
    statistics = [(statistic, statistic.clone()) for statistic in _running_statistics(state.model)]
    state.optimiser.zero_grad(set_to_none=True)
    sums: dict[str, float] = {}
    for index, batch in enumerate(batches):
        is_last = index == len(batches) - 1
        with learner.no_sync() if isinstance(learner, Ddp) and not is_last else contextlib.nullcontext():
            with _half_precision(state.model, config, device):
                terms = learner(batch)
            (torch.stack([term.float() for term in terms.values()]).sum() / len(batches)).backward()
        for name, value in terms.items():
            sums[name] = sums.get(name, 0.0) + float(value.detach()) / len(batches)
    parameters = [p for group in state.optimiser.param_groups for p in group["params"]]
    norm = nn.utils.clip_grad_norm_(parameters, config.clip_norm)
    if not torch.isfinite(norm):
        state.skipped += 1
        logger.warning("Step %d: the gradient is not finite; the step was skipped.", state.step)
        with torch.no_grad():  # the running statistics of normalisations have seen it already
            for statistic, before in statistics:
                statistic.copy_(before)
        return None
    state.optimiser.step()
    update_average(state.average, state.model, decay=min(config.ema, (1 + state.step) / (10 + state.step)))
    return sums


def _running_statistics(model: nn.Module) -> Iterator[Tensor]:
    """Yield what the normalisations of a model remember of the batches they see."""
    for module in model.modules():
        if module.training:
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                statistic = getattr(module, name, None)
                if isinstance(statistic, Tensor):
                    yield statistic


def _half_precision(
    model: nn.Module, config: TrainConfig, device: torch.device
) -> contextlib.AbstractContextManager[Any]:
    """Return autocast to bfloat16 where it pays: on CUDA, and on a CPU for a model whose blocks all learn.

    Frozen blocks have bfloat16 copies of their weights already (`precision.lower`); autocast would round the float32
    ones again for every batch, which on a CPU costs more than it saves.
    """
    lowered = any(isinstance(module, FrozenMatrix) for module in model.modules())
    pays = config.precision == "bf16" and (device.type == "cuda" or not lowered)
    return torch.autocast(device.type, torch.bfloat16, enabled=pays)


def parallel(task: Task[Any], shard: Shard) -> nn.Module:
    """Return what computes the loss: the task itself, or with several processes its DistributedDataParallel.

    Batch normalisations then use the statistics of the global batch, so the result does not depend on how many share
    it.
    """
    if shard.world == 1:
        return task
    synchronise_norms(task.model)
    # Of 1x1 convolutions in the layout that convolutions like: says itself that it is no error.
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
    # What is to come in its place is not in the oldest torch that is supported.
    warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated")
    # A head without a text leaves the text tower unused; the statistics are equal on all processes already.
    return Ddp(task, find_unused_parameters=True, broadcast_buffers=False)


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, *, decay: float) -> None:
    """Move the averaged weights a little towards the model's; statistics of normalisation likewise."""
    for mine, theirs in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if mine.data_ptr() == theirs.data_ptr():
            continue  # frozen, and shared
        if mine.dtype.is_floating_point:
            mine.lerp_(theirs.to(mine.dtype), 1 - decay)
        else:
            mine.copy_(theirs)
