"""Batch normalisation over the global batch of several processes; torch's own SyncBatchNorm runs on CUDA only."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from usassist.core.training.distributed import sum_over_all


class SyncedBatchNorm(nn.Module):
    """A batch normalisation, and the activation that timm's kind puts behind it, over the batches of all processes.

    It takes over the tensors of the module it replaces under the same names. Processes may have unequal batches.
    """

    def __init__(self, source: _BatchNorm) -> None:
        super().__init__()
        self.eps = source.eps
        self.momentum = source.momentum
        self.weight, self.bias = source.weight, source.bias
        self.running_mean: Tensor | None
        self.running_var: Tensor | None
        self.num_batches_tracked: Tensor | None
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            self.register_buffer(name, getattr(source, name))
        # timm's BatchNormAct2d drops and activates as well.
        self.drop = getattr(source, "drop", nn.Identity())
        self.act = getattr(source, "act", nn.Identity())
        self.train(source.training)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (N, C, ...) over everything but the channels; with the running statistics at work."""
        if self.training or self.running_mean is None:
            out = self._normalised(x.float())
        else:
            out = F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        activated: Tensor = self.act(self.drop(out.to(x.dtype)))
        return activated

    def _normalised(self, x: Tensor) -> Tensor:
        shape = (1, -1, *(1 for _ in x.shape[2:]))
        axes = [0, *range(2, x.ndim)]
        count = torch.full((1,), x.numel() / x.shape[1], device=x.device)
        # The count travels with the sums: one message instead of two.
        sums = sum_over_all(torch.cat([x.sum(axes), count]))
        count = sums[-1].detach()
        mean = sums[:-1] / count
        centred = x - mean.view(shape)
        # Of centred values: the difference of two large means of squares would lose the digits of a small variance.
        variance = sum_over_all(centred.square().sum(axes)) / count
        self._remember(mean.detach(), variance.detach(), count)
        out = centred * torch.rsqrt(variance + self.eps).view(shape)
        return out if self.weight is None else out * self.weight.view(shape) + self.bias.view(shape)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        # Unbiased, as torch keeps it.
        self.running_var.lerp_(variance * count / (count - 1).clamp_min(1), share)


def synchronise_norms(model: nn.Module) -> int:
    """Replace every batch normalisation inside `model`, in place; returns how many. Names of tensors stay."""
    found = [(parent, name, child) for parent in model.modules() for name, child in parent.named_children()]
    norms = [(parent, name, child) for parent, name, child in found if isinstance(child, _BatchNorm)]
    for parent, name, child in norms:
        setattr(parent, name, SyncedBatchNorm(child))
    return len(norms)


@contextlib.contextmanager
def as_at_work(model: nn.Module) -> Iterator[None]:
    """Let a model compute as at work for the block: no normalisation moves its statistics, nothing drops out.

    Gradients flow as ever, and no process waits for another.
    """
    training = [module for module in model.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True
