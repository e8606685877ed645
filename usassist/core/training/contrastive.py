"""Contrastive fine-tuning (`usassist-train contrast`): an image and its caption find each other among the others'.

The towers are those of CLIP or BiomedCLIP with adapters in the image tower (NextGen-UIA, symmetric InfoNCE, text tower
frozen), or both towers (MedCLIP-SAMv2, DHN-NCE). The result is a model of the task "embed": a base for heads, zero-shot
classification and retrieval.
"""

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from usassist.core.captions.vocabulary import load_vocabulary
from usassist.core.data.dataset import Example, load
from usassist.core.errors import TrainingError
from usassist.core.metrics.retrieval import retrieval
from usassist.core.models.config import Task as ModelTask
from usassist.core.models.embedder import ClipModel
from usassist.core.training.caption_lists import is_caption_list, read_caption_list
from usassist.core.training.config import TrainConfig
from usassist.core.training.contrast_losses import dhn_nce, info_nce, similarities
from usassist.core.training.distributed import Shard, gather_with_grad
from usassist.core.training.images import ImageBatches, Picture, eval_images, read_pictures, require_maskless
from usassist.core.training.sections import ContrastConfig
from usassist.core.training.task import OnProgress, Task

logger = logging.getLogger(__name__)

MODEL_TASK: ModelTask = "embed"
_MOST_VALIDATED = 5000
_TEXTS_AT_ONCE = 64


@dataclass(frozen=True)
class PairBatch:
    """This process's images (B, 3, S, S), and of the whole global batch the numbers (N,) of its captions and meanings.

    Captions of one meaning are as good as the same: equal texts, or the vocabulary's captions of one class.
    """

    images: Tensor
    texts: Tensor
    meanings: Tensor


@dataclass(frozen=True)
class Captions:
    """The texts that may stand for an image, and what their meaning is called."""

    texts: tuple[str, ...]
    meaning: str


def read(data: Sequence[Path], config: TrainConfig, *, failed: list[str] | None = None) -> list[Example]:
    """List the images with their captions: dataset folders, projects, and lists of pairs (JSONL or CSV).

    What a list calls "train", "val" or "test" in its own name is that split. `failed` gets every bad line, with its
    number. Raises TrainingError.
    """
    return [
        example
        for path in data
        for example in (
            read_caption_list(path, config.contrast, failed=failed) if is_caption_list(path) else load(path)
        )
    ]


def classes(examples: Sequence[Example], config: TrainConfig) -> tuple[str, ...]:
    """Return no class: an embedding has none."""
    return ()


def build(
    config: TrainConfig,
    model: nn.Module,
    examples: list[Example],
    *,
    shard: Shard,
    on_progress: OnProgress | None = None,
) -> "Contrastive":
    """Return the task.

    Raises TrainingError for a model without towers, for a text tower that is to learn and is frozen, for too few
    captions to compare, and for what needs masks.
    """
    if not isinstance(model, ClipModel):
        raise TrainingError(f"A {type(model).__name__} has no text tower; contrastive training needs a pair of towers.")
    if config.contrast.train_text and config.trainable == "adapters":
        raise TrainingError(
            'contrast.train_text lets the text tower learn, but trainable = "adapters" freezes it; set trainable = '
            '"all" (with start_from, not encoder.base), or contrast.train_text = false.'
        )
    require_maskless(config.augment)
    return Contrastive(model, config, examples, shard=shard, on_progress=on_progress)


class Contrastive(Task[PairBatch]):
    """Pairs of image and caption, and a loss that compares each with the rest of its batch."""

    model: ClipModel
    selected_by = "loss"
    compares = True

    def __init__(
        self,
        model: ClipModel,
        config: TrainConfig,
        examples: Sequence[Example],
        *,
        shard: Shard,
        on_progress: OnProgress | None = None,
    ) -> None:
        super().__init__(model)
        self._config = config
        wanted = [example for example in examples if example.split in ("train", "val") and self._captions(example)]
        bare = sum(example.split in ("train", "val") for example in examples) - len(wanted)
        if bare:
            logger.warning("%d images have no caption, nor a class that the vocabulary describes; left out.", bare)
        pictures, self.failed = read_pictures(
            wanted,
            size=config.preprocess.size,
            sharpest=config.preprocess.sharpest,
            unmark=config.augment.unmark > 0,
            on_progress=on_progress,
        )
        self._train = [picture for picture in pictures if picture.example.split == "train"]
        val = [picture for picture in pictures if picture.example.split == "val"]
        if len(val) > _MOST_VALIDATED:
            logger.warning("Validation takes the first %d of %d pairs.", _MOST_VALIDATED, len(val))
        self._val = val[:_MOST_VALIDATED]
        self._texts = list(dict.fromkeys(text for picture in pictures for text in self._of(picture).texts))
        self._number = {text: number for number, text in enumerate(self._texts)}
        meanings = dict.fromkeys(self._of(picture).meaning for picture in (*self._train, *self._val))
        self._meaning = {meaning: number for number, meaning in enumerate(meanings)}
        different = len({self._of(picture).meaning for picture in self._train})
        if different < 2:
            raise TrainingError(
                f"Contrastive training compares captions, and the {len(self._train)} training images have {different} "
                f"different ones; give images with captions of their own (a JSONL or CSV list, or a column caption)."
            )
        self._batches = ImageBatches(self._train, config, shard=shard)
        self._frozen = None if config.contrast.train_text else self._freeze_text()

    def _captions(self, example: Example) -> Captions | None:
        return captions_of(example, self._config.contrast)

    def _of(self, picture: Picture) -> Captions:
        found = self._captions(picture.example)
        if found is None:  # only pictures with captions are kept
            raise TrainingError(f"{picture.example.key} has no caption.")
        return found

    def _freeze_text(self) -> Tensor:
        """Keep the text tower as it is; its answers are then computed once. Returns (T, D), one row a caption."""
        clip = self.model.encoder.clip
        for name, parameter in clip.named_parameters():
            if not name.startswith("visual."):
                parameter.requires_grad = False
        return embed_all(self.model, self._texts)

    def steps_per_epoch(self) -> int:
        return len(self._batches)

    def batches(self, epoch: int) -> Iterator[PairBatch]:
        for images, chunk in self._batches.epoch(epoch):
            texts, meanings = [], []
            for index in chunk:
                found = self._of(self._train[index])
                rng = np.random.default_rng([self._config.seed, epoch, int(index), 2])
                texts.append(self._number[found.texts[int(rng.integers(len(found.texts)))]])
                meanings.append(self._meaning[found.meaning])
            yield PairBatch(images, torch.tensor(texts), torch.tensor(meanings))

    def forward(self, batch: PairBatch) -> dict[str, Tensor]:
        device = self.model.encoder.device
        images = batch.images.to(device, memory_format=torch.channels_last)
        image = gather_with_grad(self.model.embed_images(images).float())
        # Every process computes the loss of the whole batch: their mean is that loss.
        return {"contrast": self._loss(self.model, image, self._text(batch.texts), batch.meanings.to(device))}

    def _text(self, numbers: Tensor) -> Tensor:
        """Return the embeddings (N, D) of captions by number; each different one is encoded once."""
        if self._frozen is not None:
            return self._frozen[numbers.to(self._frozen.device)]
        different, place = numbers.unique(return_inverse=True)
        embedded = self.model.embed_texts([self._texts[int(number)] for number in different])
        return embedded.float()[place.to(embedded.device)]

    def _loss(self, model: ClipModel, image: Tensor, text: Tensor, meanings: Tensor) -> Tensor:
        settings = self._config.contrast
        scale = _scale(model, settings)
        same = meanings[:, None] == meanings[None, :] if settings.equal_captions == "spared" else None
        if settings.loss == "dhn_nce":
            beta1, beta2 = settings.beta_image, settings.beta_text
            return dhn_nce(image, text, scale=scale, beta1=beta1, beta2=beta2, same=same)
        return info_nce(image, text, scale=scale, same=same)

    @torch.inference_mode()
    def validate(self, model: nn.Module) -> dict[str, float]:
        """Return the loss of all validation pairs as one batch, and R@1, 5 and 10; "score" is minus the loss."""
        if not isinstance(model, ClipModel) or len(self._val) < 2:
            return {"score": 0.0, "n": 0.0}
        return self._scores(model, self._val)

    @torch.inference_mode()
    def train_scores(self, model: ClipModel) -> dict[str, float]:
        """Return for the training pairs what `validate` returns for the others."""
        return self._scores(model, self._train)

    def _scores(self, model: ClipModel, pictures: Sequence[Picture]) -> dict[str, float]:
        model.eval()
        device = model.encoder.device
        parts = [
            model.embed_images(images.to(device, memory_format=torch.channels_last)).float()
            for images in eval_images(pictures, self._config)
        ]
        image = torch.cat(parts)
        # An image of a class is validated with the first of its captions, always the same one.
        numbers = torch.tensor([self._number[self._of(picture).texts[0]] for picture in pictures])
        meanings = torch.tensor([self._meaning[self._of(picture).meaning] for picture in pictures])
        different, place = numbers.unique(return_inverse=True)
        if self._frozen is not None:
            text = self._frozen[different.to(self._frozen.device)]
        else:
            text = embed_all(model, [self._texts[int(number)] for number in different])
        loss = self._loss(model, image, text[place.to(text.device)], meanings.to(device))
        if not bool(loss.isfinite()):  # the training diverged: not the best, and nothing to rank
            return {"score": math.nan, "n": float(len(pictures))}
        cosine = similarities(image, text).double().cpu().numpy()
        meaning_of_text = torch.zeros_like(different).scatter_(0, place, meanings)
        found = retrieval(cosine, (meanings[:, None] == meaning_of_text[None, :]).numpy())
        return {
            "score": -float(loss),
            "loss": float(loss),
            "r1": found.image_to_text.r1,
            "r5": found.image_to_text.r5,
            "r10": found.image_to_text.r10,
            "r1_text_to_image": found.text_to_image.r1,
            "captions": float(len(different)),
            "n": float(len(pictures)),
        }

    def describe(self) -> dict[str, Any]:
        """Return how many pairs and captions there were, and with how many others each pair was compared."""
        size = min(self._config.batch_size, len(self._train))
        return {
            "pairs": {"train": len(self._train), "val": len(self._val)},
            "different_captions": len(self._texts),
            "negatives_a_pair": size - 1,
            "accumulation_adds_negatives": False,
        }


def captions_of(example: Example, settings: ContrastConfig) -> Captions | None:
    """Return the captions of an image: its own, else the vocabulary's for its class; None where it has neither."""
    own = example.caption.strip() if settings.captions != "classes" else ""
    if own:
        return Captions((own,), own)
    texts = load_vocabulary().captions.get(example.class_name, ())
    return Captions(tuple(texts), f"class {example.class_name}") if texts else None


@torch.no_grad()
def embed_all(model: ClipModel, texts: Sequence[str]) -> Tensor:
    """Return the embeddings (T, D) float32 of texts, not normalised, the text tower as at work; without gradients."""
    was_training = model.training
    model.eval()
    parts = [
        model.embed_texts(texts[start : start + _TEXTS_AT_ONCE]).float()
        for start in range(0, len(texts), _TEXTS_AT_ONCE)
    ]
    model.train(was_training)
    return torch.cat(parts)


def _scale(model: ClipModel, settings: ContrastConfig) -> Tensor | float:
    """Return the factor on cosines: 1 / temperature, or the model's own, which learns with the text tower only."""
    if settings.temperature > 0:
        return 1 / settings.temperature
    scale = model.logit_scale.clamp(max=100)  # as in CLIP: a larger one makes training unstable
    return scale if settings.train_text else scale.detach()
