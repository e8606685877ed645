"""A model made ready for work: everything that only training needs is folded away. Nothing here is ever saved."""

from typing import TYPE_CHECKING

import torch
from torch import nn

from usassist.core.models.config import Precision
from usassist.core.models.device import resolve
from usassist.core.models.embedder import freeze_for_inference
from usassist.core.models.fold import fold_batch_norms
from usassist.core.models.fused_conv import fuse_convolutions
from usassist.core.models.lean import QUICK_GELU_GAIN, ChunkedMlp, QuickGelu
from usassist.core.models.lora import merge
from usassist.core.models.precision import lower
from usassist.core.models.trunk import ContextTrunk

if TYPE_CHECKING:
    from usassist.core.models.build import Model


def make_ready(model: "Model", *, device: str = "cpu", precision: Precision = "fp32") -> "Model":
    """Fold, freeze and place a filled model, in place, for inference only.

    Batch normalisations go into the convolutions before them, LoRA and QuickGELU's factor into the weights beside them,
    and the blocks multiply in the precision asked for; on a CPU a convolution and its activation become one step. In
    "fp32" answers change by rounding alone; below it they differ a little, and the float32 weights are given away.
    `model.precision` then says what was done: a trunk without transformer blocks stays in "fp32". Raises ModelError for
    a precision the device has not.
    """
    fold_batch_norms(model.eval())
    merge(model)
    fold_quick_gelu(model)
    place = resolve(device)
    freeze_for_inference(model).to(place)
    if place.type == "cpu":
        fuse_convolutions(model)
    if lower(model, precision, keep=False):
        model.precision = precision
    return model


def has_short_steps(model: "Model") -> bool:
    """Return whether most steps over one image end before a second thread that slept would be awake.

    So it is for our own trunk on a CPU: 32 ms a frame on one thread, 35 to 39 on two, a third more processor time.
    """
    trunk = getattr(model.get_submodule("encoder.clip.visual"), "trunk", None)
    return isinstance(trunk, ContextTrunk) and model.encoder.device.type == "cpu"


@torch.no_grad()
def fold_quick_gelu(model: nn.Module) -> int:
    """Turn x * sigmoid(1.702 x) between two linear layers into a SiLU: the factor goes into their weights.

    Two passes fewer over the widest map of a block. Returns in how many blocks.
    """
    count = 0
    for mlp in model.get_submodule("encoder.clip.visual").modules():
        if not (isinstance(mlp, ChunkedMlp) and isinstance(mlp.gelu, QuickGelu)):
            continue
        first, second = mlp.get_submodule("c_fc"), mlp.get_submodule("c_proj")
        if not (isinstance(first, nn.Linear) and isinstance(second, nn.Linear)):
            continue
        first.weight.mul_(QUICK_GELU_GAIN)
        first.bias.mul_(QUICK_GELU_GAIN)
        second.weight.div_(QUICK_GELU_GAIN)
        mlp.gelu = nn.SiLU(inplace=True)
        count += 1
    return count
