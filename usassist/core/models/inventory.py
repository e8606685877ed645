"""What a model is and what it can be used for, told from its files without loading it: no torch here."""

import contextlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from usassist.core.errors import ModelError
from usassist.core.models import clip_settings
from usassist.core.models.config import WEIGHTS_FILE, ModelConfig
from usassist.core.models.familiarity import FAMILIARITY_FILE
from usassist.core.models.weights import MOST_HEADER, ModelInfo, find_model, list_models

Shapes = dict[str, list[int]]

_MOST_SIDES, _LONGEST_SIDE = 16, 2**48
_TOWERS = "encoder.clip."
_POSITIONS = ("visual.positional_embedding", "visual.attnpool.positional_embedding", "trunk.pos_embed")
_NO_PARAMETERS = ("running_mean", "running_var", "num_batches_tracked")
_KINDS = {"segment": "segment", "classify": "classify", "embed": "encoder"}
_USES = {
    "segment": ["proposing masks", "embedding images and texts"],
    "classify": ["class probabilities", "embedding images and texts"],
    "embed": ["ranking by text", "zero-shot classes", "retrieval", "contrastive training"],
}


def kind_of(info: ModelInfo) -> str:
    """Return segment, classify or encoder; "damaged" for a model that cannot be used."""
    return _KINDS[info.config.task] if info.config is not None else "damaged"


def facts_of(info: ModelInfo) -> dict[str, Any]:
    """Return what is known about a model as JSON values; "" and None where something is not known."""
    facts: dict[str, Any] = {
        "name": info.name,
        "kind": kind_of(info),
        "title": info.title,
        "origin": info.origin,
        "folder": str(info.folder),
        "weights_hash": info.weights_hash,
        "problem": info.problem,
    }
    return facts if info.config is None else facts | _facts_of_config(info.config, info.folder)


def _facts_of_config(config: ModelConfig, folder: Path) -> dict[str, Any]:
    encoder, said = config.encoder, config.provenance
    text = _text_settings(config, folder)
    return {
        "family": said.get("family", "usassist"),
        "encoder": encoder.open_clip,
        "base": encoder.base,
        "base_hash": encoder.base_hash,
        "adapter": config.adapter.kind,
        "head": config.head.kind,
        "classes": list(config.classes),
        "image_size": config.preprocess.size,
        "sharpest": config.preprocess.sharpest,
        "context_length": said.get("context_length") or text.get("context_length"),
        **_counts(config, folder),
        "learned_targets": list(config.learned_targets),
        "warns_of_unlike_images": (folder / FAMILIARITY_FILE).is_file(),
        "uses": _uses(config),
    }


def _counts(config: ModelConfig, folder: Path) -> dict[str, int | None]:
    """Count a model's parameters: in all, in its own file, and those that learned; None where that cannot be told.

    With a base its own file holds exactly what learned, adapters, head and unfrozen blocks; the rest is the base's.
    Without one nothing says whether the towers were frozen while it was trained.
    """
    own = _shapes(folder / WEIGHTS_FILE)
    if own is None or not config.encoder.base:
        stored = None if own is None else _count(own)
        return {"parameters": stored, "parameters_stored": stored, "parameters_learned": None}
    rest = _towers_of_base(config, folder)
    every = None if rest is None else _count(own | {name: shape for name, shape in rest.items() if name not in own})
    return {"parameters": every, "parameters_stored": _count(own), "parameters_learned": _count(own)}


def _towers_of_base(config: ModelConfig, folder: Path) -> Shapes | None:
    """Return the shapes of a base's towers, its table of positions as the model's image size needs it."""
    encoder = config.encoder
    try:
        wanted = encoder.base_hash
        info = next(found for found in _candidates(encoder.base, folder) if found.weights_hash == wanted)
    except StopIteration:
        return None
    shapes = _shapes(info.folder / WEIGHTS_FILE)
    if shapes is None or info.config is None:
        return None
    moved = config.preprocess.size / info.config.preprocess.size
    return {
        name: _moved(shape, moved) if name.endswith(_POSITIONS) else shape
        for name, shape in shapes.items()
        if name.startswith(_TOWERS)
    }


def _candidates(name: str, folder: Path) -> Iterator[ModelInfo]:
    for wanted in (name, str(folder / name)):
        with contextlib.suppress(ModelError):
            yield find_model(wanted)
    yield from list_models()  # the same weights under another name


def _moved(shape: list[int], by: float) -> list[int]:
    """Return the shape of a table of positions (.., N, C) on a grid whose side is `by` times as long.

    A shape of fewer than two sides is no such table and stays.
    """
    if len(shape) < 2:
        return shape
    *batch, rows, width = shape
    side = math.isqrt(rows)
    return [*batch, round(side * by) ** 2 + rows - side**2, width]


def _uses(config: ModelConfig) -> list[str]:
    uses = [*_USES[config.task], *(["as a base of models trained here"] if config.can_be_base else [])]
    follows = ["following a text"] if config.follows_text else []
    follows += ["following clicks, a box and a previous mask"] if config.follows_clicks else []
    return [uses[0], *follows, *uses[1:]]


def _text_settings(config: ModelConfig, folder: Path) -> dict[str, Any]:
    """Return the settings of the text tower where they are ours; asking open_clip for its own would import torch."""
    try:
        path = clip_settings.find(config.encoder.open_clip, folder)
        text = clip_settings.read(path)["text_cfg"] if path is not None else {}
    except ModelError:
        return {}
    return dict(text)


def count_parameters(weights: Path) -> int | None:
    """Return how many parameters a safetensors file holds, statistics left out; None where it cannot be told."""
    shapes = _shapes(weights)
    return None if shapes is None else _count(shapes)


def count_by_part(weights: Path) -> dict[str, int]:
    """Return how many parameters of a model's own file are in each part of it; empty where it cannot be told."""
    counted = {"image tower with its adapters": 0, "text tower": 0, "head": 0}
    for name, shape in (_shapes(weights) or {}).items():
        if is_parameter(name):
            is_visual, is_tower = name.startswith(f"{_TOWERS}visual."), name.startswith(_TOWERS)
            part = "image tower with its adapters" if is_visual else "text tower" if is_tower else "head"
            counted[part] += math.prod(shape)
    return {part: count for part, count in counted.items() if count}


def is_parameter(name: str) -> bool:
    """Return whether a tensor of a state dict is a parameter and no statistic of a normalisation, by its name."""
    return not name.endswith(_NO_PARAMETERS)


def _count(shapes: Shapes) -> int:
    return sum(math.prod(shape) for name, shape in shapes.items() if is_parameter(name))


def _shapes(weights: Path) -> Shapes | None:
    """Return the shapes in a safetensors file by name, None where it cannot be read or a shape is none."""
    try:
        with weights.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header: Any = json.loads(file.read(length)) if length <= MOST_HEADER else None
        shapes = {name: entry["shape"] for name, entry in header.items() if name != "__metadata__"}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    return shapes if all(map(_is_shape, shapes.values())) else None


def _is_shape(found: object) -> bool:
    """Return whether something from a file is a list of a few whole numbers, none of them negative or beyond reason."""
    if not isinstance(found, list) or len(found) > _MOST_SIDES:
        return False
    return all(type(side) is int and 0 <= side <= _LONGEST_SIDE for side in found)
