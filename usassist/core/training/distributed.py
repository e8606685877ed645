"""Several processes that train one model, started by torchrun; with one process every function here is trivial.

Every process must call the same of these in the same order: they wait for each other.
"""

import contextlib
import gc
import importlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from torch import Tensor

from usassist.core.errors import TrainingError

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Shard:
    """Which of several processes this one is: `rank` from 0 of `world`."""

    rank: int = 0
    world: int = 1

    @property
    def is_first(self) -> bool:
        """Return whether this is the process that validates, reports and writes."""
        return self.rank == 0

    def share(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return this process's part of a global batch: consecutive, so that gathered parts are in the batch's order.

        Parts differ by one where the batch does not divide; `mean_over_all` weighs them. Raises TrainingError for a
        batch that has nothing for some process.
        """
        if len(indices) < self.world:
            raise TrainingError(
                f"A batch of {len(indices)} images cannot be shared by {self.world} processes; start fewer processes "
                f"or raise batch_size."
            )
        return np.array_split(indices, self.world)[self.rank]


@contextlib.contextmanager
def joined_processes(device: str) -> Iterator[tuple[Shard, str]]:
    """Join the processes that torchrun started; yields this one's share and its device.

    On CUDA each process takes the GPU of its local rank. Without torchrun's environment there is one process and
    `device` stays as it is. Raises TrainingError where the processes cannot reach each other, at first or later.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1 or dist.is_initialized():
        yield _here(), device
        return
    if device in ("auto", "cuda"):
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if torch.cuda.is_available() else "cpu"
    try:
        # DistributedDataParallel imports it; imported while there is a group it holds that for good: see _leave.
        importlib.import_module("torch.distributed.nn.functional")
        if device.startswith("cuda") and torch.cuda.is_available():
            torch.cuda.set_device(device)  # where objects are broadcast from, else the first GPU for all
        dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    except (ValueError, RuntimeError) as error:
        raise TrainingError(
            f"The {world} processes cannot join each other ({error}); start them all with torchrun, which says where "
            f"they meet."
        ) from error
    try:
        yield _here(), device
    except RuntimeError as error:
        if not _is_lost_connection(error):
            raise
        raise TrainingError(
            "Another process of this training has stopped, so this one cannot go on; what the other says is the reason."
        ) from error
    finally:
        _leave()


def _leave() -> None:
    """Leave the group and end its threads, unless an exception on its way still holds what holds the group.

    A thread of gloo that gives back a tensor while Python ends aborts the process. The threads end with the last that
    holds the group, for instance a DistributedDataParallel of which only the garbage collector knows.
    """
    gc.collect()
    dist.destroy_process_group()


def wait_for_all() -> None:
    """Return when every process has come here: torchrun ends all of them when one ends badly or too early."""
    if _here().world > 1:
        on_cuda = dist.get_backend() == "nccl"  # which else guesses the GPU, and says so to the user
        dist.barrier(device_ids=[torch.cuda.current_device()] if on_cuda else None)


def _is_lost_connection(error: RuntimeError) -> bool:
    # NCCL's errors have a class of their own, gloo's only a text.
    return isinstance(error, dist.DistError) or "gloo" in str(error).lower()


def _here() -> Shard:
    return Shard(dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else Shard()


def mean_over_all(values: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """Return the mean over the values of all processes, in the sense of `Task.forward`; 0 where there is none at all.

    `values` of any shape, `weights` of the same shape count each value (default: once). The processes' results average
    to the global mean, and so do their gradients: exactly what DistributedDataParallel needs. A process without
    values of its own calls it too.
    """
    total = values.sum() if weights is None else (values * weights).sum()
    count = total.detach().new_full((), values.numel()) if weights is None else weights.detach().sum()
    world = _here().world
    if world > 1:
        count = count.clone()
        dist.all_reduce(count)
    # Not clamped to 1: weights may add up to less. Nothing at all is 0 / 1.
    return total * world / torch.where(count > 0, count, torch.ones_like(count))


def sum_over_all(values: Tensor) -> Tensor:
    """Return the element-wise sum of the processes' tensors, with the gradient of all their losses."""
    if _here().world == 1:
        return values
    out: Tensor = _Sum.apply(values)
    return out


def average_of_processes(values: Tensor) -> Tensor:
    """Return the element-wise average of the processes' tensors, without gradient."""
    return sum_over_all(values.detach()) / _here().world


def gather_with_grad(x: Tensor) -> Tensor:
    """Return the rows (B, ...) of all processes one after the other, by rank, with gradient.

    In the order of the global batch where its parts were taken with `Shard.share`. Processes may have different numbers
    of rows. A loss computed from the gathered rows on every process, or from one's own rows against all and averaged
    with `mean_over_all`, has the gradient of one process that sees the whole batch.
    """
    shard = _here()
    if shard.world == 1:
        return x
    own = torch.tensor([x.shape[0]], device=x.device)
    counts = [torch.zeros_like(own) for _ in range(shard.world)]
    dist.all_gather(counts, own)
    sizes = [int(count) for count in counts]
    out: Tensor = _Gather.apply(x, sizes, shard.rank)
    return out


def from_first(value: Value) -> Value:
    """Return the first process's value on every process; any Python value that can be pickled."""
    if _here().world == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        out = values.detach().clone(memory_format=torch.contiguous_format)
        dist.all_reduce(out)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        # Every process's loss depends on every process's values.
        out = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(out)
        return out


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, sizes: list[int], rank: int) -> Tensor:
        ctx.first, ctx.rows = sum(sizes[:rank]), sizes[rank]
        # all_gather takes equal shapes only: the shorter ones are filled up and cut again.
        padded = x.new_zeros(max(sizes), *x.shape[1:])
        padded[: x.shape[0]] = x.detach()
        parts = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(parts, padded)
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        total = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total[ctx.first : ctx.first + ctx.rows], None, None
