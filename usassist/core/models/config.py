"""What a model is made of, as `model.json` says it: encoder x adapter x head, preprocessing and calibration."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from usassist.core.errors import ModelError

SCHEMA_VERSION = 1
CONFIG_FILE = "model.json"
WEIGHTS_FILE = "weights.safetensors"
CARD_FILE = "CARD.md"

_Part = TypeVar("_Part")


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """The two towers: an open_clip configuration by name, the feature taps, and the compact vocabulary.

    `taps` are stage indices of a convolutional trunk or block indices of a ViT. `vocabulary` lists the CLIP BPE ids
    that have a row of their own; empty means the encoder's full vocabulary.
    """

    open_clip: str
    taps: tuple[int, ...]
    vocabulary: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class AdapterConfig:
    """The adapters in the image tower."""

    kind: Literal["mona", "none"] = "mona"
    bottleneck: int = 64
    dropout: float = 0.1


@dataclass(frozen=True, slots=True)
class HeadConfig:
    """The segmentation head; `widths` from the second-deepest tap to the shallowest."""

    kind: Literal["film_skip"] = "film_skip"
    widths: tuple[int, ...] = (96, 64, 48, 32)


@dataclass(frozen=True, slots=True)
class PreprocessConfig:
    """How a grey image becomes the input: squashed to `size` x `size`, scaled to 0..1, then (x - mean) / std."""

    size: int = 256
    mean: float = 0.5
    std: float = 0.5


@dataclass(frozen=True, slots=True)
class Calibration:
    """Chosen on validation data only: thresholds, and Platt scaling of the raw presence and quality logits.

    `threshold` is on the pixel probability; below `presence_threshold` the answer is an empty mask.
    """

    threshold: float = 0.5
    presence_threshold: float = 0.5
    presence_scale: float = 1.0
    presence_bias: float = 0.0
    quality_scale: float = 1.0
    quality_bias: float = 0.0


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Everything needed to rebuild a model around its weights."""

    name: str
    title: str
    encoder: EncoderConfig
    adapter: AdapterConfig = AdapterConfig()
    head: HeadConfig = HeadConfig()
    preprocess: PreprocessConfig = PreprocessConfig()
    calibration: Calibration = Calibration()
    target: str = "breast_lesion"
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the text of `model.json`."""
        return json.dumps({"schema_version": SCHEMA_VERSION, **asdict(self)}, indent=1, sort_keys=False) + "\n"

    @classmethod
    def from_json(cls, text: str, *, where: str) -> Self:
        """Parse `model.json`; unknown keys and newer schemas are refused with a ModelError that names `where`."""
        try:
            raw = json.loads(text)
        except json.JSONDecodeError as error:
            raise ModelError(
                f"{where} is not valid JSON ({error}); restore the file or add the model again."
            ) from error
        if not isinstance(raw, dict) or raw.pop("schema_version", None) != SCHEMA_VERSION:
            raise ModelError(
                f"{where} is not a model description of schema {SCHEMA_VERSION}; it was written by another version."
            )
        parts = {
            "encoder": EncoderConfig,
            "adapter": AdapterConfig,
            "head": HeadConfig,
            "preprocess": PreprocessConfig,
            "calibration": Calibration,
        }
        for name, part in parts.items():
            if name in raw:
                raw[name] = _build(part, raw[name], where=f"{where}, {name}")
        return _build(cls, raw, where=where)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read `model.json` of a model folder. Raises ModelError."""
        path = folder / CONFIG_FILE
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise ModelError(
                f"{folder} holds no readable {CONFIG_FILE} ({error.strerror}); it is not a model."
            ) from error
        return cls.from_json(text, where=str(path))


def _build(part: type[_Part], raw: object, *, where: str) -> _Part:
    if not isinstance(raw, dict):
        raise ModelError(f"{where}: expected an object of settings, found {type(raw).__name__}.")
    names = {f.name for f in fields(part)}  # type: ignore[arg-type]  # every part is a dataclass
    unknown = sorted(set(raw) - names)
    if unknown:
        raise ModelError(f"{where}: unknown settings {', '.join(unknown)}; known are {', '.join(sorted(names))}.")
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()}
    try:
        return part(**values)
    except TypeError as error:
        raise ModelError(f"{where}: {error}.") from error
