"""Learning to segment (`usassist-train segment`): masks of one object, asked for or not, or of several classes."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from usassist.core.captions.vocabulary import load_vocabulary
from usassist.core.data.dataset import Example, load
from usassist.core.errors import TrainingError
from usassist.core.metrics.ranking import auc
from usassist.core.models.clip import ImageFeatures
from usassist.core.models.config import ModelConfig
from usassist.core.models.config import Task as ModelTask
from usassist.core.models.familiarity import Familiarity
from usassist.core.models.mask_head import Segmentation
from usassist.core.models.segmenter import Segmenter
from usassist.core.training import losses
from usassist.core.training.answers import MIDDLE, answers_of, per_object
from usassist.core.training.batches import Batch, TrainBatches
from usassist.core.training.calibrate import calibrate
from usassist.core.training.class_contrast import anchor_loss, class_contrast
from usassist.core.training.config import TrainConfig
from usassist.core.training.corrected import corrections_of
from usassist.core.training.distributed import Shard, mean_over_all
from usassist.core.training.familiarity import learn_familiarity
from usassist.core.training.frozen_texts import FrozenTexts, text_is_frozen
from usassist.core.training.loading import load_all
from usassist.core.training.norms import as_at_work
from usassist.core.training.supports import Supports
from usassist.core.training.task import OnProgress, Task

logger = logging.getLogger(__name__)

MODEL_TASK: ModelTask = "segment"

PRESENCE_SHARE = 0.2
"""How much of the score that selects a checkpoint is the presence's; the rest is Dice."""


def read(data: Sequence[Path], config: TrainConfig, *, failed: list[str] | None = None) -> list[Example]:
    """List the examples of dataset folders and projects. Raises TrainingError."""
    return [example for path in data for example in load(path)]


def classes(examples: Sequence[Example], config: TrainConfig) -> tuple[str, ...]:
    """Return the objects to tell apart, none for one object: the recipe's, else those of the data's index masks.

    Raises TrainingError where the data does not show what the recipe names, and where some of the data tells objects
    apart and some does not.
    """
    used = [example for example in examples if example.split in ("train", "val")]
    of_dataset = {example.dataset: example.objects for example in used}
    several = {name for objects in of_dataset.values() if len(objects) > 1 for name in objects}
    there = dict.fromkeys(name for objects in of_dataset.values() for name in objects)
    missing = [name for name in config.classes if name not in there]
    if missing:
        raise TrainingError(
            f"The recipe names the classes {', '.join(missing)}, which no mask has a value for; the data's are "
            f"{', '.join(there)}."
        )
    wanted = config.classes or tuple(name for name in there if name in several)
    if len(wanted) < 2:
        return ()
    blind = [dataset for dataset, objects in of_dataset.items() if not set(objects) & set(wanted)]
    if blind:
        raise TrainingError(
            f"The masks of {', '.join(blind)} do not tell apart {', '.join(wanted)} as those of the other data do; add "
            f"a classes.csv there, or train on them alone."
        )
    return wanted


def build(
    config: TrainConfig,
    model: nn.Module,
    examples: list[Example],
    *,
    shard: Shard,
    on_progress: OnProgress | None = None,
) -> "SegmentTask":
    """Return the task. Raises TrainingError for a model without masks and for fewer than two training images."""
    if not isinstance(model, Segmenter):
        raise TrainingError(f"A {type(model).__name__} has no head for masks; choose another head.kind.")
    return SegmentTask(config, model, examples, shard=shard, on_progress=on_progress)


class SegmentTask(Task[Batch]):
    """Masks with a presence and a quality; the test split is never opened."""

    model: Segmenter

    def __init__(
        self,
        config: TrainConfig,
        model: Segmenter,
        examples: Sequence[Example],
        *,
        shard: Shard,
        on_progress: OnProgress | None = None,
    ) -> None:
        super().__init__(model)
        self._config = config
        self._objects = max(1, len(model.config.classes))
        # Several classes are chosen by channel, not by asking for one.
        self._prompted = model.head.is_conditioned and self._objects == 1
        if config.prompts.support > 0 and not self._prompted:
            raise TrainingError(
                f"prompts.support = {config.prompts.support:g} asks by support images, but the head "
                f"{model.config.head.kind!r} for {self._objects} {'object' if self._objects == 1 else 'objects'} takes "
                f"no conditions; choose promptable, film_skip or clipseg for one object, or prompts.support = 0."
            )
        self.compares = config.loss.contrast > 0
        self.corrects = model.head.takes_maps and config.loss.clicks > 0
        used = [example for example in examples if example.split in ("train", "val")]
        loaded, self.failed = load_all(
            used,
            size=config.preprocess.size,
            sharpest=config.preprocess.sharpest,
            objects=model.config.classes,
            unmark=config.augment.unmark > 0,
            on_progress=on_progress,
        )
        for reason in self.failed:
            logger.warning("Left out: %s", reason)
        self._train = [item for item in loaded if item.example.split == "train"]
        self._val = [item for item in loaded if item.example.split == "val"]
        if not self._val:
            logger.warning("There is nothing to validate on: the last epoch is kept, its scores are not calibrated.")
        self._tell = on_progress
        self._batches = TrainBatches(
            *(self._train, config, load_vocabulary()), shard=shard, prompted=self._prompted, objects=self._objects
        )
        self._texts = FrozenTexts() if text_is_frozen(model) else None

    def steps_per_epoch(self) -> int:
        return len(self._batches)

    def batches(self, epoch: int) -> Iterator[Batch]:
        return self._batches.epoch(epoch)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        model, weights = self.model, self._config.loss
        device = model.encoder.device
        features = model.encode(batch.images.to(device, memory_format=torch.channels_last))
        texts = self._texts_of(batch)
        embedded = dict(zip(texts, self._embed(texts), strict=True)) if texts else {}

        def texts_as(words: Sequence[str]) -> Tensor:
            return torch.stack([embedded[word] for word in words])

        asked = given = None
        if self._prompted:
            asked = texts_as(batch.prompts)
            given = torch.tensor([bool(prompt) for prompt in batch.prompts], device=device)
            if batch.supports is not None:
                asked, given = self._with_supports(batch.supports, asked, given)
        terms = self._answers(features, asked, given, batch)
        scale, classes = model.logit_scale, batch.classes.to(device)
        if weights.contrast > 0:
            compared = class_contrast(features.embedding, texts_as(batch.captions), classes, scale=scale)
            terms["contrast"] = weights.contrast * compared
        if weights.anchors > 0 and batch.anchor_classes is not None and batch.anchors:
            known = batch.anchor_classes.to(device)
            told = anchor_loss(features.embedding, classes, texts_as(batch.anchors), known, scale=scale)
            terms["anchors"] = weights.anchors * told
        return terms

    def _texts_of(self, batch: Batch) -> list[str]:
        """Return every text of a batch once: what is asked, and what images are compared with."""
        weights = self._config.loss
        wanted = [
            *(batch.prompts if self._prompted else ()),
            *(batch.captions if weights.contrast > 0 else ()),
            *(batch.anchors if weights.anchors > 0 else ()),
        ]
        return list(dict.fromkeys(wanted))

    def _answers(
        self, features: ImageFeatures, asked: Tensor | None, given: Tensor | None, batch: Batch
    ) -> dict[str, Tensor]:
        """Return the terms of the masks; with corrections both questions go through the decoder as one batch.

        So its normalisations see, in training as at work, images with clicks and without.
        """
        device = features.taps[0].device
        truth = batch.truth.to(device)
        if not self.corrects or batch.again is None or batch.shown is None:
            return self._mask_terms(self.model.decode(features, asked, given=given), truth, batch.distances)
        places = batch.again.places.to(device)
        shown = batch.shown[batch.again.places]
        again = features.take(places)
        # With their texts, the wrong ones too: who points at something means that, whatever the label says.
        some, where = (None if x is None else x[places] for x in (asked, given))
        rngs = [np.random.default_rng(seed) for seed in batch.again.seeds]
        maps = corrections_of(self.model, again, some, where, shown, clicks=self._config.clicks, rngs=rngs)
        nothing = torch.zeros(len(truth), *maps.shape[1:], device=device)
        out = self.model.decode(
            features.and_those_of(again),
            None if asked is None or some is None else torch.cat([asked, some]),
            given=None if given is None or where is None else torch.cat([given, where]),
            maps=torch.cat([nothing, maps]),
        )
        first, second = out.split(len(truth))
        terms = self._mask_terms(first, truth, batch.distances)
        corrected = self._mask_terms(second, shown.to(truth.device), None, pointed=maps.flatten(1).any(1))
        masks = [corrected[name] for name in ("dice", "bce", "focal", "quality") if name in corrected]
        terms["clicks"] = self._config.loss.clicks * torch.stack(masks).sum()
        return terms

    def _with_supports(self, supports: Supports, asked: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        """Return `asked` (B, D) with the visual prompts in their places, and `given` (B,) true there."""
        images, masks, of_image = (x.to(asked.device) for x in (supports.images, supports.masks, supports.of_image))
        # Highlighted crops are no ultrasound: the statistics of normalisations, and so what is segmented, know none.
        with as_at_work(self.model.encoder):
            seen = self.model.embed_support(images.contiguous(memory_format=torch.channels_last), masks)
        has_one = of_image >= 0
        return torch.where(has_one[:, None], seen[of_image.clamp_min(0)].float(), asked.float()), given | has_one

    def _mask_terms(
        self, out: Segmentation, truth: Tensor, distances: Tensor | None, *, pointed: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return the terms about masks, presence and quality; every process computes the same ones.

        Where somebody `pointed` (B,) an empty truth counts in full: all that was found is too much.
        """
        weights = self._config.loss
        size = truth.shape[-2:]
        logits = F.interpolate(out.logits.float(), size=size, mode="bilinear", align_corners=False)
        squared, counts = weights.dice_denominator == "squared", None
        if logits.shape[1] == 1:
            target = truth[:, None].float()
            counts = losses.counts_of(truth, empty=weights.empty, pointed=pointed)
            terms = {
                "dice": weights.dice * losses.dice_loss(logits, target, squared=squared),
                "bce": weights.bce * losses.bce_loss(logits, target, counts=counts),
            }
        else:
            target = truth.long()
            terms = {
                "dice": weights.dice * losses.class_dice_loss(logits, target, squared=squared),
                "ce": weights.ce * losses.cross_entropy(logits, target),
            }
        if weights.focal > 0:
            terms["focal"] = weights.focal * losses.focal_loss(logits, target, gamma=weights.focal_gamma, counts=counts)
        probability = replace(out, logits=logits).probability()
        if distances is not None:
            terms["boundary"] = weights.boundary * losses.boundary_loss(probability, distances.to(logits.device))
        shown = per_object(truth, objects=self._objects).flatten(2)
        shows = shown.any(2).flatten().float()
        presence = F.binary_cross_entropy_with_logits(out.presence.float().flatten(), shows, reduction="none")
        terms["presence"] = weights.presence * mean_over_all(presence)
        reached = losses.hard_dice(probability.detach().flatten(2), shown).flatten()
        quality = F.binary_cross_entropy_with_logits(out.quality.float().flatten(), reached, reduction="none")
        terms["quality"] = weights.quality * mean_over_all(quality, weights=shows)
        return {name: term for name, term in terms.items() if getattr(weights, name) > 0} or terms

    def _embed(self, texts: Sequence[str]) -> Tensor:
        """Embed texts (N, D), each one once, however many images ask for it; once for all if the tower is frozen."""
        return self.model.embed_texts(texts) if self._texts is None else self._texts.embed(self.model, texts)

    @torch.inference_mode()
    def validate(self, model: nn.Module) -> dict[str, float]:
        """Score a model at its own size, without a prompt, each object of an image by itself.

        "score" is 0.8 x "mask_dice", the mean Dice of the masks where something is shown (where there are several kinds
        of findings, the mean over those), + 0.2 x the presence's AUC. Neither depends on a threshold of the presence,
        whose verdict on a dozen normal images is noise; the AUC's share is small for that reason too. Where all or none
        show something, it is the Dice alone (of empty images: empty is 1, else 0).
        """
        if not isinstance(model, Segmenter) or not self._val:
            return {"score": 0.0, "n": 0.0}
        found = answers_of(model, self._val, self._config)
        mask_dice = float(found.mean_dice()[MIDDLE])
        scores = {"score": mask_dice, "mask_dice": mask_dice, **found.as_evaluated(), "n": float(len(self._val))}
        judged = found.judged()
        if judged.shows.any() and np.isfinite(found.presence).all():
            scores["presence_auc"] = auc(judged.presence, judged.shows)
            scores["score"] = (1 - PRESENCE_SHARE) * scores["score"] + PRESENCE_SHARE * scores["presence_auc"]
        return scores

    def finished(self, model: nn.Module, config: ModelConfig) -> ModelConfig:
        """Return the description with thresholds and calibration chosen on validation images."""
        if not isinstance(model, Segmenter) or not self._val:
            return config
        found = answers_of(model, self._val, self._config)
        peak_counts = not model.head.presence_sees_masks
        return replace(config, calibration=calibrate(found, start=config.calibration, peak_counts=peak_counts))

    def familiarity(self, model: nn.Module) -> Familiarity | None:
        """Return what training images look like to the model; None from too few of them."""
        if not isinstance(model, Segmenter):
            return None
        return learn_familiarity(model, self._train, self._val, seed=self._config.seed, on_progress=self._tell)

    def describe(self) -> dict[str, Any]:
        """Return how many images there are, and which objects are told apart."""
        return {
            "images": {"train": len(self._train), "val": len(self._val)},
            "classes": list(self.model.config.classes),
            "prompted": self._prompted,
        }
