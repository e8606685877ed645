"""CLIPSeg's decoder (Luddecke and Ecker 2022): a light transformer over three taps that follows a text or an image."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from usassist.core.errors import ModelError
from usassist.core.models.clip import ImageFeatures
from usassist.core.models.film import Film
from usassist.core.models.mask_head import PRESENCE_DROPOUT, MaskHead, Segmentation, channels_of

_HEADS = 4
_FEED_FORWARD = 2048
_UPSCALE = 4  # twice: one token becomes 16 x 16 pixels


class ClipSegHead(MaskHead):
    """From the deepest tap to the shallowest: reduce to `width`, add up, one post-norm transformer layer a level.

    The class tokens take part and are dropped in the end. The condition, an embedding that is not normalised, modulates
    the deepest level. `refined` upsamples 16 times by a convolution and two transposed ones, else by a single one.
    Taps of a convolutional trunk are averaged to the size of the deepest. Logits are 16 times that size.
    """

    def __init__(
        self,
        tap_channels: tuple[int, ...],
        *,
        condition: int,
        width: int = 64,
        refined: bool = True,
        dropout: float = 0.1,
        objects: int = 1,
        presence_dropout: float = PRESENCE_DROPOUT,
    ) -> None:
        """Raise ValueError where `width` is no multiple of the 4 attention heads."""
        super().__init__(objects, condition=condition, presence_dropout=presence_dropout)
        if width % _HEADS:
            raise ValueError(f"CLIPSeg's width is a multiple of {_HEADS}, found {width}; the publication has 64.")
        self.reduce = nn.ModuleList(nn.Linear(channels, width) for channels in reversed(tap_channels))
        self.film = Film(condition, width)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, _HEADS, _FEED_FORWARD, dropout, activation="relu", batch_first=True)
            for _ in tap_channels
        )
        self.up = _upsampler(width, channels_of(objects), refined=refined)
        self._add_confidence(deep=width, fine=width)

    def forward(self, features: ImageFeatures, condition: Tensor | None) -> Segmentation:
        if condition is None:
            condition = self.condition(None, None, batch=features.batch)
        height, width = features.taps[-1].shape[-2:]
        tokens: Tensor | None = None
        for index, (tap, reduce, layer) in enumerate(
            zip(reversed(_sequences(features)), self.reduce, self.layers, strict=True)
        ):
            level = reduce(tap)
            if index == 0:
                level = self.film(level.transpose(1, 2), condition).transpose(1, 2)
            tokens = layer(level if tokens is None else level + tokens)
        if tokens is None:
            raise ValueError("CLIPSeg's decoder needs at least one tap.")
        patches = tokens[:, -height * width :].transpose(1, 2).unflatten(2, (height, width))
        return self._judged(self.up(patches), fine=patches, deep=patches)


def _sequences(features: ImageFeatures) -> list[Tensor]:
    """Return the taps as tokens (B, P + h*w, C) at the size of the deepest, the P class tokens first."""
    size = (features.taps[-1].shape[-2], features.taps[-1].shape[-1])
    maps = [tap if tap.shape[-2:] == size else F.adaptive_avg_pool2d(tap, size) for tap in features.taps]
    tokens = [tap.flatten(2).transpose(1, 2) for tap in maps]
    if not features.prefix:
        return tokens
    return [torch.cat([prefix, tap], dim=1) for prefix, tap in zip(features.prefix, tokens, strict=True)]


def _upsampler(width: int, channels: int, *, refined: bool) -> nn.Module:
    if not refined:
        return nn.ConvTranspose2d(width, channels, _UPSCALE**2, stride=_UPSCALE**2)
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(width, width // 2, _UPSCALE, stride=_UPSCALE),
        nn.ReLU(),
        nn.ConvTranspose2d(width // 2, channels, _UPSCALE, stride=_UPSCALE),
    )


_HF_NAMES = (
    ("reduces.", "reduce."),
    ("film_mul.", "film.scale."),
    ("film_add.", "film.shift."),
    (".layer_norm", ".norm"),
    (".mlp.fc", ".linear"),
    ("transposed_convolution.", "up."),
)


def from_hf(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the decoder's tensors of a Hugging Face CLIPSeg under the names of `ClipSegHead`.

    `tensors` is the whole state dict, of which everything but `decoder.*` is left out, or the decoder's part without
    that prefix. Raises ModelError where a query, key or value projection lacks its siblings.
    """
    decoder = {name.removeprefix("decoder."): tensor for name, tensor in tensors.items() if name.startswith("decoder.")}
    found: dict[str, Tensor] = {}
    for name, tensor in (decoder or tensors).items():
        ours = name
        for theirs, our_part in _HF_NAMES:
            ours = ours.replace(theirs, our_part)
        # Their FiLM multiplies by its output, ours by 1 + its output: that is how ours starts as the identity.
        found[ours] = tensor - 1 if ours == "film.scale.bias" else tensor
    for name in [name for name in found if ".self_attn.q_proj." in name]:
        start, _, kind = name.partition(".q_proj.")
        try:
            parts = [found.pop(f"{start}.{part}_proj.{kind}") for part in "qkv"]
        except KeyError as error:
            raise ModelError(
                f"The CLIPSeg decoder lacks {error.args[0]}; the file is cut or of another kind."
            ) from error
        found[f"{start}.in_proj_{kind}"] = torch.cat(parts)
    return found


def load_hf_decoder(head: ClipSegHead, tensors: Mapping[str, Tensor]) -> None:
    """Fill a head with the decoder of a Hugging Face CLIPSeg; `tensors` as in `from_hf`.

    CLIPSeg judges neither presence nor quality: those outputs are set to 0 for every image until a training teaches
    them, so a description of such a model should take its presence from the peak of the mask (`Calibration` with
    `presence_scale` 0 and `presence_peak` 1). Raises ModelError where a tensor is missing, unexpected or of another
    shape.
    """
    theirs, own = from_hf(tensors), head.state_dict()
    needed = {name for name in own if not name.startswith(("presence.", "quality.", "null_condition"))}
    missing, unexpected = sorted(needed - theirs.keys()), sorted(theirs.keys() - needed)
    shapes = sorted(name for name in needed & theirs.keys() if own[name].shape != theirs[name].shape)
    if missing or unexpected or shapes:
        raise ModelError(
            f"The CLIPSeg decoder does not fit: {len(missing)} tensors missing, {len(unexpected)} unexpected, "
            f"{len(shapes)} of another shape, for instance {[*missing, *unexpected, *shapes][0]}; check the taps, the "
            f"width and whether the decoder is the refined one."
        )
    head.load_state_dict({**own, **theirs})
    for judge in (head.presence, head.quality):
        for parameter in judge[-1].parameters():
            nn.init.zeros_(parameter)
