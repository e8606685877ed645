"""A task of a few numbers that has everything the loop cares about: batch normalisation, dropout, unequal means."""

import math
from collections.abc import Iterator
from types import SimpleNamespace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from usassist.core.models.config import AdapterConfig
from usassist.core.training.config import TrainConfig
from usassist.core.training.distributed import Shard, gather_with_grad, mean_over_all
from usassist.core.training.sampling import draw_batches, steps_of
from usassist.core.training.task import Task

COUNT = 24


class ToyModel(nn.Module):
    """A convolution, a normalisation and a linear layer; `encoder` is what the loop may freeze."""

    def __init__(self, *, dropout: float = 0.0, bare_norm: bool = False) -> None:
        super().__init__()
        self.config = SimpleNamespace(adapter=AdapterConfig())
        # No bias before the normalisation: its gradient is rounding noise, which Adam would make steps of.
        self.encoder = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU())
        self.dropout = nn.Dropout(dropout)
        # Keeps statistics and learns nothing, where it is asked for.
        self.bare = nn.BatchNorm1d(4, affine=False) if bare_norm else nn.Identity()
        self.head = nn.Linear(4, 3)

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = self.head(self.bare(self.dropout(self.encoder(images).mean(dim=(2, 3)))))
        return out


class ToyTask(Task[tuple[Tensor, Tensor]]):
    """Two terms: one a mean over the positive examples only, one that compares every example with every other."""

    model: ToyModel
    compares = True

    def __init__(self, model: ToyModel, config: TrainConfig, *, shard: Shard = Shard(), poison: int = -1) -> None:  # noqa: B008
        super().__init__(model)
        generator = torch.Generator().manual_seed(5)
        self.images = torch.randn(COUNT, 1, 6, 6, generator=generator)
        self.labels = (torch.rand(COUNT, generator=generator) < 0.3).float()
        self.config, self.shard, self.poison = config, shard, poison
        self.scores: list[float] = []

    def steps_per_epoch(self) -> int:
        return steps_of(COUNT, self.config)

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        for step, (indices, _) in enumerate(draw_batches(COUNT, self.config, epoch=epoch)):
            own = torch.from_numpy(self.shard.share(indices))
            images = self.images[own]
            yield (images * math.nan if step == self.poison else images), self.labels[own]

    def forward(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        images, labels = batch
        out = self.model(images)
        terms = F.binary_cross_entropy_with_logits(out[:, 0], labels, reduction="none")
        everyone = F.normalize(gather_with_grad(out), dim=1)
        return {
            "positives": mean_over_all(terms, weights=labels),
            "all": mean_over_all(out.square()),
            "pairs": F.cross_entropy(everyone @ everyone.T, torch.arange(len(everyone))),
        }

    @torch.inference_mode()
    def validate(self, model: nn.Module) -> dict[str, float]:
        model.eval()
        if self.scores:
            return {"score": self.scores.pop(0), "n": 1.0}
        return {"score": -float(F.binary_cross_entropy_with_logits(model(self.images)[:, 0], self.labels)), "n": COUNT}
