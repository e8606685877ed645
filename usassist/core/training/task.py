"""The seam between the one training loop and what is being taught."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from torch import Tensor, nn

from usassist.core.models.config import ModelConfig

Batch = TypeVar("Batch")


class Task(nn.Module, ABC, Generic[Batch]):
    """A model and what it is taught. DistributedDataParallel wraps it, so calling it is computing the loss.

    `model` is what learns, is averaged and is saved. Nothing here depends on time or on the number of workers: the same
    seed and epoch give the same batches, so a resumed run repeats an uninterrupted one.
    """

    model: nn.Module

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

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
        """

    def finished(self, model: nn.Module, config: ModelConfig) -> ModelConfig:
        """Return the description to ship with the best weights, after calibration on validation data."""
        return config

    def describe(self) -> dict[str, Any]:
        """Return what the run's provenance should say about the data, JSON values only."""
        return {}
