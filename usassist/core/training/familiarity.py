"""After training: what the model's images look like to it, so that it can say when one is unlike all of them."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from usassist.core.data.augment import AugmentConfig, augment
from usassist.core.data.dataset import Example
from usassist.core.data.frames import read_frames
from usassist.core.io.colour import COLOUR_LIMIT, colour_share
from usassist.core.models.embedder import ClipModel
from usassist.core.models.familiarity import Familiarity, statistics
from usassist.core.models.preprocess import to_tensor

logger = logging.getLogger(__name__)

Grey = npt.NDArray[np.uint8]
Progress = Callable[[str, int, int], None]

LEAST_TRAIN, LEAST_VAL = 50, 20
MARGIN = 1.35
"""Other scanners differ more than two halves of one data set do: the limit is so many times the 99th percentile."""
_QUANTILE = 0.99
_MOST_IMAGES = 3000
_AT_ONCE = 16
_LIGHTLY = AugmentConfig(
    rotate_deg=8.0,
    scale=0.12,
    aspect=0.1,
    shift=0.05,
    gamma=0.2,
    contrast=0.12,
    blur=0.1,
    speckle=0.15,
    depth_gain=0.15,
    shadow=0.05,
)


class Seen(Protocol):
    """An image in memory: `grey` HxW uint8 to be augmented, `view` SxS uint8 as the engine makes it."""

    @property
    def example(self) -> Example: ...

    @property
    def grey(self) -> Grey: ...

    @property
    def view(self) -> Grey: ...


def learn_familiarity(
    model: ClipModel, train: Sequence[Seen], val: Sequence[Seen], *, seed: int = 0, on_progress: Progress | None = None
) -> Familiarity | None:
    """Return what a model should take for ordinary; None, with a warning in the log, from too few images.

    Fitted on at most 3000 training images, each as it is and lightly augmented; the limits are chosen on validation
    images alone. Takes as long as encoding all of them, the training images twice.
    """
    if len(train) < LEAST_TRAIN or len(val) < LEAST_VAL:
        logger.warning(
            "Images unlike those of the training will not be recognised: that takes %d images to train on and %d to "
            "validate on, found %d and %d.",
            *(LEAST_TRAIN, LEAST_VAL, len(train), len(val)),
        )
        return None
    chosen = [train[i] for i in np.linspace(0, len(train) - 1, min(len(train), _MOST_IMAGES)).astype(int)]
    size = model.config.preprocess.size
    wanted = [*((item, -1) for item in chosen), *((item, n) for n, item in enumerate(chosen)), *((v, -1) for v in val)]
    parts = []
    for start in range(0, len(wanted), _AT_ONCE):
        chunk = wanted[start : start + _AT_ONCE]
        views = [item.view if n < 0 else _varied(item.grey, size=size, seed=(seed, n)) for item, n in chunk]
        parts.append(_statistics(model, views))
        if on_progress is not None:
            on_progress("learning what is ordinary", start + len(chunk), len(wanted))
    seen = np.concatenate(parts)
    found = Familiarity.fit(seen[: -len(val)])
    return replace(
        found,
        limit=MARGIN * float(np.quantile(found.distances(seen[-len(val) :]), _QUANTILE)),
        colour_limit=_colour_limit([item.example for item in val]),
        images=len(chosen),
    )


def _varied(grey: Grey, *, size: int, seed: tuple[int, int]) -> Grey:
    nothing = np.zeros(grey.shape, dtype=np.bool_)
    return augment(grey, nothing, size=size, config=_LIGHTLY, rng=np.random.default_rng(seed))[0]


@torch.inference_mode()
def _statistics(model: ClipModel, views: Sequence[Grey]) -> npt.NDArray[np.float32]:
    model.eval()
    images = to_tensor(views, model.config.preprocess)
    return statistics(model.encode(images.to(model.encoder.device, memory_format=torch.channels_last)))


def _colour_limit(examples: Sequence[Example]) -> float:
    """Return the share of colour from which a frame is unusual: more than markers, and than what these show."""
    shares = [colour_share(frame) for _, frame in read_frames(examples, on_error=lambda _example, _error: None)]
    return max(COLOUR_LIMIT, MARGIN * float(np.quantile(shares, _QUANTILE))) if shares else COLOUR_LIMIT
