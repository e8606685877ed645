"""One wrapper around every CLIP that open_clip can build: pooled embedding, feature taps, text embedding."""

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from usassist.core.errors import ModelError
from usassist.core.models import clip_settings, torchvision_ops
from usassist.core.models.config import AdapterConfig, EncoderConfig
from usassist.core.models.mona import AdaptedBlock, Mona
from usassist.core.models.tokens import CompactTokenizer, Tokenizer

# open_clip and timm check little: a wrong setting makes them trip over anything of these.
_WRONG_SETTINGS = (
    *(ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, MemoryError, NotImplementedError),
    *(OSError, RuntimeError, TypeError, ValueError),
)


@dataclass(frozen=True)
class ImageFeatures:
    """What the image tower saw: `embedding` (B, D), and maps (B, C, h, w) from shallow to deep."""

    embedding: Tensor
    taps: tuple[Tensor, ...]

    def expand(self, batch: int) -> "ImageFeatures":
        """Repeat one image's features for several prompts."""
        return ImageFeatures(
            self.embedding.expand(batch, -1), tuple(tap.expand(batch, -1, -1, -1) for tap in self.taps)
        )


class ClipEncoder(nn.Module):
    """An open_clip model with taps into its image tower.

    `tap_channels` lists the channels of the taps, shallow to deep; `width` is the size of the shared embedding.
    """

    def __init__(self, clip: nn.Module, tokenizer: Tokenizer, *, taps: tuple[int, ...], image_size: int) -> None:
        """Take over an open_clip model; one black image of image_size x image_size is encoded to learn the sizes."""
        super().__init__()
        self.clip = clip
        self.tokenizer = tokenizer
        self._taps = list(taps)
        self.eval()
        with torch.no_grad():
            probe = self.image(torch.zeros(1, 3, image_size, image_size))
        self.tap_channels = tuple(int(tap.shape[1]) for tap in probe.taps)
        self.width = int(probe.embedding.shape[1])

    def image(self, x: Tensor) -> ImageFeatures:
        """Encode preprocessed images (B, 3, H, W) float32; gives (B, D) and one map (B, C, h, w) a tap."""
        out = self.clip.visual.forward_intermediates(x, indices=self._taps, output_fmt="NCHW")  # type: ignore[operator,union-attr]
        return ImageFeatures(out["image_features"], tuple(out["image_intermediates"]))

    def text(self, ids: Tensor) -> Tensor:
        """Encode token ids (B, context_length) int64; returns (B, D) float32, not normalised."""
        out: Tensor = self.clip.encode_text(ids)  # type: ignore[operator]
        return out

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device


def build_encoder(
    config: EncoderConfig, adapter: AdapterConfig, *, folder: Path | None, image_size: int
) -> ClipEncoder:
    """Build the two towers with random weights and put adapters into the image tower.

    `folder` is where the model's own open_clip configuration lies beside its weights; None looks among the shipped
    ones. Nothing is downloaded for the towers. Raises ModelError for a configuration nobody has, and for one that
    cannot be built.
    """
    torchvision_ops.prepare()
    import open_clip

    from usassist.core.models import trunk  # noqa: F401  # registers our trunk with timm

    settings = _register(config.open_clip, folder)
    try:
        with _quiet_root_logger():
            clip = open_clip.create_model(config.open_clip, pretrained=None, pretrained_text=False, device="cpu")
        if adapter.kind == "mona":
            insert_mona(clip.visual, bottleneck=adapter.bottleneck, dropout=adapter.dropout)
        tokenizer = _tokenizer(config, settings["text_cfg"])
        return ClipEncoder(clip, tokenizer, taps=config.taps, image_size=image_size)
    except _WRONG_SETTINGS as error:
        raise ModelError(
            f"The encoder {config.open_clip!r} cannot be built at {image_size} x {image_size} pixels with the taps "
            f"{list(config.taps)} ({type(error).__name__}: {error}); check the model's description."
        ) from error


def _tokenizer(config: EncoderConfig, text: dict[str, Any]) -> Tokenizer:
    if not config.vocabulary:
        import open_clip

        tokenizer: Tokenizer = open_clip.get_tokenizer(config.open_clip)
        return tokenizer
    return CompactTokenizer(
        config.vocabulary, vocab_size=text["vocab_size"], context_length=text.get("context_length", 77)
    )


@contextlib.contextmanager
def _quiet_root_logger() -> Iterator[None]:
    """Keep open_clip's words about random weights off stderr: it logs to the root logger, and ours are filled next."""
    root, silent = logging.getLogger(), logging.NullHandler()
    level = root.level
    root.addHandler(silent)
    root.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(silent)


def _register(name: str, folder: Path | None) -> dict[str, Any]:
    """Make open_clip know the configuration; return its settings."""
    import open_clip

    path = clip_settings.find(name, folder)
    if path is not None:
        settings = clip_settings.read(path)
        open_clip.add_model_config(path)
        return settings
    known = open_clip.get_model_config(name)
    if known is None:
        raise ModelError(
            f"No open_clip configuration is called {name!r}; put {name}.json beside the model's weights, or name "
            f"one of open_clip's, for instance ViT-B-16."
        )
    return clip_settings.checked(dict(known), where=f"The open_clip configuration {name}")


def insert_mona(visual: nn.Module, *, bottleneck: int, dropout: float) -> int:
    """Put a Mona adapter behind every transformer block of an image tower; returns how many.

    Knows open_clip's own ViT (`transformer.resblocks`) and timm trunks with `blocks`. Raises ModelError where there
    is no transformer block.
    """
    holder = getattr(visual, "transformer", None) or getattr(visual, "trunk", None)
    name = "resblocks" if hasattr(holder, "resblocks") else "blocks"
    blocks = getattr(holder, name, None)
    if blocks is None or len(blocks) == 0:
        raise ModelError("The image tower has no transformer blocks to adapt; choose the adapter kind 'none'.")
    batch_first = bool(getattr(holder, "batch_first", True))
    width = int(next(p for p in blocks[0].parameters() if p.ndim == 1).shape[0])
    adapted = [
        AdaptedBlock(block, Mona(width, bottleneck=bottleneck, dropout=dropout), batch_first=batch_first)
        for block in blocks
    ]
    # open_clip's transformer walks a ModuleList, timm's ViT may hold a Sequential: both keep their type.
    setattr(holder, name, type(blocks)(*adapted) if isinstance(blocks, nn.Sequential) else nn.ModuleList(adapted))
    return len(adapted)
