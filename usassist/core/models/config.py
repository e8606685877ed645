"""What a model is made of, as `model.json` says it: encoder x adapter x head, preprocessing and calibration."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from usassist.core.errors import ModelError
from usassist.core.models.record import STATED, build_record, require_range

SCHEMA_VERSION = 1
CONFIG_FILE = "model.json"
WEIGHTS_FILE = "weights.safetensors"
CARD_FILE = "CARD.md"

# A name becomes a file name: no separator, no drive, and no "hf-hub:" that would reach for a network.
ENCODER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_MOST_BYTES = 4 * 2**20
_MOST_TARGETS, _LONGEST_NAME = 256, 100


Task = Literal["segment", "classify", "embed"]
Precision = Literal["fp32", "bf16", "int8"]

_CONDITIONED = ("film_skip", "promptable", "clipseg")
"""The heads whose masks depend on a condition, a text's or a support image's embedding."""


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """The two towers: an open_clip configuration by name, the feature taps, the compact vocabulary, and the base.

    `taps` are stage indices of a convolutional trunk or block indices of a ViT, from 0. `vocabulary` lists the CLIP BPE
    ids that have a row of their own; empty means the encoder's full vocabulary. `base` names the model whose towers
    these are (a name of `usassist models list` or a folder) and `base_hash` is the SHA-256 of that model's weights: the
    model's own file then holds only what differs, adapters and heads. Without a base it holds everything.
    """

    open_clip: str
    taps: tuple[int, ...]
    vocabulary: tuple[int, ...] = ()
    base: str = ""
    base_hash: str = ""


@dataclass(frozen=True, slots=True)
class AdapterConfig:
    """What may learn inside the image tower.

    Mona: `placement` "both" is the publication's (after the attention and after the MLP of each block, with `shared`
    one adapter for the two), "end" one behind each block, "stages" one behind each stage of a trunk that is no ViT.
    LoRA: `rank` and `alpha` on the attention's projections. "full": the blocks themselves. `layers` chooses blocks or
    stages by index from 0; empty means all of them.
    """

    kind: Literal["mona", "lora", "full", "none"] = field(default="mona", metadata=STATED)
    placement: Literal["both", "end", "stages"] = "end"
    variant: Literal["baseline", "noise_gated", "frequency", "hybrid"] = "baseline"
    shared: bool = False
    bottleneck: int = 64
    dropout: float = 0.1
    rank: int = 16
    alpha: float = 32.0
    layers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class HeadConfig:
    """What reads the features.

    For masks: "film_skip", "unet" and "promptable", which follows clicks, a box and a previous mask too, climb over all
    taps (`widths` from the second-deepest tap to the shallowest). "pyramid" is NextGen-UIA's (`width` channels,
    `fusion`), "clipseg" is CLIPSeg's (`width` is its reduced size, 64; `refined` upsamples in two steps behind a
    convolution, else in one). For classes: "pooled" is linear on the pooled, fused taps of the pyramid with `hidden`
    units before it (0: none). "none" is a pair of towers without a head. `dropout` is that of the heads "clipseg" and
    "pooled", and of whole channels in "promptable", `presence_dropout` that of what judges presence beside every mask.
    """

    kind: Literal["film_skip", "promptable", "unet", "pyramid", "clipseg", "pooled", "none"] = "film_skip"
    widths: tuple[int, ...] = (96, 64, 48, 32)
    width: int = 512
    fusion: Literal["sequential", "parallel"] = "sequential"
    hidden: int = 0
    dropout: float = 0.1
    presence_dropout: float = 0.2
    refined: bool = True


@dataclass(frozen=True, slots=True)
class PreprocessConfig:
    """How an image becomes the input: grey, squashed to `size` x `size`, scaled to 0..1, then (x - mean) / std.

    `mean` and `std` are one number, or three for the copies of the grey value that stand for red, green and blue. An
    image sharper than `sharpest` at that size is blurred until it is not (`geometry.sharpness`); 0 leaves all as they
    are.
    """

    size: int = 256
    mean: tuple[float, ...] = (0.5,)
    std: tuple[float, ...] = (0.5,)
    sharpest: float = 0.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """Chosen on validation data only: thresholds, and Platt scaling of the raw presence and quality logits.

    `threshold` is on the pixel probability; below `presence_threshold` the answer is an empty mask. Presence is judged
    from two witnesses, the presence logit and the peak of the mask's logits: each errs on other images. The peak counts
    nothing (`presence_peak` 0) for a head whose presence logit sees the mask itself.

    A classifier's logits become probabilities by `link`, the function its loss trained them for, after a division by
    `temperature` (Guo et al. 2017).
    """

    threshold: float = 0.5
    presence_threshold: float = 0.5
    presence_scale: float = 1.0
    presence_peak: float = 0.0
    presence_bias: float = 0.0
    quality_scale: float = 1.0
    quality_bias: float = 0.0
    link: Literal["softmax", "sigmoid"] = "softmax"
    temperature: float = 1.0

    def class_probabilities(self, logits: Sequence[float]) -> tuple[float, ...]:
        """Return the probabilities of the classes, which add up to 1, from the K raw logits of one image.

        "sigmoid" is for losses that judge each class by itself, such as focal loss: each class's own probability over
        their sum. A softmax of such logits would answer another question than the one that was trained.

        >>> [round(p, 2) for p in Calibration(link="sigmoid").class_probabilities([0.0, 0.0])]
        [0.5, 0.5]
        """
        cooled = [float(logit) / self.temperature for logit in logits]
        if self.link == "sigmoid":
            weights = [_sigmoid(logit) for logit in cooled]
        else:
            top = max(cooled)
            weights = [math.exp(logit - top) for logit in cooled]
        total = sum(weights)
        return tuple(weight / total for weight in weights)

    def presence(self, presence: float, *, peak: float, trust: float = 1.0) -> float:
        """Return P(what was asked is in the image), 0 to 1, from the raw presence logit and the mask's peak logit.

        `trust`, 0 to 1, is how much of these log-odds counts; at 0 nobody knows, and it is 0.5.
        """
        return _sigmoid(trust * (self.presence_scale * presence + self.presence_peak * peak + self.presence_bias))

    def quality(self, quality: float) -> float:
        """Return the Dice to expect where something is there, 0 to 1, from the raw quality logit."""
        return _sigmoid(self.quality_scale * quality + self.quality_bias)


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-min(60.0, max(-60.0, value))))


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Everything needed to rebuild a model around its weights.

    `task` says what it answers with: masks, class probabilities, or embeddings only. `classes` are the objects of an
    index mask, in the order of its values from 1 (none: one object), or the classes of a classifier.
    `learned_targets` are what the images showed from which a model learned to follow a text: names of the vocabulary's
    targets, and of labels or classes where it has none. Empty is not known, as in older files.
    """

    name: str
    title: str
    encoder: EncoderConfig
    adapter: AdapterConfig = field(default=AdapterConfig(), metadata=STATED)
    head: HeadConfig = HeadConfig()
    preprocess: PreprocessConfig = PreprocessConfig()
    calibration: Calibration = Calibration()
    target: str = "breast_lesion"
    provenance: Mapping[str, Any] = field(default_factory=dict)
    task: Task = "segment"
    classes: tuple[str, ...] = ()
    learned_targets: tuple[str, ...] = ()

    @property
    def can_be_base(self) -> bool:
        """Return whether other models may stand on the towers: they are whole, and nothing was put into them."""
        return self.adapter.kind == "none" and not self.encoder.base

    @property
    def follows_clicks(self) -> bool:
        """Return whether clicks, a box and a previous mask change the masks."""
        return self.task == "segment" and self.head.kind == "promptable" and len(self.classes) < 2

    @property
    def follows_text(self) -> bool:
        """Return whether a text, or support images, change the masks; one of several classes is only named by it."""
        return self.task == "segment" and self.head.kind in _CONDITIONED and len(self.classes) < 2

    def to_json(self) -> str:
        """Return the text of `model.json`."""
        return json.dumps({"schema_version": SCHEMA_VERSION, **asdict(self)}, indent=1, sort_keys=False) + "\n"

    @classmethod
    def from_json(cls, text: str, *, where: str) -> Self:
        """Parse `model.json`; unknown keys and newer schemas are refused with a ModelError that names `where`."""
        try:
            raw = json.loads(text)
        except (ValueError, RecursionError) as error:  # broken, a number of 5000 digits, a thousand brackets
            raise ModelError(
                f"{where} is not valid JSON ({error}); restore the file or add the model again."
            ) from error
        if not isinstance(raw, dict) or raw.pop("schema_version", None) != SCHEMA_VERSION:
            raise ModelError(
                f"{where} is not a model description of schema {SCHEMA_VERSION}; it was written by another version."
            )
        config = build_record(cls, raw, where=where, error=ModelError)
        _check_ranges(config, where)
        return config

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read `model.json` of a model folder. Raises ModelError."""
        path = folder / CONFIG_FILE
        try:
            with path.open("rb") as file:
                data = file.read(_MOST_BYTES + 1)
        except OSError as error:
            raise ModelError(
                f"{folder} holds no readable {CONFIG_FILE} ({error.strerror}); it is not a model."
            ) from error
        if len(data) > _MOST_BYTES:
            raise ModelError(f"{path} has more than {_MOST_BYTES} bytes; it is no model description.")
        try:
            return cls.from_json(data.decode("utf-8"), where=str(path))
        except UnicodeDecodeError as error:
            raise ModelError(f"{path} is not a text in UTF-8; restore the file or add the model again.") from error


def can_be_learned_targets(names: Sequence[str]) -> bool:
    """Return whether a description may hold these names: few enough, and none too long, empty or of several lines."""
    fit = all(name.strip() and name.isprintable() and len(name) <= _LONGEST_NAME for name in names)
    return fit and len(names) <= _MOST_TARGETS


def _check_ranges(config: ModelConfig, where: str) -> None:
    """Refuse what would read another folder, exhaust the memory or answer with numbers that are none."""
    if not ENCODER_NAME.fullmatch(config.encoder.open_clip):
        raise ModelError(
            f"{where}: encoder.open_clip is the name of a configuration, of letters, digits, '.', '_' and '-'; found "
            f"{config.encoder.open_clip!r}."
        )
    if not can_be_learned_targets(config.learned_targets):
        raise ModelError(
            f"{where}: learned_targets are up to {_MOST_TARGETS} names of 1 to {_LONGEST_NAME} characters, each on one "
            f"line."
        )
    calibration, preprocess = config.calibration, config.preprocess
    if len(preprocess.mean) not in (1, 3) or len(preprocess.std) not in (1, 3):
        raise ModelError(f"{where}: preprocess.mean and preprocess.std are one number or three.")
    for name, value, low, high in (
        *(("encoder.taps", tap, 0, 255) for tap in config.encoder.taps),
        *(("head.widths", width, 1, 4096) for width in config.head.widths),
        ("the number of encoder.taps", len(config.encoder.taps), 2, 16),
        ("the length of encoder.vocabulary", len(config.encoder.vocabulary), 0, 100_000),
        ("adapter.bottleneck", config.adapter.bottleneck, 1, 4096),
        ("adapter.dropout", config.adapter.dropout, 0.0, 0.99),
        ("preprocess.size", preprocess.size, 16, 2048),
        ("preprocess.sharpest", preprocess.sharpest, 0.0, 10.0),
        *(("preprocess.std", std, 1e-6, 1e6) for std in preprocess.std),
        *(("adapter.layers", layer, 0, 255) for layer in config.adapter.layers),
        ("adapter.rank", config.adapter.rank, 1, 4096),
        ("adapter.alpha", config.adapter.alpha, 0.0, 1e6),
        ("head.width", config.head.width, 1, 8192),
        ("head.hidden", config.head.hidden, 0, 8192),
        ("head.dropout", config.head.dropout, 0.0, 0.99),
        ("head.presence_dropout", config.head.presence_dropout, 0.0, 0.99),
        ("the number of classes", len(config.classes), 0, 254),
        ("calibration.threshold", calibration.threshold, 0.0, 1.0),
        ("calibration.temperature", calibration.temperature, 1e-3, 1e3),
        ("calibration.presence_threshold", calibration.presence_threshold, 0.0, 1.0),
    ):
        require_range(value, low, high, where=f"{where}, {name}", error=ModelError)
