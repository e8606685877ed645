"""After training: what the model's images look like to it, so that it can say when one is unlike all of them."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from usassist.core.data.augment import AugmentConfig, augment
from usassist.core.data.dataset import Example
from usassist.core.data.frames import read_frames
from usassist.core.errors import ModelError
from usassist.core.io.colour import COLOUR_LIMIT, colour_share
from usassist.core.models.build import build_model
from usassist.core.models.config import WEIGHTS_FILE, ModelConfig
from usassist.core.models.embedder import ClipModel
from usassist.core.models.familiarity import Familiarity, load_familiarity, statistics
from usassist.core.models.preprocess import to_tensor
from usassist.core.models.weights import fill, find_model
from usassist.core.training.config import TrainConfig

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
            "Images unlike those of the training will not be recognised, but by what a model it goes on from knows: "
            "that takes %d images to train on and %d to validate on, found %d and %d.",
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


def kept_familiarity(model: nn.Module, config: TrainConfig, description: ModelConfig) -> Familiarity | None:
    """Return what the model that a run went on from takes for ordinary, where this one sees images just as that one.

    It does where the adapters that learned stand behind every tap that is looked at. None elsewhere, also where the
    first model never learned it, and with a warning in the log where it is not there any more.
    """
    if config.trainable != "adapters":
        return None
    return familiarity_of_start(model, config.start_from, description)


def familiarity_of_start(model: nn.Module, start: str, description: ModelConfig) -> Familiarity | None:
    """Return what the model of the name `start`, "" for none, takes for ordinary, where this one sees images alike.

    None also where that model never learned it, or is not the one that the description says this went on from; with a
    warning in the log where it is not there any more.
    """
    if not start or not isinstance(model, ClipModel):
        return None
    try:
        known = _known_before(model, start, description)
    except ModelError as error:
        logger.warning("What %s took for an ordinary image is not known any more: %s", start, error)
        return None
    if known is not None:
        logger.info("Images unlike those of %s will be recognised: it sees them the same way.", start)
    return known


def _known_before(model: ClipModel, name: str, description: ModelConfig) -> Familiarity | None:
    info = find_model(name)
    begun = description.provenance.get("start_from")
    same_weights = isinstance(begun, dict) and begun.get("weights_hash") == info.weights_hash
    if info.config is None or not same_weights or info.config.preprocess != description.preprocess:
        return None
    before = build_model(info.config, folder=info.folder)
    known = load_familiarity(info.folder, weights_hash=info.weights_hash, tap_channels=before.encoder.tap_channels)
    if known is None:
        return None
    fill(before, info.folder / WEIGHTS_FILE)
    return known if _sees_alike(model, before.to(model.encoder.device)) else None


@torch.inference_mode()
def _sees_alike(model: ClipModel, other: ClipModel) -> bool:
    """Return whether two models' statistics of the same images, noise of several grains, are the same but for rounding.

    Asked of the models and not of where adapters stand: it holds for whatever learned.
    """
    size, generator = model.config.preprocess.size, torch.Generator().manual_seed(0)
    grains = [torch.randn(2, 1, side, side, generator=generator) for side in (4, size // 4, size)]
    noise: Tensor = torch.cat([F.interpolate(grain, (size, size), mode="bilinear") for grain in grains])
    images = noise.expand(-1, 3, -1, -1).contiguous().to(model.encoder.device)
    one, two = (statistics(each.eval().encode(images)) for each in (model, other))
    return one.shape == two.shape and np.allclose(one, two, rtol=1e-3, atol=1e-4)
