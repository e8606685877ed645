"""Examples in memory, and the batches cut from them."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from usassist.core.captions.vocabulary import Vocabulary
from usassist.core.data.augment import augment
from usassist.core.data.dataset import Example
from usassist.core.errors import TrainingError, UsassistError
from usassist.core.models.preprocess import resize_grey, to_tensor
from usassist.core.training.config import TrainConfig

# Longer images than this are stored smaller: augmentation samples at the model's size anyway.
_LONGEST_SIDE = 640
_BUDGET_BYTES = 8 * 2**30


@dataclass(frozen=True)
class Loaded:
    """One example held in memory: HxW uint8 grey, HxW bool truth."""

    example: Example
    grey: npt.NDArray[np.uint8]
    truth: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Batch:
    """A training batch of B images at the model's size S.

    `images` (B, 3, S, S) and `truth` (B, 1, S, S) float32, `prompts` B texts ("" for none), `captions` B texts,
    `classes` (B,) int64 with -1 where there is no caption.
    """

    images: Tensor
    truth: Tensor
    prompts: list[str]
    captions: list[str]
    classes: Tensor


def load_all(examples: Sequence[Example]) -> tuple[list[Loaded], list[str]]:
    """Decode every example; returns what could be read and, for the rest, one reason each.

    All of it stays in memory, at most 0.8 MB an image (640 x 640 grey and truth); what takes more than 8 GB together
    raises TrainingError before the machine starts to swap.
    """
    loaded: list[Loaded] = []
    failed: list[str] = []
    held = 0
    for example in examples:
        try:
            grey = example.read_grey()
            truth = example.read_truth((grey.shape[0], grey.shape[1]))
        except UsassistError as error:
            failed.append(f"{example.key}: {error}")
            continue
        item = Loaded(example, *_bounded(grey, truth))
        held += item.grey.nbytes + item.truth.nbytes
        if held > _BUDGET_BYTES:
            raise TrainingError(
                f"The first {len(loaded) + 1} of {len(examples)} images take {held / 2**30:.1f} GB of memory; training "
                f"keeps all of them there. Train on fewer images at a time."
            )
        loaded.append(item)
    return loaded, failed


def _bounded(
    grey: npt.NDArray[np.uint8], truth: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    from usassist.core.geometry.cv import cv2

    longest = max(grey.shape)
    if longest <= _LONGEST_SIDE:
        return grey, truth
    rows, cols = (max(1, round(side * _LONGEST_SIDE / longest)) for side in grey.shape)
    size = (cols, rows)
    smaller = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    mask = cv2.resize(truth.view(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    return np.asarray(smaller, dtype=np.uint8), mask.astype(np.bool_)


class TrainBatches:
    """Shuffled, augmented batches. Every sample's randomness depends on (seed, epoch, index) alone, not on timing."""

    def __init__(self, items: Sequence[Loaded], config: TrainConfig, vocabulary: Vocabulary) -> None:
        if len(items) < 2:
            raise TrainingError(
                f"Training needs at least 2 images in the split train, found {len(items)}; accept more frames first."
            )
        self._items = items
        self._config = config
        self._vocabulary = vocabulary
        self._classes = {name: index for index, name in enumerate(vocabulary.captions)}

    def __len__(self) -> int:
        return max(1, len(self._items) // self._config.batch_size)

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of an epoch, the next ones prepared by `workers` threads while one is used."""
        order = np.random.default_rng([self._config.seed, epoch]).permutation(len(self._items))
        size = min(self._config.batch_size, len(order))
        chunks = [order[start : start + size] for start in range(0, len(self) * size, size)]
        with ThreadPoolExecutor(max(1, self._config.workers)) as pool:
            ahead = [pool.submit(self._batch, chunk, epoch) for chunk in chunks[:2]]
            for index in range(len(chunks)):
                batch = ahead.pop(0).result()
                if index + 2 < len(chunks):
                    ahead.append(pool.submit(self._batch, chunks[index + 2], epoch))
                yield batch

    def _batch(self, indices: npt.NDArray[np.int64], epoch: int) -> Batch:
        images, truths, prompts, captions, classes = [], [], [], [], []
        for index in indices:
            rng = np.random.default_rng([self._config.seed, epoch, int(index), 1])
            item = self._items[index]
            size = self._config.preprocess.size
            grey, truth = augment(item.grey, item.truth, size=size, config=self._config.augment, rng=rng)
            prompt, asked = self._prompt(item.example.class_name, rng)
            caption, class_id = self._caption(item.example.class_name, rng)
            images.append(grey)
            truths.append(truth if asked else np.zeros_like(truth))
            prompts.append(prompt)
            captions.append(caption)
            classes.append(class_id)
        truth_tensor = torch.from_numpy(np.stack(truths)).float()[:, None]
        return Batch(to_tensor(images, self._config.preprocess), truth_tensor, prompts, captions, torch.tensor(classes))

    def _prompt(self, class_name: str, rng: np.random.Generator) -> tuple[str, bool]:
        """Return a text and whether the image's truth answers it."""
        draw = rng.random()
        own = self._vocabulary.target_of_class(class_name) or self._vocabulary.targets[self._config.target]
        if draw < self._config.prompts.without:
            return "", True
        if draw < self._config.prompts.without + self._config.prompts.wrong:
            others = [target for target in self._vocabulary.targets.values() if target is not own]
            other = others[int(rng.integers(len(others)))]
            return other.prompts[int(rng.integers(len(other.prompts)))], False
        return own.prompts[int(rng.integers(len(own.prompts)))], True

    def _caption(self, class_name: str, rng: np.random.Generator) -> tuple[str, int]:
        texts = self._vocabulary.captions.get(class_name)
        if not texts:
            return "", -1
        return texts[int(rng.integers(len(texts)))], self._classes[class_name]


def eval_batches(
    items: Sequence[Loaded], config: TrainConfig, *, batch_size: int = 16
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (images, truth) without augmentation, the truth resampled to the model's size."""
    from usassist.core.geometry.cv import cv2

    size = config.preprocess.size
    for start in range(0, len(items), batch_size):
        chunk = items[start : start + batch_size]
        images = to_tensor([resize_grey(item.grey, size) for item in chunk], config.preprocess)
        masks = [cv2.resize(item.truth.view(np.uint8), (size, size), interpolation=cv2.INTER_NEAREST) for item in chunk]
        yield images, torch.from_numpy(np.stack(masks)).float()[:, None]
