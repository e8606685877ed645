"""What an image tower is cut into: patches, maps to tap, and a ViT's blocks behind its last tap."""

from typing import Any

import torch
from torch import Tensor

from usassist.core.models.foreign import imported_classes

_OPEN_CLIP = "open_clip.transformer.VisionTransformer"
_TIMM = "timm.models.vision_transformer.VisionTransformer"


def has_more_blocks(visual: Any, tap: int) -> bool:
    """Return whether an image tower is open_clip's or timm's ViT with blocks behind the block `tap`."""
    if isinstance(visual, imported_classes(_OPEN_CLIP)):
        return len(visual.transformer.resblocks) > tap + 1
    trunk = getattr(visual, "trunk", None)
    return isinstance(trunk, imported_classes(_TIMM)) and len(trunk.blocks) > tap + 1


def count_maps(visual: Any) -> int | None:
    """Return how many maps can be tapped: a ViT's blocks, the stages of our trunks; None for other trunks of timm's."""
    if isinstance(visual, imported_classes(_OPEN_CLIP)):
        return len(visual.transformer.resblocks)
    trunk = getattr(visual, "trunk", None)
    if isinstance(trunk, imported_classes(_TIMM)):
        return len(trunk.blocks)
    channels = getattr(trunk, "channels", None)
    return len(channels) if isinstance(channels, tuple) else None


def patch_size(visual: Any) -> int:
    """Return the side in pixels of the patches that an image tower cuts an image into, 1 for convolutional ones."""
    owner = getattr(getattr(visual, "trunk", visual), "patch_embed", visual)
    side = getattr(owner, "patch_size", 1)
    return int(max(side) if isinstance(side, tuple | list) else side)


def embedding_after(visual: Any, tap: int, tokens: Tensor, prefix: tuple[Tensor, ...]) -> Tensor:
    """Return the embeddings (B, D) of images from what the block `tap` of a ViT gave.

    `tokens` is its map (B, C, h, w), `prefix` its class tokens (B, P, C), none or one tensor.
    """
    x = torch.cat([*prefix, tokens.flatten(2).transpose(1, 2)], dim=1)
    trunk = getattr(visual, "trunk", None)
    if trunk is not None:
        for block in trunk.blocks[tap + 1 :]:
            x = block(x)
        out: Tensor = visual.head(trunk.forward_head(trunk.norm(x)))
        return out
    batch_first = visual.transformer.batch_first
    x = x if batch_first else x.transpose(0, 1)
    for block in visual.transformer.resblocks[tap + 1 :]:
        x = block(x)
    pooled, _ = visual._pool(x if batch_first else x.transpose(0, 1))
    return pooled if visual.proj is None else pooled @ visual.proj
