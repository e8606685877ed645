"""A training recipe: one TOML file, every key known, copied into the run."""

import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal

from usassist.core.captions.vocabulary import load_vocabulary
from usassist.core.data.augment import AugmentConfig
from usassist.core.errors import TrainingError
from usassist.core.models.config import AdapterConfig, HeadConfig, PreprocessConfig
from usassist.core.models.record import build_record, require_range


@dataclass(frozen=True, slots=True)
class EncoderRecipe:
    """The towers: an open_clip configuration, taps, whether the vocabulary is compacted, and the start of the trunk."""

    open_clip: str = "usassist-lite0"
    taps: tuple[int, ...] = (0, 1, 2, 3, 4)
    compact_vocabulary: bool = True
    imagenet_start: bool = False


@dataclass(frozen=True, slots=True)
class LossConfig:
    """Weights of the terms of the loss."""

    dice: float = 1.0
    bce: float = 1.0
    presence: float = 0.2
    quality: float = 0.1
    contrast: float = 0.05


@dataclass(frozen=True, slots=True)
class PromptConfig:
    """How often a training image comes without a text, and with a text that names something it does not show."""

    without: float = 0.5
    wrong: float = 0.1


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Everything a run depends on besides its data."""

    name: str
    title: str
    target: str = "breast_lesion"
    seed: int = 0
    epochs: int = 40
    batch_size: int = 16
    lr: float = 1e-3
    trunk_lr: float = 1e-3
    weight_decay: float = 0.02
    warmup: float = 0.15
    clip_norm: float = 1.0
    ema: float = 0.995
    trainable: Literal["all", "adapters"] = "all"
    workers: int = 1
    threads: int = 0
    start_from: str = ""
    encoder: EncoderRecipe = field(default_factory=EncoderRecipe)
    adapter: AdapterConfig = field(default_factory=AdapterConfig)
    head: HeadConfig = field(default_factory=HeadConfig)
    preprocess: PreprocessConfig = field(default_factory=PreprocessConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    prompts: PromptConfig = field(default_factory=PromptConfig)


def read_recipe(path: Path, *, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a recipe and apply `key=value` or `section.key=value` overrides. Raises TrainingError."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainingError(f"The recipe {path} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise TrainingError(f"The recipe {path} is not valid TOML: {error}.") from error
    for override in overrides:
        _apply(raw, override)
    config = build_record(TrainConfig, raw, where=str(path), error=TrainingError)
    _check_ranges(config, str(path))
    return config


def _check_ranges(config: TrainConfig, where: str) -> None:
    for name, value, low, high in (
        ("epochs", config.epochs, 1, 100_000),
        ("batch_size", config.batch_size, 2, 4096),  # batch normalisation needs two
        ("lr", config.lr, 0.0, 10.0),
        ("trunk_lr", config.trunk_lr, 0.0, 10.0),
        ("warmup", config.warmup, 0.0, 1.0),
        ("ema", config.ema, 0.0, 1.0),
        ("workers", config.workers, 0, 256),
        ("threads", config.threads, 0, 1024),
        ("seed", config.seed, 0, 2**31),
        ("preprocess.size", config.preprocess.size, 32, 2048),
        *(("preprocess.std", std, 1e-6, 1e6) for std in config.preprocess.std),
        ("prompts.without", config.prompts.without, 0.0, 1.0),
        ("prompts.without + prompts.wrong", config.prompts.without + config.prompts.wrong, 0.0, 1.0),
    ):
        require_range(value, low, high, where=f"{where}: {name}", error=TrainingError)
    targets = load_vocabulary().targets
    if config.target not in targets:
        raise TrainingError(f"{where}: there is no target {config.target!r}; the targets are {', '.join(targets)}.")


def _apply(raw: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals:
        raise TrainingError(f"--set needs key=value, found {override!r}; for instance --set epochs=5.")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value
    *sections, name = key.strip().split(".")
    for section in sections:
        raw = raw.setdefault(section, {})
        if not isinstance(raw, dict):
            raise TrainingError(f"--set {override}: {section} is a value, not a section.")
    raw[name] = parsed


def to_toml(config: TrainConfig) -> str:
    """Return the recipe as TOML, every key written out, so a run says what it was even when defaults change."""
    lines: list[str] = []
    sections: list[tuple[str, Any]] = []
    for f in fields(config):
        value = getattr(config, f.name)
        if is_dataclass(value):
            sections.append((f.name, value))
        else:
            lines.append(f"{f.name} = {_literal(value)}")
    for name, section in sections:
        lines += ["", f"[{name}]", *(f"{f.name} = {_literal(getattr(section, f.name))}" for f in fields(section))]
    return "\n".join(lines) + "\n"


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # TOML's basic strings are JSON's, line breaks and quotes included.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, tuple):
        return "[" + ", ".join(_literal(v) for v in value) + "]"
    return repr(value)
