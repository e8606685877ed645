"""Which parameters learn at which rate, and how the rates change from step to step."""

import math
from typing import Any

from torch import nn

from usassist.core.errors import TrainingError
from usassist.core.models import adapt
from usassist.core.training.config import TrainConfig


def parameter_groups(model: nn.Module, config: TrainConfig) -> list[dict[str, Any]]:
    """Split parameters by learning rate (what starts trained apart) and by weight decay (none on vectors)."""
    trained = _trained(model, config)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            lr = config.trunk_lr if name in trained else config.lr
            decay = 0.0 if parameter.ndim < 2 else config.weight_decay
            groups.setdefault((lr, decay), []).append(parameter)
    if not groups:
        raise TrainingError('Nothing in this model may learn; set trainable = "all", or choose an adapter or a head.')
    return [{"params": p, "lr": lr, "peak_lr": lr, "weight_decay": decay} for (lr, decay), p in groups.items()]


def _trained(model: nn.Module, config: TrainConfig) -> frozenset[str]:
    """Return the names of the parameters that start trained, adapters never among them.

    On a base, or going on from a model, those are the towers; else the stages of the trunk, which ImageNet may have
    taught: what lies between them starts random.
    """
    adapters = tuple(f"{path}." for path, module in model.named_modules() if isinstance(module, adapt.ADAPTERS))
    names = [name for name, _ in model.named_parameters() if not name.startswith(adapters)]
    if config.start_from or config.encoder.base:
        return frozenset(name for name in names if name.startswith("encoder.clip."))
    return frozenset(name for name in names if ".stages." in name)


def lr_factor(step: int, total: int, warmup: float) -> float:
    """Return the one-cycle factor of a step: a linear rise, then a cosine to nearly 0.

    >>> [round(lr_factor(s, 10, 0.2), 2) for s in (0, 1, 2, 6, 9)]
    [0.5, 1.0, 1.0, 0.5, 0.04]
    """
    rise = max(1, round(total * warmup))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, total - rise)))
