"""Images and captions of the same classes brought together in one space, beside learning masks."""

from torch import Tensor
from torch.nn import functional as F

from usassist.core.training.contrast_losses import info_nce, similarities
from usassist.core.training.distributed import gather_with_grad

_MOST_SCALE = 100


def class_contrast(image: Tensor, captions: Tensor, classes: Tensor, *, scale: Tensor) -> Tensor:
    """Return an InfoNCE over the global batch in which every pair of one class is a positive.

    `image` and `captions` (B, D) are embeddings, `classes` (B,) int64 with -1 for none, `scale` the factor on cosines.
    Captions here are often templates of a class, so the plain InfoNCE would push equal captions apart. 0 where fewer
    than 2 classes are shown.
    """
    image, captions, classes = (gather_with_grad(x) for x in (image.float(), captions.float(), classes))
    keep = classes >= 0
    if classes[keep].unique().numel() < 2:
        return (image.sum() + captions.sum()) * 0.0
    same = classes[keep][:, None] == classes[keep][None, :]
    return info_nce(image[keep], captions[keep], scale=scale.clamp(max=_MOST_SCALE), same=same)


def anchor_loss(image: Tensor, classes: Tensor, anchors: Tensor, known: Tensor, *, scale: Tensor) -> Tensor:
    """Return the cross entropy of each image's class by its similarity to a caption of every class there is.

    A small batch seldom shows all classes, so the InfoNCE alone seldom tells the rare ones apart. `anchors` (K, D) are
    embedded captions of the classes `known` (K,); the rest is as in `class_contrast`. 0 where no image has a class.
    """
    image, classes = gather_with_grad(image.float()), gather_with_grad(classes)
    keep = classes >= 0
    if not bool(keep.any()) or len(known) < 2:
        return (image.sum() + anchors.float().sum()) * 0.0
    wanted = (classes[keep][:, None] == known[None, :]).int().argmax(1)
    return F.cross_entropy(scale.clamp(max=_MOST_SCALE) * similarities(image[keep], anchors), wanted)
