"""A training recipe: one TOML file, every key known, copied into the run."""

import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal

from usassist.core.captions.vocabulary import load_vocabulary
from usassist.core.data.augment import AugmentConfig
from usassist.core.data.divide import NearDuplicates
from usassist.core.errors import TrainingError
from usassist.core.models.config import AdapterConfig, HeadConfig, Precision, PreprocessConfig
from usassist.core.models.record import build_record, require_range


@dataclass(frozen=True, slots=True)
class EncoderRecipe:
    """The towers: an open_clip configuration, taps, whether the vocabulary is compacted, and the start of the trunk.

    `base` names a model (of `usassist models list`, or a folder) whose towers are taken over; its open_clip
    configuration and vocabulary come with it, and the run's own file then holds only what differs.
    """

    open_clip: str = "usassist-lite0"
    taps: tuple[int, ...] = (0, 1, 2, 3, 4)
    compact_vocabulary: bool = True
    imagenet_start: bool = False
    base: str = ""


@dataclass(frozen=True, slots=True)
class LossConfig:
    """Weights of the terms of the loss; 0 leaves a term out.

    One object with one channel: `dice` and `bce`. Several classes, or one object with two channels: `dice` and `ce`
    (softmax over background and classes). `focal` with the exponent `focal_gamma`, and `boundary` (distance maps), are
    added to either. `dice_denominator` "squared" is the publication's (sums of squares), "plain" sums. `presence`,
    `quality` and `contrast` belong to heads that answer prompts.
    """

    dice: float = 1.0
    bce: float = 1.0
    ce: float = 1.0
    focal: float = 0.0
    focal_gamma: float = 2.0
    boundary: float = 0.0
    dice_denominator: Literal["plain", "squared"] = "plain"
    presence: float = 0.2
    quality: float = 0.1
    contrast: float = 0.05


@dataclass(frozen=True, slots=True)
class PromptConfig:
    """How often a training image comes without a text, and with a text that names something it does not show.

    `support` is the share of images that come with a visual prompt instead: another image of the batch that shows the
    same class, with its mask; for an image that shows nothing, one of any class. An image to which the batch has no
    such other keeps its text. For heads that take conditions.
    """

    without: float = 0.5
    wrong: float = 0.1
    support: float = 0.0


@dataclass(frozen=True, slots=True)
class BalanceConfig:
    """How much more often rare classes and small objects are drawn; 0 draws every image once an epoch.

    An image's weight is (images of its class) ** -class_power x (area of its object) ** -size_power. 1 makes classes
    equally frequent; 0.5 is half way on a logarithmic scale.
    """

    class_power: float = 0.0
    size_power: float = 0.0


@dataclass(frozen=True, slots=True)
class FewShotConfig:
    """A part of the training images only: `ratio` of them (0 to 1) or `per_class` of each class; 0 is all.

    `thin_val` thins the validation images by the same rule.
    """

    ratio: float = 0.0
    per_class: int = 0
    seed: int = 0
    thin_val: bool = False


@dataclass(frozen=True, slots=True)
class ContrastConfig:
    """Contrastive fine-tuning: symmetric InfoNCE or DHN-NCE, its temperature, and which captions.

    `temperature` 0 is the model's own logit scale; DHN-NCE was published with 0.6. `beta_image` and `beta_text` weigh
    the hard negatives of DHN-NCE. With `equal_captions` "spared" two images of the same caption are never negatives of
    each other; where all captions differ that is the published loss. `captions` chooses the column of a list of pairs;
    "classes" takes the vocabulary's captions of each image's class instead, where the others do so only for an image
    without a caption of its own. `clean` strips odd characters and drops captions of 20 characters or fewer; `images`
    is the folder of the list's images, by default `images` beside it. `train_text` lets the text tower learn too
    (MedCLIP-SAMv2).
    """

    loss: Literal["infonce", "dhn_nce"] = "infonce"
    temperature: float = 0.0
    beta_image: float = 0.15
    beta_text: float = 0.15
    equal_captions: Literal["spared", "negatives"] = "spared"
    captions: Literal["raw", "refined", "classes"] = "raw"
    clean: bool = False
    images: str = ""
    train_text: bool = False


@dataclass(frozen=True, slots=True)
class ClassifyConfig:
    """Classification: softmax cross entropy with label smoothing, or sigmoid focal loss with its exponent `gamma`.

    `weights` "balanced" lets each class count the same in the loss, however many images it has. `select` is what the
    best epoch is chosen by, on validation images. Classes that the recipe's `classes` do not name are left out.
    """

    loss: Literal["cross_entropy", "focal"] = "cross_entropy"
    gamma: float = 2.0
    smoothing: float = 0.0
    weights: Literal["balanced", "none"] = "balanced"
    select: Literal["auc", "balanced_accuracy"] = "auc"


@dataclass(frozen=True, slots=True)
class SplitConfig:
    """What is done about near-duplicates that the data does not declare; looking for them reads every image once.

    "join" keeps them on one side wherever a split is made, in folds too; declared splits are honoured, with a warning.
    "drop" also leaves out training images with a near-duplicate in a declared val or test. "off" does not look.
    """

    near_duplicates: NearDuplicates = "join"


@dataclass(frozen=True, slots=True)
class FoldConfig:
    """Cross-validation: with `k` parts of the data, whatever splits it declares, part `index` is left for the test."""

    k: int = 0
    index: int = 0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Everything a run depends on besides its data.

    `task` is what `usassist-train` was asked for; a recipe may name it, to be refused by the wrong command. `classes`
    are the objects of index masks or the classes to tell apart, in this order; empty takes them from the data.
    `batch_size` counts the images of one batch over all processes; `accumulate` batches make one step. `warmup` is the
    share of all steps. `patience` counts validations without a better score (0: never stop early), `validate_every`
    epochs. `trunk_lr` is the rate of the weights that start trained: the towers where there is a base or `start_from`,
    else the image trunk's stages. `threads` 0 leaves torch's number. `precision` is what large products are computed in
    while training; int8 is for frozen blocks on a CPU. `adapter` and `head` are None where the recipe has no such
    section: they are then those of the model it goes on from, else the defaults.
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
    trainable: Literal["all", "adapters"] = "all"
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
    balance: BalanceConfig = field(default_factory=BalanceConfig)
    few_shot: FewShotConfig = field(default_factory=FewShotConfig)
    contrast: ContrastConfig = field(default_factory=ContrastConfig)
    classify: ClassifyConfig = field(default_factory=ClassifyConfig)
    split: SplitConfig = field(default_factory=SplitConfig)
    fold: FoldConfig = field(default_factory=FoldConfig)


def read_recipe(path: Path, *, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a recipe and apply `key=value` or `section.key=value` overrides. Raises TrainingError."""
    config = build_record(TrainConfig, _read(path, overrides), where=str(path), error=TrainingError)
    _check_ranges(config, str(path))
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


_LOSS_WEIGHTS = ("dice", "bce", "ce", "focal", "focal_gamma", "boundary", "presence", "quality", "contrast")


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
        ("seed", config.seed, 0, 2**31),
        ("preprocess.size", config.preprocess.size, 32, 2048),
        *(("preprocess.std", std, 1e-6, 1e6) for std in config.preprocess.std),
        *((f"loss.{name}", getattr(config.loss, name), 0.0, 1e6) for name in _LOSS_WEIGHTS),
        ("balance.class_power", config.balance.class_power, 0.0, 4.0),
        ("balance.size_power", config.balance.size_power, 0.0, 4.0),
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
    if isinstance(value, tuple):
        return "[" + ", ".join(_literal(v) for v in value) + "]"
    return repr(value)
