"""A training recipe: one TOML file, every key known, copied into the run."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal

from usassist.core.captions.vocabulary import load_vocabulary
from usassist.core.data.augment import AugmentConfig
from usassist.core.errors import TrainingError
from usassist.core.models.config import AdapterConfig, HeadConfig, Precision, PreprocessConfig
from usassist.core.models.record import build_record, require_range
from usassist.core.training.sections import (
    BalanceConfig,
    ClassifyConfig,
    ClickConfig,
    ContrastConfig,
    EncoderRecipe,
    FewShotConfig,
    FoldConfig,
    LossConfig,
    PromptConfig,
    SplitConfig,
)


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Everything a run depends on besides its data.

    `task` is what `usassist-train` was asked for; a recipe may name it, to be refused by the wrong command. `classes`
    are the objects of index masks or the classes to tell apart, in this order; empty takes them from the data.
    `batch_size` counts the images of one batch over all processes; `accumulate` batches make one step. `warmup` is the
    share of all steps. `patience` counts validations without a better score (0: never stop early), `validate_every`
    epochs. `keep` says whose weights become the model: the best score's, or the last epoch's, where validation has too
    few images to tell epochs apart; then none is chosen by it. `trunk_lr` is the rate of the weights that start
    trained: the towers where there is a base or `start_from`, else the image trunk's stages; its first `frozen_stages`
    and the stem stay as they are (0: all learn, the stem too). With `early_size` the first `early_share` of the epochs
    see images of that side instead of `preprocess.size`: it is cheaper, and for encoders that take any size. `threads`
    0 leaves torch's number. `precision` is what large products are computed in while training; int8 is for frozen
    blocks on a CPU. `adapter` and `head` are None where the recipe has no such section: they are then those of the
    model it goes on from, else the defaults.
    """

    name: str
    title: str
    task: Literal["", "segment", "classify", "contrast"] = ""
    target: str = "breast_lesion"
    classes: tuple[str, ...] = ()
    seed: int = 0
    epochs: int = 40
    batch_size: int = 16
    accumulate: int = 1
    lr: float = 1e-3
    trunk_lr: float = 1e-3
    min_lr: float = 0.0
    weight_decay: float = 0.02
    betas: tuple[float, ...] = (0.9, 0.99)
    warmup: float = 0.15
    clip_norm: float = 1.0
    ema: float = 0.995
    patience: int = 0
    validate_every: int = 1
    keep: Literal["best", "last"] = "best"
    trainable: Literal["all", "adapters"] = "all"
    early_size: int = 0
    early_share: float = 0.0
    frozen_stages: int = 0
    precision: Precision = "fp32"
    workers: int = 1
    threads: int = 0
    tensorboard: bool = False
    start_from: str = ""
    encoder: EncoderRecipe = field(default_factory=EncoderRecipe)
    adapter: AdapterConfig | None = None
    head: HeadConfig | None = None
    preprocess: PreprocessConfig = field(default_factory=PreprocessConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    prompts: PromptConfig = field(default_factory=PromptConfig)
    clicks: ClickConfig = field(default_factory=ClickConfig)
    balance: BalanceConfig = field(default_factory=BalanceConfig)
    few_shot: FewShotConfig = field(default_factory=FewShotConfig)
    contrast: ContrastConfig = field(default_factory=ContrastConfig)
    classify: ClassifyConfig = field(default_factory=ClassifyConfig)
    split: SplitConfig = field(default_factory=SplitConfig)
    fold: FoldConfig = field(default_factory=FoldConfig)

    def size_at(self, epoch: int) -> int:
        """Return the side in pixels of an epoch's training images."""
        early = bool(self.early_size) and epoch < round(self.early_share * self.epochs)
        return self.early_size if early else self.preprocess.size


def read_recipe(path: Path, *, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a recipe and apply `key=value` or `section.key=value` overrides. Raises TrainingError."""
    config = build_record(TrainConfig, _read(path, overrides), where=str(path), error=TrainingError)
    _check_ranges(config, str(path))
    _check_together(config, str(path))
    return config


def stated(path: Path, *, overrides: Sequence[str] = ()) -> frozenset[str]:
    """Return what a recipe and its overrides say, as "preprocess.mean": all else is a default. Raises TrainingError."""
    raw = _read(path, overrides)
    inner = {f"{name}.{key}" for name, section in raw.items() if isinstance(section, dict) for key in section}
    return frozenset({*raw, *inner})


def _read(path: Path, overrides: Sequence[str]) -> dict[str, Any]:
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainingError(f"The recipe {path} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise TrainingError(f"The recipe {path} is not valid TOML: {error}.") from error
    for override in overrides:
        _apply(raw, override)
    return raw


_LOSS_WEIGHTS = (
    *("dice", "bce", "ce", "focal", "focal_gamma", "boundary"),
    *("presence", "quality", "contrast", "anchors", "clicks", "empty"),
)

_STARTS = ("from_answer", "from_blank", "from_mask")


def _check_ranges(config: TrainConfig, where: str) -> None:
    for name, value, low, high in (
        ("epochs", config.epochs, 1, 100_000),
        ("batch_size", config.batch_size, 2, 65_536),  # batch normalisation needs two
        ("accumulate", config.accumulate, 1, 4096),
        ("lr", config.lr, 0.0, 10.0),
        ("trunk_lr", config.trunk_lr, 0.0, 10.0),
        ("min_lr", config.min_lr, 0.0, 10.0),
        ("weight_decay", config.weight_decay, 0.0, 10.0),
        ("the number of betas", len(config.betas), 2, 2),
        *(("betas", beta, 0.0, 0.99999) for beta in config.betas),
        ("clip_norm", config.clip_norm, 1e-6, 1e9),
        ("warmup", config.warmup, 0.0, 1.0),
        ("ema", config.ema, 0.0, 1.0),
        ("patience", config.patience, 0, 100_000),
        ("validate_every", config.validate_every, 1, 100_000),
        ("workers", config.workers, 0, 256),
        ("threads", config.threads, 0, 1024),
        *((("early_size, where it is not 0,", config.early_size, 32, 2048),) if config.early_size else ()),
        ("early_share", config.early_share, 0.0, 1.0),
        ("frozen_stages", config.frozen_stages, 0, 100),
        ("seed", config.seed, 0, 2**31),
        ("preprocess.size", config.preprocess.size, 32, 2048),
        ("preprocess.sharpest", config.preprocess.sharpest, 0.0, 10.0),
        *(("preprocess.std", std, 1e-6, 1e6) for std in config.preprocess.std),
        *((f"loss.{name}", getattr(config.loss, name), 0.0, 1e6) for name in _LOSS_WEIGHTS),
        ("balance.class_power", config.balance.class_power, 0.0, 4.0),
        ("balance.size_power", config.balance.size_power, 0.0, 4.0),
        *((f"balance.class_draws.{name}", draws, 0.0, 100.0) for name, draws in config.balance.class_draws.items()),
        ("clicks.share", config.clicks.share, 0.0, 1.0),
        ("clicks.most", config.clicks.most, 1, 20),
        *((f"clicks.{name}", getattr(config.clicks, name), 0.0, 1.0) for name in _STARTS),
        (f"clicks.{' + '.join(_STARTS)}", sum(getattr(config.clicks, name) for name in _STARTS), 0.0, 1.0),
        ("few_shot.ratio", config.few_shot.ratio, 0.0, 1.0),
        ("few_shot.per_class", config.few_shot.per_class, 0, 1_000_000),
        ("contrast.temperature", config.contrast.temperature, 0.0, 100.0),
        ("contrast.beta_image", config.contrast.beta_image, 0.0, 100.0),
        ("contrast.beta_text", config.contrast.beta_text, 0.0, 100.0),
        ("classify.gamma", config.classify.gamma, 0.0, 100.0),
        ("fold.k", config.fold.k, 0, 1000),
        ("fold.index", config.fold.index, 0, max(0, config.fold.k - 1)),
        ("classify.smoothing", config.classify.smoothing, 0.0, 0.99),
        ("prompts.without", config.prompts.without, 0.0, 1.0),
        ("prompts.support", config.prompts.support, 0.0, 1.0),
        ("prompts.without + prompts.wrong", config.prompts.without + config.prompts.wrong, 0.0, 1.0),
    ):
        require_range(value, low, high, where=f"{where}: {name}", error=TrainingError)


def _check_together(config: TrainConfig, where: str) -> None:
    if config.balance.class_draws and (config.balance.class_power or config.balance.size_power):
        raise TrainingError(
            f"{where}: balance.class_draws says how often each image is drawn, so balance.class_power and size_power "
            f"have nothing to say; set them to 0, or leave class_draws out."
        )
    if config.keep == "last" and config.patience:
        raise TrainingError(
            f'{where}: keep = "last" trains to the last epoch, and patience = {config.patience} would stop before it; '
            f'set patience = 0, or keep = "best".'
        )
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
    """Return the recipe as TOML, every key written out, so a run says what it was even when defaults change.

    A section that the recipe left to the model it goes on from is left out again.
    """
    lines: list[str] = []
    sections: list[tuple[str, Any]] = []
    for f in fields(config):
        value = getattr(config, f.name)
        if is_dataclass(value):
            sections.append((f.name, value))
        elif value is not None:
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
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_literal(key)} = {_literal(item)}" for key, item in value.items()) + " }"
    if isinstance(value, tuple):
        return "[" + ", ".join(_literal(v) for v in value) + "]"
    return repr(value)
