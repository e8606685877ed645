"""What a model is and what it can be used for, told from its files without loading it: no torch here."""

import json
import math
from pathlib import Path
from typing import Any

from usassist.core.errors import ModelError
from usassist.core.models import clip_settings
from usassist.core.models.config import WEIGHTS_FILE, ModelConfig
from usassist.core.models.weights import ModelInfo

_MOST_HEADER = 32 * 2**20
_NO_PARAMETERS = ("running_mean", "running_var", "num_batches_tracked")
_KINDS = {"segment": "segment", "classify": "classify", "embed": "encoder"}
_USES = {
    "segment": ["proposing masks", "following a text", "embedding images and texts"],
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
        "context_length": said.get("context_length") or text.get("context_length"),
        "parameters": count_parameters(folder / WEIGHTS_FILE),
        "uses": _uses(config),
    }


def _uses(config: ModelConfig) -> list[str]:
    can_be_base = config.adapter.kind == "none" and not config.encoder.base
    return _USES[config.task] + (["as a base of models trained here"] if can_be_base else [])


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
    try:
        with weights.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length)) if length <= _MOST_HEADER else {}
        entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
        shapes = [entry["shape"] for name, entry in entries.items() if not name.endswith(_NO_PARAMETERS)]
        return sum(math.prod(shape) for shape in shapes)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
