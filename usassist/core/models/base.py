"""The model whose towers another model stands on: where it lies, whether it is the same one, and its tensors."""

import contextlib
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from torch import Tensor, nn

from usassist.core.errors import ModelError
from usassist.core.models.config import WEIGHTS_FILE, EncoderConfig
from usassist.core.models.positions import is_position_table, resize_positions
from usassist.core.models.weights import ModelInfo, find_model, list_models, read_tensors

TOWERS = "encoder.clip."
_WRAPPERS = re.compile(r"\.(?:block|stage|base)(?=\.)")


def pinned(config: EncoderConfig) -> EncoderConfig:
    """Return the configuration with the hash of its base, so that a model can only ever stand on these weights."""
    return replace(config, base_hash=find(config).weights_hash) if config.base else config


def find(config: EncoderConfig, *, beside: Path | None = None) -> ModelInfo:
    """Return the model that `config` names as its base, checked by its hash.

    The name is looked for first, then as a folder relative to `beside`, where the model itself lies; an installed model
    of the same weights under another name serves as well. Raises ModelError that names the model and the hash to add,
    or what does not fit.
    """
    by_name = None
    for wanted in (config.base, *((str(beside / config.base),) if beside is not None else ())):
        with contextlib.suppress(ModelError):
            by_name = find_model(wanted)
        if by_name is not None and config.base_hash in ("", by_name.weights_hash):
            return _fitting(by_name, config)
    for info in list_models():
        if config.base_hash and info.weights_hash == config.base_hash:
            return _fitting(info, config)
    wanted = f"{config.base!r} with the SHA-256 {config.base_hash}" if config.base_hash else f"{config.base!r}"
    if by_name is not None:
        raise ModelError(
            f"This model stands on the base {wanted}, but the model of that name here has the SHA-256 "
            f"{by_name.weights_hash}: it is another one. Add the right one under another name with "
            f"`usassist models add FILE --name NAME`."
        )
    raise ModelError(
        f"This model stands on the base {wanted}, which is not among the models here. {_advice(config.base)}"
    )


def find_named(name: str) -> ModelInfo:
    """Return the model that a recipe names as its base. Raises ModelError that says which bases there are."""
    if not Path(name).is_dir() and all(info.name != name for info in list_models()):
        raise ModelError(f"The recipe's base {name!r} is not among the models here. {_advice(name)}")
    return find_model(name)


def _advice(name: str) -> str:
    bases = [info.name for info in list_models() if info.config is not None and info.config.can_be_base]
    return (
        f"The bases here are: {', '.join(bases) or 'none'}. Add it with `usassist models add RUN|FILE --name "
        f"{Path(name).name}`; docs/training.md says how the bases of the shipped recipes are made."
    )


def _fitting(info: ModelInfo, config: EncoderConfig) -> ModelInfo:
    """Return the base where its towers are those that `config` describes. Raises ModelError."""
    there = info.config
    if there is None:
        raise ModelError(f"The base {info.name!r} cannot be used: {info.problem}")
    if not there.can_be_base:
        raise ModelError(
            f"{info.name!r} cannot be a base: it stands on {there.encoder.base or 'nothing'!r} with the adapter "
            f"{there.adapter.kind!r}. A base holds both towers itself and has no adapter."
        )
    if there.encoder.open_clip != config.open_clip or there.encoder.vocabulary != config.vocabulary:
        ours, theirs = (len(encoder.vocabulary) or "all" for encoder in (config, there.encoder))
        raise ModelError(
            f"The base {info.name!r} is a {there.encoder.open_clip} with {theirs} words, this model's encoder a "
            f"{config.open_clip} with {ours}; they must be the same."
        )
    return info


def fill_towers(clip: nn.Module, info: ModelInfo) -> None:
    """Fill both towers from a base's weights, before adapters are put in: 0 missing and 0 unexpected tensors.

    Position embeddings of another image size are resized. Raises ModelError that counts what does not fit.
    """
    tensors = read_tensors(info.folder / WEIGHTS_FILE, prefix=TOWERS)
    bare = {name.removeprefix(TOWERS): tensor for name, tensor in tensors.items()}
    fill_clip(clip, bare, whose=f"The base {info.name!r}")


def fill_clip(clip: nn.Module, tensors: Mapping[str, Tensor], *, whose: str) -> None:
    """Fill both towers of open_clip's model: 0 missing, 0 unexpected, positions moved to its image size.

    Raises ModelError that begins with `whose` and counts what does not fit.
    """
    own = clip.state_dict()
    fitted = {name: fit_positions(name, tensor, own.get(name)) for name, tensor in tensors.items()}
    missing, unexpected = sorted(own.keys() - fitted.keys()), sorted(fitted.keys() - own.keys())
    shapes = sorted(name for name in own.keys() & fitted.keys() if own[name].shape != fitted[name].shape)
    if missing or unexpected or shapes:
        raise ModelError(
            f"{whose} does not fill the encoder: {len(missing)} tensors missing, {len(unexpected)} unexpected, "
            f"{len(shapes)} of another shape, for instance {[*missing, *unexpected, *shapes][0]}."
        )
    clip.load_state_dict(fitted)


def fit_positions(name: str, tensor: Tensor, own: Tensor | None) -> Tensor:
    """Return a tensor from another image size as `own` needs it: position embeddings resized, all else as it is."""
    if own is None or not is_position_table(name) or tensor.ndim != own.ndim or tensor.shape == own.shape:
        return tensor
    if tensor.ndim not in (2, 3) or tensor.shape[-1] != own.shape[-1]:
        return tensor
    try:
        return resize_positions(tensor, own.shape[-2])
    except ValueError as error:
        raise ModelError(f"{name} cannot be moved to another image size: {error}") from error


def require_unchanged(tensors: Mapping[str, Tensor], config: EncoderConfig, *, beside: Path) -> None:
    """Refuse to leave out of a file what is no longer the base's: those tensors would be lost.

    `tensors` are a model's, by their names, that its file in the folder `beside` will not hold. Raises ModelError that
    counts what changed.
    """
    there = read_tensors(find(config, beside=beside).folder / WEIGHTS_FILE, prefix=TOWERS)
    changed = sorted(name for name, tensor in tensors.items() if not _same(name, tensor, _of_base(name, there)))
    if changed:
        raise ModelError(
            f"{len(changed)} tensors outside the adapters are no longer those of the base {config.base!r}, for "
            f'instance {changed[0]}: saving adapters alone would lose them. Train with trainable = "adapters", or '
            f"without a base."
        )


def _of_base(name: str, there: Mapping[str, Tensor]) -> Tensor | None:
    """Return the base's tensor of this name; adapters wrap what they adapt, which puts a step into the name."""
    return there.get(name, there.get(_WRAPPERS.sub("", name)))


def _same(name: str, tensor: Tensor, other: Tensor | None) -> bool:
    if other is None:
        return False
    expected = fit_positions(name, other, tensor).to(tensor.device, tensor.dtype)
    # A moving average of a constant differs from it by rounding.
    return expected.shape == tensor.shape and bool(tensor.isclose(expected, rtol=1e-4, atol=1e-6).all())
