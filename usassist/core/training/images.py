"""Batches of images without masks, for contrastive learning and classification."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from usassist.core.data.augment import AugmentConfig, augment
from usassist.core.data.dataset import Example
from usassist.core.data.frames import read_frames
from usassist.core.data.marks import without_marks
from usassist.core.errors import TrainingError
from usassist.core.geometry.cv import cv2
from usassist.core.geometry.sharpness import blur_to, blurred
from usassist.core.io.scan import scan_grey
from usassist.core.log import READING_IMAGES
from usassist.core.models.preprocess import resize_grey, to_tensor
from usassist.core.training.config import TrainConfig
from usassist.core.training.distributed import Shard
from usassist.core.training.sampling import (
    Indices,
    balance_weights,
    count_of,
    draw_batches,
    draws_of,
    prepared,
    steps_of,
)
from usassist.core.training.task import OnProgress

Grey = npt.NDArray[np.uint8]

_LONGEST_SIDE = 640
BUDGET_BYTES = 8 * 2**30
_EVAL_BATCH = 32


@dataclass(frozen=True)
class Picture:
    """One example: `grey` HxW uint8, to be augmented; `view` SxS uint8, what the engine makes of the same frame.

    `clean` is `grey` without burned-in marks, None where it has none or nobody asked.
    """

    example: Example
    grey: Grey
    view: Grey
    clean: Grey | None = None

    @property
    def nbytes(self) -> int:
        """Return how many bytes of memory the images take."""
        return sum(image.nbytes for image in (self.grey, self.view, self.clean) if image is not None)


def read_pictures(
    examples: Sequence[Example],
    *,
    size: int,
    sharpest: float = 0.0,
    unmark: bool = False,
    on_progress: OnProgress | None = None,
) -> tuple[list[Picture], list[str]]:
    """Decode every example's scan, for a model of size x size; returns them and one reason for each that failed.

    Scans sharper than `sharpest` at that size are blurred as the engine does.

    With `unmark` training images are kept without their burned-in marks, too. Raises TrainingError for more than 8 GB
    of images, before the machine starts to swap.
    """
    pictures: list[Picture] = []
    failed: list[str] = []
    held = 0
    frames = read_frames(examples, on_error=lambda example, error: failed.append(f"{example.key}: {error}"))
    for example, frame in frames:
        grey = scan_grey(frame)
        clean = without_marks(grey) if unmark and example.split == "train" else grey  # shrinking makes strokes fainter
        pictures.append(Picture(example, *seen_and_kept(grey, None if clean is grey else clean, size, sharpest)))
        held += pictures[-1].nbytes
        require_room(held, images=len(pictures), total=len(examples))
        if on_progress is not None:
            on_progress(READING_IMAGES, len(pictures) + len(failed), len(examples))
    return pictures, failed


def seen_and_kept(grey: Grey, clean: Grey | None, size: int, sharpest: float) -> tuple[Grey, Grey, Grey | None]:
    """Return a scan (HxW uint8) to be augmented, what the engine sees of it, and it without marks to be augmented.

    What is sharper than `sharpest` in the engine's view is blurred by as much in each.
    """
    view = resize_grey(grey, size)
    sigma = blur_to(view, sharpest)

    def kept(image: Grey) -> Grey:
        small = shrunk(image, size=size)
        return blurred(small, sigma * small.shape[1] / size, sigma * small.shape[0] / size)

    return kept(grey), blurred(view, sigma), None if clean is None else kept(clean)


def shrunk(image: Grey, *, size: int, nearest: bool = False) -> Grey:
    """Return a copy of an HxW uint8 image, at most 640 pixels or twice the model's size long; a mask by nearest values.

    For augmentation alone: shrinking twice is smoother than the engine's once, so validation has its own view.
    """
    longest, most = max(image.shape), max(_LONGEST_SIDE, 2 * size)
    if longest <= most:
        return image.copy()  # not a part of a whole cine, which it would keep in memory
    rows, cols = (max(1, round(side * most / longest)) for side in image.shape)
    how = cv2.INTER_NEAREST if nearest else cv2.INTER_AREA
    return np.asarray(cv2.resize(image, (cols, rows), interpolation=how), dtype=np.uint8)


def require_room(held: int, *, images: int, total: int) -> None:
    """Raise TrainingError where so many bytes are more than 8 GB: before the machine starts to swap."""
    if held > BUDGET_BYTES:
        raise TrainingError(
            f"The first {images} of {total} images take {held / 2**30:.1f} GB of memory; training keeps all of them "
            f"there. Train on fewer images at a time."
        )


def require_maskless(augmentation: AugmentConfig) -> None:
    """Raise TrainingError where a recipe augments images without masks by what only a mask can tell."""
    if augmentation.elsewhere > 0:
        raise TrainingError(
            f"augment.elsewhere = {augmentation.elsewhere:g} zooms into tissue beside the object, which images without "
            f"masks do not tell; set it to 0."
        )


class ImageBatches:
    """Shuffled, augmented batches. Every image's randomness depends on (seed, epoch, index) alone, not on timing.

    Classes are drawn as often as the recipe's [balance] says; the first epochs' images have its `early_size`.
    """

    def __init__(self, pictures: Sequence[Picture], config: TrainConfig, *, shard: Shard) -> None:
        """Raises TrainingError for fewer than 2 images."""
        if len(pictures) < 2:
            raise TrainingError(f"Training needs at least 2 images in the split train, found {len(pictures)}.")
        self._pictures = pictures
        self._config = config
        self._shard = shard
        names = [item.example.class_name for item in pictures]
        self._weights = balance_weights(names, np.zeros(len(pictures)), config.balance)
        self._draws = draws_of(names, config.balance)

    def __len__(self) -> int:
        return steps_of(len(self._pictures) if self._draws is None else count_of(self._draws), self._config)

    def epoch(self, epoch: int) -> Iterator[tuple[Tensor, Indices]]:
        """Yield this process's images (B, 3, S, S) and the numbers of the whole global batch's pictures, in its order.

        The next ones are prepared by `workers` threads while one is used.
        """
        drawn = draw_batches(len(self._pictures), self._config, epoch=epoch, weights=self._weights, draws=self._draws)
        jobs = [functools.partial(self._images, indices, times, epoch) for indices, times in drawn]
        images = prepared(jobs, workers=self._config.workers)
        return zip(images, (indices for indices, _ in drawn), strict=True)

    def _images(self, indices: Indices, times: Indices, epoch: int) -> Tensor:
        share, views, size = self._shard.share, [], self._config.size_at(epoch)
        for index, time in zip(share(indices).tolist(), share(times).tolist(), strict=True):
            seen = self._pictures[index]
            rng = np.random.default_rng([self._config.seed, epoch, index, 1 + time])
            nothing = np.zeros(seen.grey.shape, dtype=np.bool_)
            view, _ = augment(seen.grey, nothing, size=size, config=self._config.augment, rng=rng, clean=seen.clean)
            views.append(view)
        return to_tensor(views, self._config.preprocess)


def eval_images(pictures: Sequence[Picture], config: TrainConfig) -> Iterator[Tensor]:
    """Yield all images in order, without augmentation, in batches (B, 3, S, S)."""
    for start in range(0, len(pictures), _EVAL_BATCH):
        chunk = pictures[start : start + _EVAL_BATCH]
        yield to_tensor([item.view for item in chunk], config.preprocess)
