"""A CLIP on one of our own trunks, built here: importing open_clip and timm takes longer than loading the weights.

Names, shapes, answers and the random start are those of open_clip's CLIP with the same settings, so that the tensors of
either fit the other. What `fits` does not know is open_clip's.
"""

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from usassist.core.models.trunks import TRUNKS

# What may be set, and to what; None stands for any value.
_PLAIN = {"embed_dim": None, "vision_cfg": None, "text_cfg": None, "quick_gelu": False, "custom_text": False}
_VISION = {
    "image_size": None,
    "timm_model_name": None,
    "timm_model_pretrained": False,
    "timm_pool": "",
    "timm_proj": "linear",
}
_FIRST_SCALE = math.log(1 / 0.07)


@dataclass(frozen=True)
class TextSettings:
    """The settings of a text tower, by open_clip's names and with its defaults."""

    context_length: int = 77
    vocab_size: int = 49408
    width: int = 512
    heads: int = 8
    layers: int = 12


def fits(settings: Mapping[str, Any]) -> bool:
    """Return whether a configuration is of a trunk of ours and says nothing that is not built here."""
    vision, text = settings["vision_cfg"], settings["text_cfg"]
    known = {field.name for field in fields(TextSettings)}
    return (
        vision.get("timm_model_name") in TRUNKS
        and text.keys() <= known
        and _says_only(settings, _PLAIN)
        and _says_only(vision, _VISION)
    )


def _says_only(section: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """Return whether all keys are known, and those with a value to be have it."""
    return all(key in known and known[key] in (None, value) for key, value in section.items())


def build(settings: Mapping[str, Any]) -> "SmallClip":
    """Build the CLIP of a configuration that `fits`, with random weights."""
    trunk = TRUNKS[settings["vision_cfg"]["timm_model_name"]]()
    return SmallClip(trunk, TextSettings(**settings["text_cfg"]), embedding=settings["embed_dim"])


class ImageTower(nn.Module):
    """A trunk and the linear projection of its pooled features, as open_clip wraps a trunk of timm's."""

    def __init__(self, trunk: Any, *, embedding: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = nn.Sequential(OrderedDict(proj=nn.Linear(trunk.num_features, embedding, bias=False)))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.trunk(x))
        return out

    def forward_intermediates(self, x: Tensor, indices: Sequence[int], **options: object) -> dict[str, Any]:
        """Return the maps that `indices` names and the embedding, by open_clip's names for them."""
        deepest, maps = self.trunk.forward_intermediates(x, indices=indices)
        return {"image_intermediates": maps, "image_features": self.head(self.trunk.forward_head(deepest))}


class TextBlock(nn.Module):
    """CLIP's pre-norm transformer block; a token sees itself and those before it."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            OrderedDict(c_fc=nn.Linear(width, 4 * width), gelu=nn.GELU(), c_proj=nn.Linear(4 * width, width))
        )

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        normed = self.ln_1(x)
        x = x + self.attn(normed, normed, normed, need_weights=False, attn_mask=mask)[0]
        out: Tensor = x + self.mlp(self.ln_2(x))
        return out


class TextBlocks(nn.Module):
    """The blocks of a text tower, one behind the other."""

    def __init__(self, settings: TextSettings) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(TextBlock(settings.width, settings.heads) for _ in range(settings.layers))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        for block in self.resblocks:
            x = block(x, mask)
        return x


class SmallClip(nn.Module):
    """Two towers that share an embedding; the text tower pools at the largest id, which is the end token.

    `logit_scale` is the logarithm of the factor on cosines.
    """

    attn_mask: Tensor

    def __init__(self, trunk: nn.Module, settings: TextSettings, *, embedding: int) -> None:
        super().__init__()
        width, length = settings.width, settings.context_length
        self.visual = ImageTower(trunk, embedding=embedding)
        # torch draws random numbers where a layer is made, and lists what it holds in the order in which it was given.
        words = nn.Embedding(settings.vocab_size, width)
        self.transformer = TextBlocks(settings)
        self.token_embedding = words
        self.positional_embedding = nn.Parameter(torch.empty(length, width))
        self.ln_final = nn.LayerNorm(width)
        self.text_projection = nn.Parameter(torch.empty(width, embedding))
        self.register_buffer("attn_mask", torch.full((length, length), -math.inf).triu_(1), persistent=False)
        self.logit_scale = nn.Parameter(torch.tensor(_FIRST_SCALE))
        self._start(width, settings.layers)

    def _start(self, width: int, layers: int) -> None:
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        nn.init.normal_(self.positional_embedding, std=0.01)
        out = width**-0.5 * (2 * layers) ** -0.5
        spread = {"attn.in_proj_weight": width**-0.5, "attn.out_proj.weight": out}
        spread |= {"mlp.c_fc.weight": (2 * width) ** -0.5, "mlp.c_proj.weight": out}
        for block in self.transformer.resblocks:
            for name, std in spread.items():
                nn.init.normal_(block.get_parameter(name), std=std)
        nn.init.normal_(self.text_projection, std=width**-0.5)

    def encode_image(self, image: Tensor) -> Tensor:
        """Return the embeddings (B, D) of images (B, 3, H, W), not normalised."""
        out: Tensor = self.visual(image)
        return out

    def encode_text(self, text: Tensor) -> Tensor:
        """Return the embeddings (B, D) of token ids (B, context_length) int64, not normalised."""
        x = self.token_embedding(text) + self.positional_embedding
        x = self.ln_final(self.transformer(x, self.attn_mask))
        ends = x[torch.arange(len(x), device=x.device), text.argmax(dim=-1)]
        return ends @ self.text_projection
