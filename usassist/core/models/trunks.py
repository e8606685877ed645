"""The image trunks of our own, by the names that an encoder's configuration has for them (`timm_model_name`)."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

from torch import nn

from usassist.core.models.resnet import ResNetTrunk
from usassist.core.models.trunk import ContextTrunk, PooledTrunk
from usassist.core.models.unet import UNetTrunk

TRUNKS: dict[str, Callable[[], nn.Module]] = {
    "usassist_lite0_context": ContextTrunk,
    "usassist_lite0_pooled": PooledTrunk,
    "usassist_resnet18": ResNetTrunk,
    "usassist_unet": partial(UNetTrunk, base=32),
    "usassist_unet_16": partial(UNetTrunk, base=16),
    "usassist_unet_64": partial(UNetTrunk, base=64),
}
"""Each with random weights; an ImageNet start is the recipe's business. `usassist_unet_64` is the published size."""


@cache
def register_with_timm() -> None:
    """Let open_clip build them as timm's, for an encoder with other settings than `small_clip` knows."""
    from timm.models import register_model

    for name, make in TRUNKS.items():
        register_model(_entry(name, make))


def _entry(name: str, make: Callable[[], nn.Module]) -> Callable[..., nn.Module]:
    """Return what timm expects: a function that is called as the model and takes more than it needs."""

    def build(pretrained: bool = False, **_: Any) -> nn.Module:
        return make()

    build.__name__ = name
    return build
