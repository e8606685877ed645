"""What a segmenter says about validation images, next to the truth; each object of an image is a case by itself."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from usassist.core.captions.vocabulary import load_vocabulary
from usassist.core.metrics.overlap import LESION_FOUND_IOU
from usassist.core.models.mask_head import uncontested
from usassist.core.models.segmenter import Segmenter
from usassist.core.training.batches import eval_batches
from usassist.core.training.config import TrainConfig
from usassist.core.training.loading import Loaded
from usassist.core.training.losses import hard_dice

Floats = npt.NDArray[np.float64]
THRESHOLDS = tuple(round(0.2 + 0.05 * step, 2) for step in range(13))
MIDDLE = THRESHOLDS.index(0.5)


@dataclass(frozen=True)
class Answers:
    """N cases (images x objects) at the model's size: `dice` (N, T) at each of `THRESHOLDS`, both empty is 1.

    `presence`, `peak` and `quality` (N,) are raw logits, `shows` (N,) whether the truth shows the object, `target` (N,)
    which kind of finding the case is of, as numbers.
    """

    dice: Floats
    presence: Floats
    peak: Floats
    quality: Floats
    shows: npt.NDArray[np.bool_]
    target: npt.NDArray[np.int64]

    def of(self, cases: npt.NDArray[np.bool_]) -> "Answers":
        """Return the answers of some cases, (N,) bool."""
        return Answers(**{part.name: getattr(self, part.name)[cases] for part in fields(self)})

    def by_target(self) -> list["Answers"]:
        """Return the answers of each kind of finding by itself."""
        return [self.of(self.target == number) for number in np.unique(self.target)]

    def mean_dice(self) -> Floats:
        """Return the mean Dice (T,) of cases that show something: of each kind of finding, then of the kinds.

        A hundred easy ones of one kind do not outweigh those of another. Of all cases where none shows anything.
        """
        some = self.of(self.shows) if self.shows.any() else self
        return np.asarray(np.mean([part.dice.mean(0) for part in some.by_target()], axis=0), dtype=np.float64)

    def as_evaluated(self) -> dict[str, float]:
        """Return what `usassist evaluate` calls by these names, before calibration: pixels and presence are cut at 0.5.

        An answer without presence is an empty mask. Of cases that show something: their mean Dice, and the share of
        those found with an IoU above 0.1; of the others the share left empty. What there is no case for is left out.
        """
        dice, shows = self.dice[:, MIDDLE], self.shows
        there = self.presence >= 0  # logits
        scores: dict[str, float] = {}
        if shows.any():
            answered = np.where(there, dice, 0.0)[shows]
            scores["dice_lesion"] = float(answered.mean())
            scores["lesion_found"] = float((answered / (2 - answered) > LESION_FOUND_IOU).mean())
        if not shows.all():
            # The Dice of an empty truth is 1 where nothing was drawn, else 0.
            scores["empty_correct"] = float(np.where(there, dice, 1.0)[~shows].mean())
        return scores

    def judged(self) -> "Answers":
        """Return the cases of the kinds that are sometimes absent: only there can presence be right or wrong."""
        kinds = [part.target[0] for part in self.by_target() if part.shows.any() and not part.shows.all()]
        return self.of(np.isin(self.target, kinds))


@torch.inference_mode()
def answers_of(model: Segmenter, items: Sequence[Loaded], config: TrainConfig) -> Answers:
    """Ask a model about at least one image, without a prompt and without augmentation."""
    model.eval()
    objects = max(1, len(model.config.classes))
    dice, shows, witnesses = [], [], []
    kinds = _targets(items)
    for images, truth in eval_batches(items, config):
        out = model.decode(model.encode(images.to(model.encoder.device, memory_format=torch.channels_last)))
        logits = F.interpolate(out.logits.float(), size=truth.shape[-2:], mode="bilinear", align_corners=False)
        probability = uncontested(replace(out, logits=logits).probability()).flatten(2).flatten(0, 1)
        shown = per_object(truth.to(probability.device), objects=objects).flatten(2).flatten(0, 1)
        dice.append(torch.stack([hard_dice(probability, shown, threshold=cut) for cut in THRESHOLDS], dim=1).cpu())
        shows.append(shown.any(1).cpu())
        witnesses.append(
            torch.stack([out.presence.flatten(), out.peak.flatten(), out.quality.flatten()]).double().cpu()
        )
    presence, peak, quality = torch.cat(witnesses, dim=1).numpy()
    return Answers(
        *(torch.cat(dice).double().numpy(), presence, peak, quality, torch.cat(shows).numpy()),
        target=np.repeat(kinds, objects),
    )


def _targets(items: Sequence[Loaded]) -> npt.NDArray[np.int64]:
    """Return a number for what each image is about; images of classes that nobody describes share one."""
    vocabulary = load_vocabulary()
    names = [vocabulary.target_of_class(item.example.class_name) for item in items]
    known = sorted({target.name for target in names if target})
    return np.array([known.index(target.name) if target else -1 for target in names], dtype=np.int64)


def per_object(truth: Tensor, *, objects: int) -> Tensor:
    """Return (B, K, H, W) float32 masks of the objects 1 to K in an index (B, H, W)."""
    numbers = torch.arange(1, objects + 1, device=truth.device, dtype=truth.dtype)
    return (truth[:, None] == numbers[None, :, None, None]).float()
