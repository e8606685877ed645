"""CLIP + Mona + pyramid head as published, written the straightforward way: what clip_mona_step.py measures against.

NextGen-UIA's first version (arXiv 2506.08849) in float32: tokens before batch, CLS cut off and put back around every
adapter, three convolutions an adapter, 512 channels enlarged to the image before the 1x1 convolution, all blocks run
though the last taps come before them, PIL for augmentation. Two things differ from the publication so that it computes
the same function as ours: the two adapters of a block are separate, and the class token is not doubled.

Import it after `torchvision_ops.prepare()`: it imports open_clip.
"""

import random

import numpy as np
import torch
from open_clip.transformer import TextTransformer
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from torch import Tensor, nn
from torch.nn import functional as F

SIZE, PATCH, WIDTH, HEADS, LAYERS, TAPS = 224, 16, 768, 12, 12, (3, 6, 9)
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


class QuickGELU(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


class PublishedMona(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((WIDTH,), 1e-6))
        self.gammax = nn.Parameter(torch.ones(WIDTH))
        self.norm = nn.LayerNorm(WIDTH)
        self.down = nn.Linear(WIDTH, 64)
        self.conv3 = nn.Conv2d(64, 64, 3, padding=1, groups=64)
        self.conv5 = nn.Conv2d(64, 64, 5, padding=2, groups=64)
        self.conv7 = nn.Conv2d(64, 64, 7, padding=3, groups=64)
        self.mix = nn.Conv2d(64, 64, 1)
        self.dropout = nn.Dropout(0.1)
        self.up = nn.Linear(64, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """Adapt (tokens, batch, width)."""
        cls, patches = x[:1], x[1:].permute(1, 0, 2)
        side = int(patches.shape[1] ** 0.5)
        u = self.norm(patches) * self.gamma + patches * self.gammax
        d = self.down(u).permute(0, 2, 1).reshape(-1, 64, side, side)
        m = (self.conv3(d) + self.conv5(d) + self.conv7(d)) / 3.0 + d
        p = m + self.mix(m)
        p = p.reshape(p.shape[0], 64, -1).permute(0, 2, 1)
        out = patches + self.up(self.dropout(F.gelu(p)))
        return torch.cat([cls, out.permute(1, 0, 2)], dim=0)


class PublishedBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attn = nn.MultiheadAttention(WIDTH, HEADS)
        self.mlp = nn.Sequential()
        self.mlp.add_module("c_fc", nn.Linear(WIDTH, 4 * WIDTH))
        self.mlp.add_module("gelu", QuickGELU())
        self.mlp.add_module("c_proj", nn.Linear(4 * WIDTH, WIDTH))
        self.mona_1, self.mona_2 = PublishedMona(), PublishedMona()

    def forward(self, x: Tensor) -> Tensor:
        normed = self.ln_1(x)
        x = self.mona_1(x + self.attn(normed, normed, normed, need_weights=False)[0])
        return self.mona_2(x + self.mlp(self.ln_2(x)))


class PublishedModel(nn.Module):
    """Image tower and head; only adapters and head learn. The text tower is held, as there, and never run."""

    def __init__(self) -> None:
        super().__init__()
        self.text = TextTransformer(context_length=77, vocab_size=49408, width=512, heads=8, layers=12, output_dim=512)
        self.conv1 = nn.Conv2d(3, WIDTH, PATCH, stride=PATCH, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(WIDTH))
        self.positional_embedding = nn.Parameter(torch.randn((SIZE // PATCH) ** 2 + 1, WIDTH))
        self.ln_pre, self.ln_post = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.resblocks = nn.ModuleList(PublishedBlock() for _ in range(LAYERS))
        self.proj = nn.Parameter(torch.randn(WIDTH, 512))
        self.reduces = nn.ModuleList(nn.Linear(WIDTH, 512) for _ in TAPS)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(512), nn.Linear(512, 512), nn.GELU(), nn.Linear(512, 512)) for _ in TAPS
        )
        self.seg_head = nn.Conv2d(512, 2, 1)
        for name, parameter in self.named_parameters():
            parameter.requires_grad_("mona" in name or name.startswith(("reduces", "blocks.", "seg_head")))

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (B, 2, 224, 224) of images (B, 3, 224, 224)."""
        x = self.conv1(image).flatten(2).permute(0, 2, 1)
        cls = self.class_embedding + torch.zeros(x.shape[0], 1, WIDTH)
        x = self.ln_pre(torch.cat([cls, x], dim=1) + self.positional_embedding)
        x = x.permute(1, 0, 2)
        taps = []
        for number, block in enumerate(self.resblocks):
            x = block(x)
            if number in TAPS:
                taps.append(x[1:].permute(1, 0, 2))
        _embedding = self.ln_post(x[0]) @ self.proj
        a: Tensor | None = None
        for tap, reduce, block in zip(reversed(taps), self.reduces, self.blocks, strict=True):
            level = reduce(tap)
            a = block(level if a is None else level + a)
        assert a is not None
        grid = a.permute(0, 2, 1).reshape(a.shape[0], 512, SIZE // PATCH, SIZE // PATCH)
        large = F.interpolate(grid, size=(SIZE, SIZE), mode="bilinear", align_corners=False)
        return self.seg_head(large)


def names_of(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of our model under the names that PublishedModel gives them."""
    renamed = {}
    for full, tensor in state.items():
        name = full
        for ours, theirs in (
            ("encoder.clip.visual.transformer.", ""),
            ("encoder.clip.visual.", ""),
            (".block.", "."),
            ("attention_adapter", "mona_1"),
            ("mlp_adapter", "mona_2"),
            ("head.fuse.reduce.", "reduces."),
            ("head.fuse.blocks.", "blocks."),
            ("head.mask.", "seg_head."),
        ):
            name = name.replace(ours, theirs)
        if not name.startswith(("encoder.", "head.")):
            renamed[name] = tensor
    return renamed


def dice_ce(logits: Tensor, target: Tensor) -> Tensor:
    """Return MONAI's DiceCELoss(softmax, squared_pred, smooth 1e-8) of logits (B, 2, H, W) and an index (B, H, W)."""
    probability = logits.softmax(1)
    truth = F.one_hot(target, 2).permute(0, 3, 1, 2).float()
    overlap = (probability * truth).sum((2, 3))
    total = (probability**2).sum((2, 3)) + (truth**2).sum((2, 3))
    dice = 1 - (2 * overlap + 1e-8) / (total + 1e-8)
    return dice.mean() + F.cross_entropy(logits, target)


_STRONG = (
    "identity",
    "autocontrast",
    "equalize",
    "blur",
    "contrast",
    "brightness",
    "sharpness",
    "posterize",
    "solarize",
)
_WEAK = ("crop", "hflip", "vflip", "identity")


def augment(image: Image.Image, mask: Image.Image, rng: random.Random) -> tuple[Image.Image, Image.Image]:
    """Apply the published weak and strong operations to an RGB image and its mask, both 224 x 224, half of the time."""
    if rng.random() < 0.5:
        return image, mask
    for _ in range(rng.randint(0, 9)):
        image = _strong(image, rng.choice(_STRONG), rng)
    for _ in range(rng.randint(0, 4)):
        image, mask = _weak(image, mask, rng.choice(_WEAK), rng)
    return image, mask


def _strong(image: Image.Image, name: str, rng: random.Random) -> Image.Image:
    if name == "autocontrast":
        return ImageOps.autocontrast(image)
    if name == "equalize":
        return ImageOps.equalize(image)
    if name == "blur":
        return image.filter(ImageFilter.GaussianBlur(rng.uniform(0.75, 1.25)))
    if name in ("contrast", "brightness", "sharpness"):
        enhancer = {"contrast": ImageEnhance.Contrast, "brightness": ImageEnhance.Brightness}
        return enhancer.get(name, ImageEnhance.Sharpness)(image).enhance(rng.uniform(0.75, 1.25))
    if name == "posterize":
        return ImageOps.posterize(image, rng.randint(4, 8))
    return ImageOps.solarize(image, rng.randint(1, 255)) if name == "solarize" else image


def _weak(image: Image.Image, mask: Image.Image, name: str, rng: random.Random) -> tuple[Image.Image, Image.Image]:
    if name == "crop":
        side = int(SIZE * min(1.0, rng.uniform(0.8, 1.2) ** 0.5))
        left, top = rng.randint(0, SIZE - side), rng.randint(0, SIZE - side)
        box = (left, top, left + side, top + side)
        return image.resize((SIZE, SIZE), Image.Resampling.BICUBIC, box), mask.resize((SIZE, SIZE), 0, box)
    if name == "identity":
        return image, mask
    return (
        (ImageOps.mirror(image), ImageOps.mirror(mask))
        if name == "hflip"
        else (ImageOps.flip(image), ImageOps.flip(mask))
    )


def prepare(grey: np.ndarray, mask: np.ndarray, rng: random.Random, *, train: bool) -> tuple[Tensor, Tensor]:
    """Return the input (3, 224, 224) and the index (224, 224) of a grey image and its mask, both HxW."""
    image = Image.fromarray(grey).convert("L").resize((SIZE, SIZE), Image.Resampling.BICUBIC).convert("RGB")
    truth = Image.fromarray(mask.astype(np.uint8) * 255).resize((SIZE, SIZE), Image.Resampling.NEAREST)
    if train:
        image, truth = augment(image, truth, rng)
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    return (pixels - mean) / std, torch.from_numpy(np.array(truth) > 127).long()
