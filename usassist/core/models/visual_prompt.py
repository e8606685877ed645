"""A support image and its mask as one picture that says "this": CLIPSeg's visual prompt (Luddecke and Ecker 2022)."""

import torch
from torch import Tensor
from torch.nn import functional as F

from usassist.core.errors import ModelError

_BLUR_SHARE = 1 / 32  # the background's blur, as a share of the image's side
_BACKGROUND = 0.1  # what is left of the background's brightness
_CONTEXT = 1.5  # the crop's side over the object's longer side
_SMALLEST_SHARE = 1 / 8  # a crop is never a smaller share of the side: beyond that only blur would be seen


def highlight(images: Tensor, masks: Tensor, *, black: Tensor) -> Tensor:
    """Return the images cropped to their objects, everything else blurred and darkened.

    `images` (B, 3, S, S) are preprocessed, `masks` (B, 1, S, S) are 1 on the object and 0 elsewhere, `black` (3,) is
    what black became in preprocessing. Raises ModelError where sizes differ or a mask is empty.
    """
    if masks.shape != (images.shape[0], 1, *images.shape[-2:]):
        raise ModelError(
            f"Support masks of shape {tuple(masks.shape)} do not fit images of shape {tuple(images.shape)}; each "
            f"support image needs one mask of its own size."
        )
    masks = masks.to(images.dtype)
    if not bool(masks.flatten(1).any(1).all()):
        raise ModelError("The mask of a support image is empty; choose support images that show the object.")
    level = black.to(images.dtype)[:, None, None]
    background = level + (_blurred(images) - level) * _BACKGROUND
    shown = background + (images - background) * masks
    return F.grid_sample(shown, _crops(masks), mode="bilinear", padding_mode="border", align_corners=False)


def _blurred(images: Tensor) -> Tensor:
    sigma = max(0.5, images.shape[-1] * _BLUR_SHARE)
    radius = min(max(1, round(3 * sigma)), min(images.shape[-2:]) - 1)
    steps = torch.arange(-radius, radius + 1, dtype=images.dtype, device=images.device)
    kernel = torch.exp(-0.5 * (steps / sigma) ** 2)
    kernel = (kernel / kernel.sum()).expand(images.shape[1], 1, -1)
    padded = F.pad(images, (radius, radius, radius, radius), mode="reflect")
    rows = F.conv2d(padded, kernel[:, :, None], groups=images.shape[1])
    return F.conv2d(rows, kernel[:, :, :, None], groups=images.shape[1])


def _crops(masks: Tensor) -> Tensor:
    """Return the sampling grid (B, S, S, 2) of a square around each object, inside the image."""
    size = masks.shape[-1]
    thetas = []
    for mask in masks[:, 0] > 0:
        rows, cols = mask.any(1).nonzero().flatten(), mask.any(0).nonzero().flatten()
        top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(cols[0]), int(cols[-1]) + 1
        side = min(size, max(_CONTEXT * max(bottom - top, right - left), _SMALLEST_SHARE * size))
        y, x = (min(max((low + high) / 2, side / 2), size - side / 2) for low, high in ((top, bottom), (left, right)))
        scale = side / size
        thetas.append([[scale, 0.0, 2 * x / size - 1], [0.0, scale, 2 * y / size - 1]])
    theta = torch.tensor(thetas, dtype=masks.dtype, device=masks.device)
    return F.affine_grid(theta, [len(thetas), 1, size, size], align_corners=False)
