"""Where adapters go in an image tower, what of a model may learn, and which tensors are the model's own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from usassist.core.errors import ModelError
from usassist.core.models import lean
from usassist.core.models.config import AdapterConfig, ModelConfig
from usassist.core.models.lora import LowRank, insert_lora
from usassist.core.models.mona import AdaptedBlock, AdaptedStage, Mona, TwiceAdaptedBlock, has_known_halves
from usassist.core.models.mona_variants import VARIANTS

ADAPTERS = (Mona, LowRank)
"""The modules that are adapters, whatever they stand beside."""
_TOWER = "encoder.clip."


@dataclass(frozen=True, slots=True)
class _Blocks:
    """The transformer blocks of an image tower: where they hang, and how their tokens lie."""

    holder: nn.ModuleList | nn.Sequential
    path: str
    prefix: int
    batch_first: bool


@dataclass(frozen=True, slots=True)
class _Stage:
    """A stage of a trunk that is no ViT: the module that holds it, its name there, and the channels it gives."""

    parent: nn.Module
    name: str
    channels: int


def insert(visual: nn.Module, adapter: AdapterConfig) -> int:
    """Put adapters into an image tower, in place; returns how many blocks or stages have one.

    The tower's own weights are filled before: wrapped modules have other names. A fresh adapter changes no answer; the
    tower's blocks are made lean on the way, which changes none either. Raises ModelError where the tower has no place
    of the kind asked for, or not so many `layers`.
    """
    lean.replace_in(visual)
    if adapter.kind in ("none", "full"):
        if adapter.kind == "full" and adapter.layers:
            _chosen(len(_blocks(visual).holder), adapter.layers, what="transformer blocks")
        return 0
    if adapter.kind == "lora":
        blocks = _blocks(visual)
        chosen = _chosen(len(blocks.holder), adapter.layers, what="transformer blocks")
        for index in chosen:
            insert_lora(blocks.holder[index], rank=adapter.rank, alpha=adapter.alpha, dropout=adapter.dropout)
        return len(chosen)
    if adapter.placement == "stages":
        return _insert_behind_stages(visual, adapter)
    return _insert_into_blocks(visual, adapter)


def _insert_into_blocks(visual: nn.Module, adapter: AdapterConfig) -> int:
    blocks = _blocks(visual)
    chosen = _chosen(len(blocks.holder), adapter.layers, what="transformer blocks")
    layout: dict[str, Any] = {"prefix": blocks.prefix, "batch_first": blocks.batch_first}
    for index in chosen:
        block = blocks.holder[index]
        width = _width(block)
        if adapter.placement == "end":
            blocks.holder[index] = AdaptedBlock(block, _mona(width, adapter), **layout)
            continue
        if not has_known_halves(block):
            raise ModelError(
                f"The placement 'both' does not know the inside of a {type(block).__name__}; choose the placement "
                f"'end'."
            )
        monas = [_mona(width, adapter) for _ in range(1 if adapter.shared else 2)]
        blocks.holder[index] = TwiceAdaptedBlock(block, monas, **layout)
    return len(chosen)


def _insert_behind_stages(visual: nn.Module, adapter: AdapterConfig) -> int:
    trunk = getattr(visual, "trunk", visual)
    stages = _stages(trunk)
    chosen = _chosen(len(stages), adapter.layers, what="stages")
    channels_last = getattr(trunk, "output_fmt", "NCHW") == "NHWC"
    for index in chosen:
        stage = stages[index]
        mona = _mona(stage.channels, adapter)
        wrapped = AdaptedStage(stage.parent.get_submodule(stage.name), mona, channels_last=channels_last)
        setattr(stage.parent, stage.name, wrapped)
    return len(chosen)


def _mona(width: int, adapter: AdapterConfig) -> Mona:
    return VARIANTS[adapter.variant](width, bottleneck=adapter.bottleneck, dropout=adapter.dropout)


def _width(block: nn.Module) -> int:
    """Return the width of a block's tokens: that of its first vector, a normalisation's."""
    return int(next(parameter for parameter in block.parameters() if parameter.ndim == 1).shape[0])


def _chosen(count: int, layers: Sequence[int], *, what: str) -> list[int]:
    beyond = [layer for layer in layers if not 0 <= layer < count]
    if beyond:
        raise ModelError(f"adapter.layers names {beyond}, but the image tower has {count} {what}, counted from 0.")
    return sorted(set(layers)) or list(range(count))


def _blocks(visual: nn.Module) -> _Blocks:
    """Find the transformer blocks of open_clip's ViT, or of a timm trunk. Raises ModelError where there are none."""
    for owner, name in (("transformer", "resblocks"), ("trunk", "blocks")):
        tower = getattr(visual, owner, None)
        holder = getattr(tower, name, None)
        if isinstance(holder, nn.ModuleList | nn.Sequential) and len(holder) and _attends(holder[0]):
            prefix = 1 if owner == "transformer" else int(getattr(tower, "num_prefix_tokens", 0))
            return _Blocks(holder, f"{owner}.{name}", prefix, bool(getattr(tower, "batch_first", True)))
    raise ModelError(
        "The image tower has no transformer blocks to adapt; choose the adapter kind 'none', or Mona with the "
        "placement 'stages'."
    )


def transformer_blocks(visual: nn.Module) -> list[nn.Module]:
    """Return the transformer blocks of an image tower with what was put into them; none for convolutional trunks."""
    try:
        return list(_blocks(visual).holder)
    except ModelError:
        return []


def _attends(block: nn.Module) -> bool:
    return hasattr(getattr(block, "block", block), "attn")


def _stages(trunk: nn.Module) -> list[_Stage]:
    """Find the modules behind which a trunk gives a map, shallow to deep. Raises ModelError where it gives none."""
    stages = [_Stage(*_parent(trunk, path), channels) for path, channels in _named_stages(trunk)]
    if not stages or any(_attends(stage.parent.get_submodule(stage.name)) for stage in stages):
        raise ModelError("The image tower gives no maps to adapt; for a ViT choose the placement 'end' or 'both'.")
    return stages


def _named_stages(trunk: Any) -> list[tuple[str, int]]:
    """Return the paths and channels of a trunk's stages, as our own trunks, timm's and open_clip's ResNet say them."""
    stages = getattr(trunk, "stages", None)
    if isinstance(stages, nn.ModuleList) and hasattr(trunk, "channels"):
        return [(f"stages.{index}", int(channels)) for index, channels in enumerate(trunk.channels)]
    for owner, above in ((stages, "stages."), (trunk, "")):
        info = getattr(owner, "feature_info", None)
        if info is not None:
            rows = info if isinstance(info, list) else info.get_dicts()
            return [(above + row["module"], int(row["num_chs"])) for row in rows]
    layers = [f"layer{number}" for number in (1, 2, 3, 4) if hasattr(trunk, f"layer{number}")]
    return [(layer, int(getattr(trunk, layer)[-1].bn3.num_features)) for layer in layers]


def _parent(owner: nn.Module, path: str) -> tuple[nn.Module, str]:
    above, _, name = path.rpartition(".")
    return owner.get_submodule(above), name


def owned_names(model: nn.Module, config: ModelConfig) -> frozenset[str]:
    """Return the names in a model's state dict that belong into its own file.

    Without a base that is all of them. With one: the adapters, the head, and the blocks that "full" lets learn; the
    rest of the towers is the base's.
    """
    names = model.state_dict().keys()
    if not config.encoder.base:
        return frozenset(names)
    own = tuple(f"{path}." for path in _learning_paths(model, config.adapter))
    return frozenset(name for name in names if not name.startswith(_TOWER) or name.startswith(own))


def adapter_names(model: nn.Module) -> frozenset[str]:
    """Return the names in a model's state dict that belong to its adapters."""
    paths = tuple(f"{path}." for path, module in model.named_modules() if isinstance(module, ADAPTERS))
    return frozenset(name for name in model.state_dict() if name.startswith(paths))


def _learning_paths(model: nn.Module, config: AdapterConfig) -> list[str]:
    """Return the paths of the modules inside the two towers that learn beside a frozen rest."""
    visual = model.get_submodule(f"{_TOWER}visual")
    if config.kind == "full":
        if not config.layers:
            return [f"{_TOWER}visual"]
        return [f"{_TOWER}visual.{_blocks(visual).path}.{index}" for index in config.layers]
    return [f"{_TOWER}visual.{path}" for path, module in visual.named_modules() if isinstance(module, ADAPTERS)]


def select_trainable(
    model: nn.Module, config: AdapterConfig, *, trainable: Literal["all", "adapters"], frozen_stages: int = 0
) -> None:
    """Say by `requires_grad` what learns: everything, or adapters (for "full" the chosen blocks) and the head.

    With "adapters" the text tower and the logit scale are frozen too. Of everything, the stem and the first
    `frozen_stages` stages of a convolutional trunk may be left out. Raises ModelError for a trunk without such stages,
    or without so many.
    """
    model.requires_grad_(requires_grad=True)
    if trainable == "all":
        for part in _early(model, frozen_stages):
            part.requires_grad_(requires_grad=False)
        return
    model.get_submodule("encoder").requires_grad_(requires_grad=False)
    for path in _learning_paths(model, config):
        model.get_submodule(path).requires_grad_(requires_grad=True)


def _early(model: nn.Module, count: int) -> list[nn.Module]:
    if not count:
        return []
    trunk: Any = getattr(model.get_submodule(f"{_TOWER}visual"), "trunk", None)
    if not hasattr(trunk, "early"):
        raise ModelError(
            f"frozen_stages = {count} is for the encoders usassist-lite0 and usassist-lite0-pooled, whose first stages "
            f"ImageNet taught; set it to 0."
        )
    found: list[nn.Module] = trunk.early(count)
    return found


def training_mode(model: nn.Module) -> None:
    """Switch to training what learns; what is frozen stays as at work, its statistics and dropout included.

    Call it after `select_trainable`, before each epoch.
    """
    model.train()
    for module in model.modules():
        parameters = list(module.parameters())
        frozen = bool(parameters) and not any(parameter.requires_grad for parameter in parameters)
        # A normalisation without parameters keeps statistics; nothing learns there, so they stay. Told by what it
        # keeps and not by its class: over several processes another class does the same.
        if frozen or (not parameters and hasattr(module, "running_mean")):
            module.eval()
