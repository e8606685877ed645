"""Images and captions of the same classes brought together in one space, beside learning masks."""

from torch import Tensor
from torch.nn import functional as F

from usassist.core.models.clip import ImageFeatures
from usassist.core.training.batches import Batch
from usassist.core.training.contrast_losses import info_nce
from usassist.core.training.distributed import gather_with_grad

_MOST_SCALE = 100


def class_contrast(
    features: ImageFeatures, captions: Tensor, anchors: Tensor, batch: Batch, *, scale: Tensor
) -> Tensor:
    """Return an InfoNCE over the global batch in which every pair of one class is a positive, and a second one that
    tells each image's class from every other by a caption each: a small batch seldom shows all of them.

    `captions` (B, D) and `anchors` (K, D) are embedded texts, `scale` the factor on cosines. Captions here are often
    templates of a class, so the plain InfoNCE would push equal captions apart. 0 where fewer than 2 classes are shown.
    """
    image, text, class_ids = (
        gather_with_grad(x) for x in (features.embedding.float(), captions.float(), batch.classes.to(captions.device))
    )
    keep = class_ids >= 0
    if class_ids[keep].unique().numel() < 2 or batch.anchor_classes is None:
        return (image.sum() + text.sum()) * 0.0
    factor = scale.clamp(max=_MOST_SCALE)
    same = class_ids[keep][:, None] == class_ids[keep][None, :]
    pairs = info_nce(image[keep], text[keep], scale=factor, same=same)
    known = batch.anchor_classes.to(class_ids.device)
    cosines = F.normalize(image[keep], dim=-1) @ F.normalize(anchors.float(), dim=-1).T
    wanted = (class_ids[keep][:, None] == known[None, :]).int().argmax(1)
    return pairs + F.cross_entropy(factor * cosines, wanted)
