"""Tiny towers of each layout with random weights, for what is asked of adapters."""

import torch
from torch import Tensor, nn

from usassist.core.models import torchvision_ops

torchvision_ops.prepare()

import open_clip  # noqa: E402
import timm  # noqa: E402

from usassist.core.models.config import AdapterConfig, EncoderConfig, HeadConfig, ModelConfig  # noqa: E402
from usassist.core.models.trunk import ContextTrunk  # noqa: E402

SIZE = 32


def open_clip_vit(*, batch_first: bool = True) -> nn.Module:
    """Return open_clip's own ViT: 3 blocks, width 32, a class token and 4 x 4 patches."""
    torch.manual_seed(0)
    vit = open_clip.model.VisionTransformer(
        image_size=SIZE, patch_size=8, width=32, layers=3, heads=2, mlp_ratio=2, output_dim=16
    )
    if not batch_first:
        vit.transformer.batch_first = False
        for block in vit.transformer.resblocks:
            block.attn.batch_first = False
    return vit.eval()


class Trunk(nn.Module):
    """An image tower around a trunk, as open_clip's wrapper of timm has it."""

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.trunk(x)
        return out


def timm_vit(*, class_token: bool = True) -> nn.Module:
    """Return timm's ViT: 3 blocks, width 32, 4 x 4 patches."""
    torch.manual_seed(0)
    return Trunk(
        timm.models.vision_transformer.VisionTransformer(
            img_size=SIZE,
            patch_size=8,
            embed_dim=32,
            depth=3,
            num_heads=2,
            num_classes=16,
            class_token=class_token,
            global_pool="token" if class_token else "avg",
        )
    ).eval()


def context_trunk() -> nn.Module:
    """Return our own trunk: convolutional stages, then transformer blocks without a class token."""
    torch.manual_seed(0)
    return Trunk(ContextTrunk(width=32, depth=2, heads=2)).eval()


TRANSFORMERS = {
    "open_clip": open_clip_vit,
    "open_clip, tokens first": lambda: open_clip_vit(batch_first=False),
    "timm": timm_vit,
    "timm without a class token": lambda: timm_vit(class_token=False),
    "our trunk": context_trunk,
}


class Model(nn.Module):
    """Two towers and a linear head, under the names that every model here has."""

    def __init__(self, adapter: AdapterConfig) -> None:
        super().__init__()
        from usassist.core.models import adapt

        torch.manual_seed(0)
        vision = open_clip.CLIPVisionCfg(layers=3, width=32, head_width=16, patch_size=8, image_size=SIZE)
        text = open_clip.CLIPTextCfg(context_length=8, vocab_size=20, width=16, heads=2, layers=2)
        self.encoder = nn.Module()
        self.encoder.clip = open_clip.CLIP(16, vision, text)
        self.head = nn.Linear(16, 2)
        adapt.insert(self.encoder.clip.visual, adapter)
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.encoder.clip.visual(x))
        return out


def described(adapter: AdapterConfig, *, base: str = "") -> ModelConfig:
    """Return a model description with this adapter."""
    return ModelConfig("m", "M", EncoderConfig("ViT-B-16", (0, 1), base=base), adapter, HeadConfig())


def wake(model: nn.Module) -> None:
    """Give every adapter's last layer random weights, as if it had learned."""
    from usassist.core.models.lora import LowRank
    from usassist.core.models.mona import Mona

    torch.manual_seed(1)
    for module in model.modules():
        if isinstance(module, Mona):
            nn.init.normal_(module.up.weight, std=0.1)
        if isinstance(module, LowRank):
            nn.init.normal_(module.up, std=0.1)


def images(count: int = 2) -> Tensor:
    """Return random input images of the towers' size."""
    return torch.randn(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(2))
