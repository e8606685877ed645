"""What one of several processes does in test_distributed.py; run by torchrun: process.py WHAT OUT."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel as Ddp

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from tests.core.training.toy import ToyModel, ToyTask  # noqa: E402
from usassist.core import paths  # noqa: E402
from usassist.core.training import loop  # noqa: E402
from usassist.core.training.config import read_recipe  # noqa: E402
from usassist.core.training.distributed import (  # noqa: E402
    Shard,
    from_first,
    gather_with_grad,
    joined_processes,
    mean_over_all,
    sum_over_all,
)
from usassist.core.training.norms import SyncedBatchNorm  # noqa: E402


def curve(
    shard: Shard, *, batch_size: int = 8, accumulate: int = 1, poison: int = -1, frozen: bool = False
) -> dict[str, Any]:
    """Train the toy; return its losses, scores and final weights. `frozen`: its encoder, and a norm of no weights."""
    recipe = read_recipe(paths.resources() / "recipes" / "usassist-us.toml")
    config = dataclasses.replace(
        recipe, epochs=4, batch_size=batch_size, accumulate=accumulate, warmup=0.2, ema=0.9, lr=1e-2, patience=0
    )
    # The toy has no towers to tell apart.
    loop.adapt.select_trainable = lambda *_, **__: None  # type: ignore[assignment]
    loop.lower = lambda *_: 0  # type: ignore[assignment]
    torch.manual_seed(0)
    task = ToyTask(ToyModel(bare_norm=frozen), config, shard=shard, poison=poison)
    task.model.encoder.requires_grad_(not frozen)
    state = loop.new_state(task.model, config)
    told: list[loop.EpochReport] = []
    loop.train_epochs(state, task, config, device=torch.device("cpu"), shard=shard, on_epoch=told.append)
    return {
        "loss": [report.loss for report in told],
        "parts": [report.parts for report in told],
        "score": [report.val["score"] for report in told],
        "skipped": state.skipped,
        "weights": {name: tensor.double().flatten().tolist() for name, tensor in state.model.state_dict().items()},
        "average": {name: tensor.double().flatten().tolist() for name, tensor in state.average.state_dict().items()},
    }


def collectives(shard: Shard) -> dict[str, Any]:
    """Return values and gradients of the functions of training.distributed, of unequal parts."""
    torch.manual_seed(3)
    whole = torch.randn(5, 3)
    x = whole.chunk(1)[0] if shard.world == 1 else (whole[:4] if shard.rank == 0 else whole[4:])
    x = x.clone().requires_grad_()
    factors = torch.arange(15.0).reshape(5, 3) ** 2
    gathered = gather_with_grad(x)
    losses: dict[str, Tensor] = {
        "gather": (gathered * factors).sum() + gathered.square().sum(),
        "mean": mean_over_all(x.square()),
        "weighted": mean_over_all(x.square(), weights=(x.detach() > 0).float()),
        "none": mean_over_all(x, weights=torch.zeros_like(x)),
        "sum": sum_over_all(x.sum(0)).square().mean(),
    }
    out: dict[str, Any] = {"gathered": gathered.tolist(), "first": from_first({"rank": shard.rank})}
    for name, loss in losses.items():
        (gradient,) = torch.autograd.grad(loss, x, retain_graph=True)
        # As DistributedDataParallel does: the average over processes of the loss and of the gradient of a parameter,
        # here a factor on all inputs.
        slope = (gradient * x.detach()).sum()
        out[name] = [float(sum_over_all(value.detach()) / shard.world) for value in (loss, slope)]
    return out


def norms(shard: Shard) -> dict[str, Any]:
    """Return output, gradients and running statistics of a batch normalisation over unequal parts."""
    torch.manual_seed(3)
    whole = torch.randn(5, 3, 4, 4) * 3 + 50
    parts = [whole[:4], whole[4:]]
    x = (whole if shard.world == 1 else parts[shard.rank]).clone().requires_grad_()
    plain = nn.BatchNorm2d(3)
    nn.init.normal_(plain.weight)
    norm = plain if shard.world == 1 else SyncedBatchNorm(plain)
    out = norm(x)
    (out**3).sum().backward()
    weight = norm.weight.grad
    assert isinstance(weight, Tensor)
    return {
        "out": gather_with_grad(out.detach()).flatten().tolist(),
        "gradient": gather_with_grad(x.grad).flatten().tolist(),
        "weight": sum_over_all(weight).tolist(),
        "mean": norm.running_mean.tolist(),
        "variance": norm.running_var.tolist(),
        "count": int(norm.num_batches_tracked),
    }


WHAT = {
    "curve": curve,
    "accumulated": lambda shard: curve(shard, batch_size=6, accumulate=2),
    "poisoned": lambda shard: curve(shard, poison=1),
    "frozen": lambda shard: curve(shard, frozen=True),
    "uneven": lambda shard: curve(shard, batch_size=7),
    "collectives": collectives,
    "norms": norms,
}


def running_threads() -> list[str]:
    """Return the names of this process's threads, none where the system does not list them."""
    return sorted(thread.read_text().strip() for thread in Path("/proc/self/task").glob("*/comm"))


def main() -> None:
    """Do everything on this process; the first writes what came out."""
    torch.set_num_threads(1)
    with joined_processes("cpu") as (shard, _):
        found = {name: do(shard) for name, do in WHAT.items()}
        held: Any = Ddp(nn.Linear(2, 2))
        held.itself = [held]  # only the garbage collector finds it
        del held
        found["threads inside"] = running_threads()
    found["threads behind"] = running_threads()
    if shard.is_first:
        Path(sys.argv[1]).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
