"""Batches of images with masks, cut from examples in memory."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import torch
from torch import Tensor

from usassist.core.captions.vocabulary import Target, Vocabulary
from usassist.core.data.augment import augment
from usassist.core.data.dataset import Example
from usassist.core.errors import TrainingError
from usassist.core.models.preprocess import to_tensor
from usassist.core.training.config import TrainConfig
from usassist.core.training.distances import signed_distances
from usassist.core.training.distributed import Shard
from usassist.core.training.loading import Index, Loaded
from usassist.core.training.sampling import (
    Indices,
    balance_weights,
    count_of,
    draw_batches,
    draws_of,
    prepared,
    steps_of,
)
from usassist.core.training.supports import Drawn, Supports, supports_of

_BEYOND_THE_IMAGE = "Verification:"
"""Where BrEaST's captions turn to what no image shows: how the diagnosis was confirmed, and what it was."""


_SHOWN_ELSEWHERE = 0.7


class _Anchors(TypedDict):
    anchors: tuple[str, ...]
    anchor_classes: Tensor


@dataclass(frozen=True)
class Batch:
    """This process's part of a training batch: B images at the model's size S.

    `images` (B, 3, S, S) float32, `truth` (B, S, S) uint8 (0 background, else the object's number), `prompts` B texts
    ("" for none), `captions` B texts, `classes` (B,) int64 with -1 where there is no caption. `distances` (B, K, S, S)
    float32, signed, in image sides, where the loss needs them. `supports` are visual prompts that stand in the place of
    some images' texts. `shown` (B, S, S) uint8 is what the images show, whatever was asked. `again` says which images
    are asked a second time, None where no process has one. `anchors` are one caption of every class there is, and
    `anchor_classes` (K,) those.
    """

    images: Tensor
    truth: Tensor
    prompts: list[str]
    captions: list[str]
    classes: Tensor
    distances: Tensor | None = None
    supports: Supports | None = None
    shown: Tensor | None = None
    again: "Again | None" = None
    anchors: tuple[str, ...] = ()
    anchor_classes: Tensor | None = None


@dataclass(frozen=True)
class Again:
    """This process's images that are asked a second time: their places in its part of a batch, a seed for each."""

    places: Tensor
    seeds: tuple[tuple[int, ...], ...]


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
        names = [item.example.class_name for item in items]
        self._weights = balance_weights(names, areas, config.balance)
        self._draws = draws_of(names, config.balance)
        targets = (vocabulary.target_of_class(name) for name in set(names))
        self._shown = {target.name for target in targets if target is not None}
        self._captioned = sorted(set(names) & vocabulary.captions.keys())

    def __len__(self) -> int:
        return steps_of(len(self._items) if self._draws is None else count_of(self._draws), self._config)

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield this process's part of every batch of an epoch, the next ones prepared while one is used."""
        drawn = draw_batches(len(self._items), self._config, epoch=epoch, weights=self._weights, draws=self._draws)
        jobs = [
            functools.partial(self._batch, indices, times, epoch, number)
            for number, (indices, times) in enumerate(drawn)
        ]
        return prepared(jobs, workers=self._config.workers)

    def _batch(self, indices: Indices, times: Indices, epoch: int, number: int) -> Batch:
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
        images, truths, shows, prompts, captions, classes = [], [], [], [], [], []
        for drawn, support in zip(own, shown, strict=True):
            grey, truth, rng = view(drawn)
            class_name = self._items[drawn[0]].example.class_name
            prompt, asked = self._prompt(class_name, rng) if self._prompted else ("", True)
            if support >= 0:
                prompt, asked = "", True
            caption, class_id = self._caption(self._items[drawn[0]].example, rng)
            if self._items[drawn[0]].truth.any() and not truth.any():
                caption, class_id = "", -1  # what its class is about lies outside of this view
            shows.append(truth.astype(np.uint8))
            images.append(grey)
            truths.append(shows[-1] if asked else np.zeros(truth.shape, dtype=np.uint8))
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
            shown=torch.from_numpy(np.stack(shows)),
            again=self._again(indices, times, epoch),
            **self._anchors(epoch, number),
        )

    def _again(self, indices: Indices, times: Indices, epoch: int) -> Again | None:
        """Choose who is asked a second time: evenly over the global batch, whatever the number of processes."""
        places = np.arange(len(indices) + 1)
        chosen = np.diff(np.floor(places * self._config.clicks.share + 1e-9)) > 0
        if not chosen.any():
            return None
        share = self._shard.share
        own = np.flatnonzero(share(chosen.astype(np.int64)))
        drawn = zip(share(indices)[own].tolist(), share(times)[own].tolist(), strict=True)
        seeds = tuple((self._config.seed, epoch, index, 1 + time, 3) for index, time in drawn)
        return Again(torch.from_numpy(own), seeds)

    def _anchors(self, epoch: int, number: int) -> "_Anchors":
        """Return one caption of every class there is, so that each batch tells all of them apart."""
        rng = np.random.default_rng([self._config.seed, epoch, number, 2, 2])
        texts = [self._vocabulary.captions[name] for name in self._captioned]
        return {
            "anchors": tuple(choices[int(rng.integers(len(choices)))] for choices in texts),
            "anchor_classes": torch.tensor([self._classes[name] for name in self._captioned], dtype=torch.int64),
        }

    def _view(self, epoch: int, drawn: Drawn) -> tuple[Index, Index, np.random.Generator]:
        """Return the augmented image and truth, each SxS, of one draw, and its generator as it stands after that."""
        index, time = drawn
        rng = np.random.default_rng([self._config.seed, epoch, index, 1 + time])
        item, size = self._items[index], self._config.size_at(epoch)
        config = self._config.augment
        return *augment(item.grey, item.truth, size=size, config=config, rng=rng, clean=item.clean), rng

    def _prompt(self, class_name: str, rng: np.random.Generator) -> tuple[str, bool]:
        """Return a text and whether the image's truth answers it."""
        draw = rng.random()
        own = self._vocabulary.target_of_class(class_name) or self._vocabulary.targets[self._config.target]
        if draw < self._config.prompts.without:
            return "", True
        if draw < self._config.prompts.without + self._config.prompts.wrong:
            others = self._others(own, rng)
            other = others[int(rng.integers(len(others)))]
            return other.prompts[int(rng.integers(len(other.prompts)))], False
        return own.prompts[int(rng.integers(len(own.prompts)))], True

    def _others(self, own: Target, rng: np.random.Generator) -> list[Target]:
        """Return what a wrong text may name: mostly what other images here show; else the text alone would tell."""
        others = [target for target in self._vocabulary.targets.values() if target is not own]
        shown = [target for target in others if target.name in self._shown]
        return shown if shown and rng.random() < _SHOWN_ELSEWHERE else others

    def _caption(self, example: Example, rng: np.random.Generator) -> tuple[str, int]:
        """Return the example's own caption or one of its class, each half of the times, and the class.

        None of an example whose class contradicts a near-duplicate's.
        """
        texts = self._vocabulary.captions.get(example.class_name)
        if not texts or example.label_conflict:
            return "", -1
        own = example.caption.split(_BEYOND_THE_IMAGE)[0].strip()
        if own and rng.random() < 0.5:
            return own, self._classes[example.class_name]
        return texts[int(rng.integers(len(texts)))], self._classes[example.class_name]


def eval_batches(
    items: Sequence[Loaded], config: TrainConfig, *, batch_size: int = 16
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield images (B, 3, S, S) and truth (B, S, S) uint8 without augmentation, as the engine sees them."""
    for start in range(0, len(items), batch_size):
        chunk = items[start : start + batch_size]
        images = to_tensor([item.view for item in chunk], config.preprocess)
        yield images, torch.from_numpy(np.stack([item.view_truth for item in chunk]))
