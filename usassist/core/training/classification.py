"""Supervised classification (`usassist-train classify`): the class of an image from its label.

Train and inference agree on what a logit means (the publication trained a sigmoid focal loss and inferred by softmax):
the model's description says which link belongs to its loss, and validation already goes through it.
"""

import dataclasses
import logging
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from usassist.core.data.dataset import Example, load
from usassist.core.errors import TrainingError
from usassist.core.metrics import classification as counts
from usassist.core.metrics.calibration import fit_softmax_temperature
from usassist.core.metrics.ranking import auc
from usassist.core.models.classifier import Classifier
from usassist.core.models.config import Calibration, ModelConfig
from usassist.core.models.config import Task as ModelTask
from usassist.core.training.config import TrainConfig
from usassist.core.training.distributed import Shard, mean_over_all
from usassist.core.training.images import ImageBatches, Picture, eval_images, read_pictures, require_maskless
from usassist.core.training.losses import focal_weight
from usassist.core.training.sections import ClassifyConfig
from usassist.core.training.task import OnProgress, Task

logger = logging.getLogger(__name__)

MODEL_TASK: ModelTask = "classify"
_FEWEST_TO_CALIBRATE = 10


@dataclass(frozen=True)
class LabelBatch:
    """This process's images (B, 3, S, S) and their classes (B,) int64."""

    images: Tensor
    labels: Tensor


def read(data: Sequence[Path], config: TrainConfig, *, failed: list[str] | None = None) -> list[Example]:
    """List the images of dataset folders and projects. Raises TrainingError."""
    return [example for path in data for example in load(path)]


def classes(examples: Sequence[Example], config: TrainConfig) -> tuple[str, ...]:
    """Return the recipe's classes, else every class of the training images in the order of the alphabet.

    Raises TrainingError for fewer than two, and for a class of the recipe that no training image has.
    """
    there = Counter(example.class_name for example in examples if example.split == "train" and example.class_name)
    chosen = config.classes or tuple(sorted(there))
    missing = [name for name in chosen if not there[name]]
    if len(set(chosen)) < 2 or len(set(chosen)) != len(chosen) or missing:
        found = ", ".join(f"{name} ({count})" for name, count in sorted(there.items())) or "none"
        raise TrainingError(
            f"A classifier needs at least two different classes with training images: asked for "
            f"{', '.join(config.classes) or 'all there are'}, found {found}. Check the column class and the recipe's "
            f"classes."
        )
    return chosen


def build(
    config: TrainConfig,
    model: nn.Module,
    examples: list[Example],
    *,
    shard: Shard,
    on_progress: OnProgress | None = None,
) -> "Classification":
    """Return the task. Raises TrainingError for a model that is no classifier, and for what needs masks."""
    if not isinstance(model, Classifier):
        raise TrainingError(f"A {type(model).__name__} names no classes; training it needs a model with a class head.")
    require_maskless(config.augment)
    return Classification(model, config, examples, shard=shard, on_progress=on_progress)


class Classification(Task[LabelBatch]):
    """Images and the class of each; images of other classes are left out."""

    model: Classifier

    def __init__(
        self,
        model: Classifier,
        config: TrainConfig,
        examples: Sequence[Example],
        *,
        shard: Shard,
        on_progress: OnProgress | None = None,
    ) -> None:
        super().__init__(model)
        self._config = config
        self._names = model.config.classes
        self._shard = shard
        wanted = [e for e in examples if e.split in ("train", "val") and e.class_name in self._names]
        pictures, self.failed = read_pictures(
            wanted,
            size=config.preprocess.size,
            sharpest=config.preprocess.sharpest,
            unmark=config.augment.unmark > 0,
            on_progress=on_progress,
        )
        self._train = [picture for picture in pictures if picture.example.split == "train"]
        self._val = [picture for picture in pictures if picture.example.split == "val"]
        self._labels = self._numbers(self._train)
        self._counts = np.bincount(self._labels, minlength=len(self._names))
        if not self._counts.all():
            missing = [name for name, count in zip(self._names, self._counts, strict=True) if not count]
            raise TrainingError(f"No training image of the classes {', '.join(missing)} could be read; add some.")
        self._batches = ImageBatches(self._train, config, shard=shard)
        self._class_weights = torch.from_numpy(class_weights(self._counts, config.classify)).float()

    def _numbers(self, pictures: Sequence[Picture]) -> npt.NDArray[np.int64]:
        return np.array([self._names.index(picture.example.class_name) for picture in pictures], dtype=np.int64)

    def steps_per_epoch(self) -> int:
        return len(self._batches)

    def batches(self, epoch: int) -> Iterator[LabelBatch]:
        for images, chunk in self._batches.epoch(epoch):
            yield LabelBatch(images, torch.from_numpy(self._labels[self._shard.share(chunk)]))

    def forward(self, batch: LabelBatch) -> dict[str, Tensor]:
        device = self.model.encoder.device
        logits = self.model.classify(batch.images.to(device, memory_format=torch.channels_last)).float()
        labels = batch.labels.to(device)
        loss = class_loss(logits, labels, self._config.classify)
        return {"class": mean_over_all(loss * self._class_weights.to(device)[labels])}

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Return AUC, balanced accuracy and accuracy on the validation images; "score" is what the recipe selects by.

        Without two classes among them there is no AUC; balanced accuracy then stands in for it.
        """
        if not isinstance(model, Classifier) or not self._val:
            return {"score": 0.0, "n": 0.0}
        calibration = Calibration(link=link_of(self._config.classify))
        logits = class_logits(model, self._val, self._config)
        if not np.isfinite(logits).all():  # the training diverged: not the best, and nothing to rank
            return {"score": math.nan, "n": float(len(self._val))}
        probabilities = np.array([calibration.class_probabilities(row) for row in logits])
        scores = class_scores(probabilities, self._numbers(self._val))
        return {"score": scores.get(self._config.classify.select, scores["balanced_accuracy"]), **scores}

    def finished(self, model: nn.Module, config: ModelConfig) -> ModelConfig:
        """Return the description with the loss's link and a temperature fitted on the validation images.

        The temperature changes how sure the model is, not which class it names first. With fewer than 10 validation
        images it stays 1.
        """
        link = link_of(self._config.classify)
        calibration = dataclasses.replace(config.calibration, link=link, temperature=1.0)
        if isinstance(model, Classifier) and len(self._val) >= _FEWEST_TO_CALIBRATE:
            logits, labels = class_logits(model, self._val, self._config), self._numbers(self._val)
            calibration = dataclasses.replace(calibration, temperature=fitted_temperature(logits, labels, calibration))
        return dataclasses.replace(config, calibration=calibration)

    def describe(self) -> dict[str, Any]:
        """Return how many images of each class learned and validated, and the loss."""
        return {
            "train_of_class": {name: int(count) for name, count in zip(self._names, self._counts, strict=True)},
            "val_of_class": dict(Counter(picture.example.class_name for picture in self._val)),
            "loss": self._config.classify.loss,
            "selected_by": self._config.classify.select,
        }


def class_loss(logits: Tensor, labels: Tensor, settings: ClassifyConfig) -> Tensor:
    """Return the loss (B,) of logits (B, K) for class numbers (B,).

    "cross_entropy" is of a softmax, with label smoothing. "focal" judges each class by its own sigmoid: the sum over
    the classes of (1 - p of the truth) ** gamma x binary cross entropy (Lin et al. 2017, without alpha).
    """
    if settings.loss == "cross_entropy":
        return F.cross_entropy(logits, labels, label_smoothing=settings.smoothing, reduction="none")
    target = F.one_hot(labels, logits.shape[1]).to(logits.dtype)
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (focal_weight(entropy, gamma=settings.gamma) * entropy).sum(1)


def class_weights(images_of_class: npt.NDArray[np.int64], settings: ClassifyConfig) -> npt.NDArray[np.float64]:
    """Return a weight for each class's images, 1 on average over all images; "balanced": all classes count the same."""
    numbers = images_of_class.astype(np.float64)
    if settings.weights == "none":
        return np.ones(len(numbers))
    return np.asarray(numbers.sum() / (len(numbers) * np.maximum(numbers, 1)), dtype=np.float64)


@torch.inference_mode()
def class_logits(model: Classifier, pictures: Sequence[Picture], config: TrainConfig) -> npt.NDArray[np.float64]:
    """Return the raw logits (N, K) of images at the model's size, without augmentation."""
    model.eval()
    device = model.encoder.device
    parts = [
        model.classify(images.to(device, memory_format=torch.channels_last)).double().cpu()
        for images in eval_images(pictures, config)
    ]
    return np.asarray(torch.cat(parts).numpy(), dtype=np.float64)


def class_scores(probabilities: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]) -> dict[str, float]:
    """Return what probabilities (N, K) say about N class numbers; "auc" only where two classes or more occur."""
    table = counts.confusion(labels, probabilities.argmax(axis=1), classes=probabilities.shape[1])
    there = np.unique(labels)
    scores = {
        "balanced_accuracy": counts.balanced_accuracy(table),
        "accuracy": counts.accuracy(table),
        "n": float(len(labels)),
    }
    if len(there) > 1:
        scores["auc"] = float(np.mean([auc(probabilities[:, index], labels == index) for index in there]))
    return scores


def link_of(settings: ClassifyConfig) -> Literal["softmax", "sigmoid"]:
    """Return how logits become probabilities at work: by the function that the loss applied in training."""
    return "sigmoid" if settings.loss == "focal" else "softmax"


def fitted_temperature(
    logits: npt.NDArray[np.float64], labels: npt.NDArray[np.int64], calibration: Calibration
) -> float:
    """Return the temperature for which the calibration's probabilities of the N true classes are most likely."""
    if calibration.link == "softmax":
        return fit_softmax_temperature(logits, labels)

    def surprise(temperature: float) -> float:
        cooled = dataclasses.replace(calibration, temperature=temperature)
        given = [cooled.class_probabilities(row)[label] for row, label in zip(logits, labels, strict=True)]
        return float(-np.mean(np.log(np.maximum(given, 1e-12))))

    # Sigmoids over their sum are not convex in the temperature: a fine grid finds the best all the same.
    candidates = np.exp(np.linspace(np.log(0.05), np.log(20.0), 121)).tolist()
    return float(min(candidates, key=lambda temperature: (surprise(temperature), abs(np.log(temperature)))))
