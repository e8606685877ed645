"""The seam between the one training loop and what is being taught."""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar, cast

from torch import Tensor, nn

from usassist.core.data.dataset import Example
from usassist.core.models.config import ModelConfig
from usassist.core.models.config import Task as ModelTask
from usassist.core.models.familiarity import Familiarity
from usassist.core.training.config import TrainConfig
from usassist.core.training.distributed import Shard

Batch = TypeVar("Batch")

TaskName = Literal["segment", "classify", "contrast"]
TASKS: dict[TaskName, str] = {
    "segment": "usassist.core.training.segmentation",
    "classify": "usassist.core.training.classification",
    "contrast": "usassist.core.training.contrastive",
}
"""Kinds of training, and the modules (`TaskModule`) that know them; imported when asked for."""

OnProgress = Callable[[str, int, int], None]
"""Called with what is being done ("reading images", "epoch 3"), how much of it is done, and how much there is."""


class Task(nn.Module, ABC, Generic[Batch]):
    """A model and what it is taught. DistributedDataParallel wraps it, so calling it is computing the loss.

    `model` is what learns, is averaged and is saved. Nothing here depends on time or on the number of workers: the same
    seed and epoch give the same batches, so a resumed run repeats an uninterrupted one.
    """

    model: nn.Module
    failed: list[str]
    """One reason for each example that could not be read and was left out."""
    selected_by: str = "score"
    """What of `validate` a person is told about the best: "score", or "loss" where the score is minus the loss."""
    compares: bool = False
    """Whether the loss compares the examples of a batch with each other."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.failed = []

    @abstractmethod
    def steps_per_epoch(self) -> int:
        """Return how many batches `batches` yields, the same on every process."""

    @abstractmethod
    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yield an epoch's batches: this process's share of each global batch where there are several processes."""

    @abstractmethod
    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return the weighted terms of the loss, scalars by name, whose sum is minimised.

        Each is a mean over the global batch: with several processes the average of what they return is what one
        process would have returned for all of it.
        """

    @abstractmethod
    def validate(self, model: nn.Module) -> dict[str, float]:
        """Score a model of this kind on the validation data.

        "score" selects the best (higher is better, finite), "n" counts the examples; 0 of them means no validation.
        Only the first process calls it, so it must wait for no other.
        """

    def finished(self, model: nn.Module, config: ModelConfig) -> ModelConfig:
        """Return the description to ship with the best weights, after calibration on validation data."""
        return config

    def familiarity(self, model: nn.Module) -> Familiarity | None:
        """Return what the best model should take for an ordinary image, None where that is not known."""
        return None

    def describe(self) -> dict[str, Any]:
        """Return what the run's provenance should say about the data, JSON values only."""
        return {}


class TaskModule(Protocol):
    """What a module of this room offers to be a kind of `usassist-train`; `TASKS` lists them."""

    MODEL_TASK: ModelTask
    """What a model that learns this answers with."""

    def read(self, data: Sequence[Path], config: TrainConfig, *, failed: list[str] | None = None) -> list[Example]:
        """List what `--data` names, with the splits it declares; nothing is decoded. Raises TrainingError.

        `failed` gets a sentence for each part of the data that is no example, such as a bad line of a list.
        """

    def classes(self, examples: Sequence[Example], config: TrainConfig) -> tuple[str, ...]:
        """Return what the model's description lists as its classes. Raises TrainingError."""

    def build(
        self,
        config: TrainConfig,
        model: nn.Module,
        examples: list[Example],
        *,
        shard: Shard,
        on_progress: OnProgress | None = None,
    ) -> Task[Any]:
        """Return the task: a model on its device, and the examples, every one with its split, decoded where needed."""


def task_module(name: TaskName) -> TaskModule:
    """Return the module that knows a kind of training."""
    return cast("TaskModule", importlib.import_module(TASKS[name]))
