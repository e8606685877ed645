"""Examples with masks in memory, and the batches cut from them."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from usassist.core.captions.vocabulary import Vocabulary
from usassist.core.data.augment import augment
from usassist.core.data.dataset import Example
from usassist.core.data.frames import read_frames
from usassist.core.errors import TrainingError, UsassistError
from usassist.core.geometry.cv import cv2
from usassist.core.io.scan import scan_box, scan_grey
from usassist.core.models.preprocess import resize_grey, to_tensor
from usassist.core.training.config import TrainConfig
from usassist.core.training.distances import signed_distances
from usassist.core.training.distributed import Shard
from usassist.core.training.images import require_room, shrunk
from usassist.core.training.sampling import Indices, balance_weights, draw_batches, prepared, steps_of
from usassist.core.training.supports import Drawn, Supports, supports_of
from usassist.core.training.task import OnProgress

Index = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Loaded:
    """One example held in memory: its scan, uint8 grey and truth (0 background, else the object's number from 1).

    `grey` and `truth` are HxW, to be augmented. `view` and `view_truth` are SxS: what the engine makes of the same
    frame, and the truth there.
    """

    example: Example
    grey: npt.NDArray[np.uint8]
    truth: Index
    view: npt.NDArray[np.uint8]
    view_truth: Index

    @property
    def nbytes(self) -> int:
        return self.grey.nbytes + self.truth.nbytes + self.view.nbytes + self.view_truth.nbytes


@dataclass(frozen=True)
class Batch:
    """This process's part of a training batch: B images at the model's size S.

    `images` (B, 3, S, S) float32, `truth` (B, S, S) uint8 (0 background, else the object's number), `prompts` B texts
    ("" for none), `captions` B texts, `classes` (B,) int64 with -1 where there is no caption. `distances` (B, K, S, S)
    float32, signed, in image sides, where the loss needs them. `supports` are visual prompts that stand in the place of
    some images' texts.
    """

    images: Tensor
    truth: Tensor
    prompts: list[str]
    captions: list[str]
    classes: Tensor
    distances: Tensor | None = None
    supports: Supports | None = None


def load_all(
    examples: Sequence[Example], *, size: int, objects: Sequence[str] = (), on_progress: OnProgress | None = None
) -> tuple[list[Loaded], list[str]]:
    """Decode every example for a model of size x size; returns what could be read and, for the rest, one reason each.

    With `objects` the truth tells these apart and takes any other for background; without, it says where anything is.
    All of it stays in memory, for a model of 224 at most 0.9 MB an image (640 x 640 grey and truth, and their views);
    what takes more than 8 GB together raises TrainingError before the machine starts to swap.
    """
    loaded: list[Loaded] = []
    failed: list[str] = []
    held = 0
    frames = read_frames(examples, on_error=lambda example, error: failed.append(f"{example.key}: {error}"))
    for example, frame in frames:
        try:
            truth = _read_truth(example, frame.shape, objects)[scan_box(frame).slices]
        except UsassistError as error:
            failed.append(f"{example.key}: {error}")
            continue
        grey = scan_grey(frame)
        item = Loaded(
            example,
            grey=shrunk(grey, size=size),
            truth=shrunk(truth, size=size, nearest=True),
            view=resize_grey(grey, size),
            view_truth=_resize_truth(truth, size),
        )
        held += item.nbytes
        require_room(held, images=len(loaded) + 1, total=len(examples))
        loaded.append(item)
        if on_progress is not None:
            on_progress("reading images", len(loaded) + len(failed), len(examples))
    return loaded, failed


def _read_truth(example: Example, shape: tuple[int, int], objects: Sequence[str]) -> Index:
    if not objects:
        return example.read_truth(shape).astype(np.uint8)
    numbers = [0, *(objects.index(name) + 1 if name in objects else 0 for name in example.objects)]
    return np.array(numbers, dtype=np.uint8)[example.read_classes(shape)]


def _resize_truth(truth: Index, size: int) -> Index:
    resized = cv2.resize(np.ascontiguousarray(truth), (size, size), interpolation=cv2.INTER_NEAREST)
    return np.asarray(resized, dtype=np.uint8)


class TrainBatches:
    """Shuffled, augmented batches. Every sample's randomness depends on (seed, epoch, index) alone, not on timing.

    With `prompted` some images come with a text or a visual prompt, as the recipe's [prompts] says; a wrong text asks
    for nothing.
    """

    def __init__(
        self,
        items: Sequence[Loaded],
        config: TrainConfig,
        vocabulary: Vocabulary,
        *,
        shard: Shard = Shard(),  # noqa: B008  frozen
        prompted: bool = True,
        objects: int = 1,
    ) -> None:
        """Raises TrainingError for fewer than 2 images."""
        if len(items) < 2:
            raise TrainingError(
                f"Training needs at least 2 images in the split train, found {len(items)}; accept more frames first."
            )
        self._items = items
        self._config = config
        self._vocabulary = vocabulary
        self._shard = shard
        self._prompted = prompted
        self._objects = objects
        self._classes = {name: index for index, name in enumerate(vocabulary.captions)}
        areas = np.array([np.count_nonzero(item.truth) / item.truth.size for item in items])
        self._weights = balance_weights([item.example.class_name for item in items], areas, config.balance)

    def __len__(self) -> int:
        return steps_of(len(self._items), self._config)

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield this process's part of every batch of an epoch, the next ones prepared while one is used."""
        drawn = draw_batches(len(self._items), self._config, epoch=epoch, weights=self._weights)
        jobs = [functools.partial(self._batch, indices, times, epoch) for indices, times in drawn]
        return prepared(jobs, workers=self._config.workers)

    def _batch(self, indices: Indices, times: Indices, epoch: int) -> Batch:
        """Prepare this process's part of a global batch."""
        share = self._shard.share
        own = list(zip(share(indices).tolist(), share(times).tolist(), strict=True))
        view = functools.cache(functools.partial(self._view, epoch))
        supports = None
        if self._prompted and self._config.prompts.support > 0:
            supports = supports_of(
                *(own, list(zip(indices.tolist(), times.tolist(), strict=True))),
                classes=[item.example.class_name for item in self._items],
                config=self._config,
                epoch=epoch,
                look=lambda drawn: view(drawn)[:2],
            )
        shown = [-1] * len(own) if supports is None else supports.of_image.tolist()
        images, truths, prompts, captions, classes = [], [], [], [], []
        for drawn, support in zip(own, shown, strict=True):
            grey, truth, rng = view(drawn)
            class_name = self._items[drawn[0]].example.class_name
            prompt, asked = self._prompt(class_name, rng) if self._prompted else ("", True)
            if support >= 0:
                prompt, asked = "", True
            caption, class_id = self._caption(class_name, rng)
            images.append(grey)
            truths.append(truth.astype(np.uint8) if asked else np.zeros(truth.shape, dtype=np.uint8))
            prompts.append(prompt)
            captions.append(caption)
            classes.append(class_id)
        truth_stack = np.stack(truths)
        distances = None
        if self._config.loss.boundary > 0:
            distances = torch.from_numpy(np.stack([signed_distances(t, objects=self._objects) for t in truth_stack]))
        return Batch(
            *(to_tensor(images, self._config.preprocess), torch.from_numpy(truth_stack), prompts, captions),
            classes=torch.tensor(classes),
            distances=distances,
            supports=supports,
        )

    def _view(self, epoch: int, drawn: Drawn) -> tuple[Index, Index, np.random.Generator]:
        """Return the augmented image and truth, each SxS, of one draw, and its generator as it stands after that."""
        index, time = drawn
        rng = np.random.default_rng([self._config.seed, epoch, index, 1 + time])
        item, size = self._items[index], self._config.preprocess.size
        return *augment(item.grey, item.truth, size=size, config=self._config.augment, rng=rng), rng

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
    """Yield images (B, 3, S, S) and truth (B, S, S) uint8 without augmentation, as the engine sees them."""
    for start in range(0, len(items), batch_size):
        chunk = items[start : start + batch_size]
        images = to_tensor([item.view for item in chunk], config.preprocess)
        yield images, torch.from_numpy(np.stack([item.view_truth for item in chunk]))
