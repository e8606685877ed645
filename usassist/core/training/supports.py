"""Visual prompts in training: another image of the batch, with its mask, says what to look for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from usassist.core.models.preprocess import to_tensor
from usassist.core.training.config import TrainConfig

Drawn = tuple[int, int]
"""An image as it is drawn in an epoch: its number, and the how-manieth time it is drawn (from 0)."""
Look = Callable[[Drawn], tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]]
"""Returns the augmented image and truth, each SxS, that one draw gives."""


@dataclass(frozen=True)
class Supports:
    """N support images (N, 3, S, S), preprocessed, with their masks (N, 1, S, S), 1 on the object and 0 elsewhere.

    `of_image` (B,) int64 says which of them each image of a batch is conditioned by, -1 for none.
    """

    images: Tensor
    masks: Tensor
    of_image: Tensor


def supports_of(
    own: Sequence[Drawn],
    batch: Sequence[Drawn],
    *,
    classes: Sequence[str],
    config: TrainConfig,
    epoch: int,
    look: Look,
) -> Supports | None:
    """Choose a support for `prompts.support` of this process's images, from the whole global batch.

    A support is another image of the same class (`classes` by number) in which something is shown. An image that shows
    nothing takes one of any class, its truth stays empty: a support alone must not say that something is there. An
    image without such another has none. A matter of seed, epoch and image alone, whatever the number of processes. None
    where nobody has one.
    """
    chosen: dict[Drawn, int] = {}
    of_image: list[int] = []
    for drawn in own:
        # A generator of its own: the draws of a recipe without supports stay what they are.
        rng = np.random.default_rng([config.seed, epoch, drawn[0], 1 + drawn[1], 1])
        found = None
        if rng.random() < config.prompts.support:
            others = [one for one in batch if one[0] != drawn[0]]
            if look(drawn)[1].any():
                others = [one for one in others if classes[one[0]] == classes[drawn[0]]]
            shuffled = (others[place] for place in rng.permutation(len(others)).tolist())
            found = next((one for one in shuffled if look(one)[1].any()), None)
        of_image.append(-1 if found is None else chosen.setdefault(found, len(chosen)))
    if not chosen:
        return None
    views = [look(one) for one in chosen]
    masks = np.stack([truth > 0 for _, truth in views])[:, None]
    images = to_tensor([grey for grey, _ in views], config.preprocess)
    return Supports(images, torch.from_numpy(masks).float(), torch.tensor(of_image))
