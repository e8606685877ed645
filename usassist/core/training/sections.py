"""The sections of a training recipe, one a concern."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from usassist.core.data.divide import NearDuplicates


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
    `quality` and `contrast` belong to heads that answer prompts; `anchors` tells each image's class from every other by
    a caption of each. `clicks` weighs masks and quality after corrections.

    `empty` counts images that show nothing of what is asked in pixel-wise terms of one object with one channel, `bce`
    and `focal`. At 0 presence alone learns that there is nothing, and the mask stays the best guess: a mask that learns
    to be empty learns it by heart, and is empty on lesions of scanners it never saw.
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
    anchors: float = 0.0
    clicks: float = 1.0
    empty: float = 1.0


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
class ClickConfig:
    """Corrections by clicks, a box and a previous mask, simulated while training; for heads that take them.

    `share` of each batch's images are also asked a second time with what a person would point at next: from the model's
    own answer (`from_answer` of them), from nothing (`from_blank`), from a spoiled mask (`from_mask`), else from a box.
    Up to `most` clicks, each on the largest mistake of the answer before it.
    """

    share: float = 0.5
    most: int = 3
    from_answer: float = 0.45
    from_blank: float = 0.2
    from_mask: float = 0.15


@dataclass(frozen=True, slots=True)
class BalanceConfig:
    """How much more often rare classes and small objects are drawn; 0 draws every image once an epoch.

    An image's weight is (images of its class) ** -class_power x (area of its object) ** -size_power. 1 makes classes
    equally frequent; 0.5 is half way on a logarithmic scale. `class_draws` says how often an image of a class is drawn
    in an epoch, 1 for classes it does not name; a fraction draws some of them.
    """

    class_power: float = 0.0
    size_power: float = 0.0
    class_draws: Mapping[str, float] = field(default_factory=dict)


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
