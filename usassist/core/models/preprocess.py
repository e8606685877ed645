"""The one way an image becomes a model's input, in training and at work."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from usassist.core.geometry.resize import resized
from usassist.core.geometry.sharpness import blur_to, blurred
from usassist.core.models.config import PreprocessConfig


def resize_grey(grey: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    """Squash an HxW uint8 image to size x size; area averaging where it shrinks, so speckle does not alias."""
    return resized(grey, size)


def as_seen(grey: npt.NDArray[np.uint8], config: PreprocessConfig) -> npt.NDArray[np.uint8]:
    """Return what a model sees of a scan (HxW uint8): size x size, and no sharper than it is used to."""
    view = resize_grey(grey, config.size)
    return blurred(view, blur_to(view, config.sharpest))


def to_tensor(images: Sequence[npt.NDArray[np.uint8]], config: PreprocessConfig) -> Tensor:
    """Normalise size x size uint8 images to (B, 3, size, size) float32."""
    stack = torch.from_numpy(np.stack(images)).float().div_(255.0)[:, None].expand(-1, 3, -1, -1)
    mean, std = (torch.tensor(values)[:, None, None] for values in (config.mean, config.std))
    return ((stack - mean) / std).contiguous(memory_format=torch.channels_last)
