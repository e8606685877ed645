"""The description of the model that a run trains, before it has weights."""

import contextlib
import dataclasses
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, TypeVar

from usassist.core import paths
from usassist.core.captions.vocabulary import load_vocabulary
from usassist.core.errors import TrainingError
from usassist.core.models.config import AdapterConfig, EncoderConfig, HeadConfig, ModelConfig
from usassist.core.models.config import Task as ModelTask
from usassist.core.models.tokens import bpe_ids, collect_vocabulary
from usassist.core.models.weights import ModelInfo
from usassist.core.training.config import TrainConfig
from usassist.core.training.start import Start, config_of

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
    named: dict[str, Any] = {"name": config.name, "title": config.title, "target": config.target}
    fresh = ModelConfig(
        encoder=_encoder(config, start.base, captions),
        task=task,
        classes=classes,
        adapter=config.adapter or AdapterConfig(),
        head=(config.head or HeadConfig()) if task != "embed" else HeadConfig(kind="none"),
        preprocess=config.preprocess,
        provenance=provenance,
        **named,
    )
    if start.model is None:
        return fresh
    before = config_of(start.model)
    adapter = _gone_on_from(config.adapter, before.adapter, section="adapter", name=start.model.name)
    if before.task != task:
        encoder = dataclasses.replace(before.encoder, taps=config.encoder.taps)
        return dataclasses.replace(fresh, encoder=encoder, adapter=adapter)
    _require_same_classes(before, classes, name=start.model.name)
    head = before.head
    if task != "embed":
        head = _gone_on_from(config.head, before.head, section="head", name=start.model.name)
    return dataclasses.replace(
        before, adapter=adapter, head=head, preprocess=config.preprocess, provenance=provenance, **named
    )


def _require_same_classes(before: ModelConfig, classes: tuple[str, ...], *, name: str) -> None:
    if before.classes != classes:
        raise TrainingError(
            f"The model {name!r} to start from tells apart {_listed(before.classes)}, the data {_listed(classes)}; "
            f"start without it, or give data of the same classes (in the order of the recipe's `classes`)."
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


def _encoder(config: TrainConfig, base: ModelInfo | None, captions: Sequence[str]) -> EncoderConfig:
    recipe = config.encoder
    if base is not None:
        own = config_of(base).encoder
        return EncoderConfig(own.open_clip, recipe.taps, own.vocabulary, str(base.folder), base.weights_hash)
    vocabulary: tuple[int, ...] = ()
    if recipe.compact_vocabulary:
        vocabulary = _most_common(captions, load_vocabulary().texts())
    return EncoderConfig(recipe.open_clip, recipe.taps, vocabulary)


def _most_common(captions: Sequence[str], fixed: Sequence[str], *, room: int = _VOCABULARY_ROOM) -> tuple[int, ...]:
    """Return the BPE ids of the fixed texts and, while there is room, of the captions, common ones first."""
    always = set(collect_vocabulary(fixed))
    counts = Counter(token for caption in captions for token in bpe_ids(caption) if token not in always)
    common = sorted(counts, key=lambda token: (-counts[token], token))[: max(0, room - len(always))]
    return tuple(sorted(always.union(common)))


def _listed(classes: Sequence[str]) -> str:
    return ", ".join(classes) or "one object"
