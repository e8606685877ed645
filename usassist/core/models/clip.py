"""One wrapper around every CLIP, ours and open_clip's: pooled embedding, feature taps, text embedding."""

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from usassist.core.errors import ModelError
from usassist.core.models import adapt, base, clip_settings, torchvision_ops, vit
from usassist.core.models.config import AdapterConfig, EncoderConfig
from usassist.core.models.tokens import Tokenizer, build_tokenizer

# open_clip and timm check little: a wrong setting makes them trip over anything of these.
_WRONG_SETTINGS = (
    *(ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, MemoryError, NotImplementedError),
    *(OSError, RuntimeError, TypeError, ValueError),
)
_RESNET_STAGES = 5
_SMALLEST_IMAGE = 16  # as a model's description allows


class ImageFeatures:
    """What the image tower saw: `embedding` (B, D), not normalised, and maps (B, C, h, w) from shallow to deep.

    `prefix` holds the class tokens (B, P, C) that stood beside each map's tokens; it is empty where the trunk has none.
    The embedding may be given as a function: then the blocks behind the last tap run when it is first asked for, which
    masks never do.
    """

    def __init__(
        self, embedding: Tensor | Callable[[], Tensor], taps: tuple[Tensor, ...], prefix: tuple[Tensor, ...] = ()
    ) -> None:
        self.taps = taps
        self.prefix = prefix
        self._embedding = embedding

    @property
    def embedding(self) -> Tensor:
        if not isinstance(self._embedding, Tensor):
            self._embedding = self._embedding()
        return self._embedding

    @property
    def batch(self) -> int:
        """Return how many images these are."""
        return self.taps[0].shape[0]

    def take(self, places: Tensor) -> "ImageFeatures":
        """Return the features of the images at some places (N,) int64."""
        return ImageFeatures(
            lambda: self.embedding[places],
            tuple(tap[places] for tap in self.taps),
            tuple(tokens[places] for tokens in self.prefix),
        )

    def and_those_of(self, other: "ImageFeatures") -> "ImageFeatures":
        """Return the features of these images and, behind them, of some others."""
        return ImageFeatures(
            lambda: torch.cat([self.embedding, other.embedding]),
            tuple(torch.cat(both) for both in zip(self.taps, other.taps, strict=True)),
            tuple(torch.cat(both) for both in zip(self.prefix, other.prefix, strict=True)),
        )

    def expand(self, batch: int) -> "ImageFeatures":
        """Repeat one image's features for several prompts."""
        return ImageFeatures(
            lambda: self.embedding.expand(batch, -1),
            tuple(tap.expand(batch, -1, -1, -1) for tap in self.taps),
            tuple(tokens.expand(batch, -1, -1) for tokens in self.prefix),
        )


class ClipEncoder(nn.Module):
    """A CLIP with taps into its image tower.

    `tap_channels` lists the channels of the taps, shallow to deep; `width` is the size of the shared embedding;
    `prefix_tokens` how many class tokens stand beside a map.
    """

    def __init__(self, clip: nn.Module, tokenizer: Tokenizer, *, taps: tuple[int, ...], image_size: int) -> None:
        """Take over an open_clip model; of a tower we did not build, one black image is encoded to learn the sizes."""
        super().__init__()
        self.clip = clip
        self.tokenizer = tokenizer
        self._taps = sorted(set(taps))
        self.prefix_tokens = count_prefix_tokens(clip.visual)  # type: ignore[arg-type]
        self.eval()
        self.tap_channels, self.width = _said_sizes(clip.visual, self._taps) or self._probed_sizes(image_size)

    def _probed_sizes(self, image_size: int) -> tuple[tuple[int, ...], int]:
        with torch.no_grad():
            probe = self.image(torch.zeros(1, 3, image_size, image_size))
        return tuple(int(tap.shape[1]) for tap in probe.taps), int(probe.embedding.shape[1])

    def image(self, x: Tensor) -> ImageFeatures:
        """Encode preprocessed images (B, 3, H, W) float32; gives (B, D) and one map (B, C, h, w) a tap."""
        visual: Any = self.clip.visual
        if hasattr(visual, "attnpool"):  # a ResNet of open_clip's stops at the last tap, and pools what it has there
            out = visual.forward_intermediates(x, indices=list(range(_RESNET_STAGES)))
            maps = tuple(out["image_intermediates"][tap] for tap in self._taps)
            return ImageFeatures(out["image_features"], maps)
        early = vit.has_more_blocks(visual, self._taps[-1])
        out = visual.forward_intermediates(
            *(x, self._taps),
            stop_early=early,
            intermediates_only=early,
            output_fmt="NCHW",
            output_extra_tokens=self.prefix_tokens > 0,
        )
        maps, prefix = tuple(out["image_intermediates"]), tuple(out.get("image_intermediates_prefix") or ())
        if not early:
            return ImageFeatures(out["image_features"], maps, prefix)
        return ImageFeatures(lambda: vit.embedding_after(visual, self._taps[-1], maps[-1], prefix[-1:]), maps, prefix)

    def text(self, ids: Tensor) -> Tensor:
        """Encode token ids (B, context_length) int64; returns (B, D) float32, not normalised."""
        out: Tensor = self.clip.encode_text(ids)  # type: ignore[operator]
        return out

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device


def _said_sizes(visual: Any, taps: Sequence[int]) -> tuple[tuple[int, ...], int] | None:
    """Return the channels of the taps and the width of the embedding where the trunk, one of ours, says them.

    That saves a frame's time, and more at the first call of each operator, whenever a model is loaded.
    """
    channels = getattr(getattr(visual, "trunk", None), "channels", None)
    projection = getattr(getattr(visual, "head", None), "proj", None)
    if not isinstance(channels, tuple) or not isinstance(projection, nn.Linear):
        return None
    return tuple(channels[tap] for tap in taps), projection.out_features


def count_prefix_tokens(visual: nn.Module) -> int:
    """Return how many class (and register) tokens stand before the patch tokens of an image tower."""
    trunk = getattr(visual, "trunk", None)
    if trunk is not None:
        return int(getattr(trunk, "num_prefix_tokens", 0))
    return 1 if hasattr(visual, "class_embedding") else 0


def build_encoder(
    config: EncoderConfig, adapter: AdapterConfig, *, folder: Path | None, image_size: int
) -> ClipEncoder:
    """Build the two towers, fill them from the base where `config` names one, and put adapters into the image tower.

    Without a base the weights are random. `folder` is where the model's own open_clip configuration and vocabulary lie
    beside its weights; the base's folder and the shipped ones are looked into too. Nothing is ever downloaded. Raises
    ModelError for a configuration nobody has, for one that cannot be built, and for a base that is not there.
    """
    found = base.find(config, beside=folder) if config.base else None
    folders = (folder, found.folder if found is not None else None)
    settings = clip_settings.settings_of(config.open_clip, *folders)
    try:
        clip = build_clip(settings, image_size=image_size)
        tokenizer = build_tokenizer(config.vocabulary, settings["text_cfg"], folders=folders)
        _require_fit(clip.visual, config, image_size=image_size)
        if found is not None:
            base.fill_towers(clip, found)
        adapt.insert(clip.visual, adapter)  # type: ignore[arg-type]
        return ClipEncoder(clip, tokenizer, taps=config.taps, image_size=image_size)
    except _WRONG_SETTINGS as error:
        raise ModelError(
            f"The encoder {config.open_clip!r} cannot be built at {image_size} x {image_size} pixels with the taps "
            f"{list(config.taps)}: {_reason(error)}. Check the model's description, or the recipe's [encoder] and "
            f"[preprocess]."
        ) from error


def _reason(error: Exception) -> str:
    """Return what went wrong; a single word, such as a missing key, says nothing without the kind of error."""
    words = " ".join(str(error).split())
    return words if " " in words else f"{type(error).__name__} {words}".rstrip()


def _require_fit(visual: Any, config: EncoderConfig, *, image_size: int) -> None:
    """Refuse a size that patches do not divide, whose rest the tower would cut off in silence, and taps it has not."""
    patch = vit.patch_size(visual)
    if image_size % patch:
        below = image_size // patch * patch
        nearest = " and ".join(str(size) for size in (below, below + patch) if size >= _SMALLEST_IMAGE)
        raise ModelError(
            f"The encoder {config.open_clip!r} sees patches of {patch} x {patch} pixels, which do not divide "
            f"preprocess.size {image_size}: the rest would be cut off. The nearest sizes that work are {nearest}."
        )
    count = _RESNET_STAGES if hasattr(visual, "attnpool") else vit.count_maps(visual)
    beyond = sorted({tap for tap in config.taps if tap >= count}) if count is not None else []
    if beyond:
        raise ModelError(
            f"The encoder {config.open_clip!r} has {count} maps to read, 0 to {int(count or 0) - 1}, but encoder.taps "
            f"names {', '.join(map(str, beyond))}. Choose among those."
        )


def build_clip(settings: dict[str, Any], *, image_size: int) -> nn.Module:
    """Build the model of open_clip's settings with random weights, its image tower for square images of that size.

    Those of our own trunks are built without open_clip. A text tower of the transformers package is built from its
    sizes alone. Raises ModelError for what is not built here, and whatever open_clip and timm trip over for settings
    that are wrong.
    """
    from usassist.core.models import small_clip, trunks

    if small_clip.fits(settings):
        return small_clip.build(settings)
    if "multimodal_cfg" in settings:
        raise ModelError("The encoder is a CoCa, which also writes texts; it cannot be built here. Choose a CLIP.")
    torchvision_ops.prepare()
    import open_clip

    trunks.register_with_timm()
    parts = deepcopy(settings)
    custom_text = bool(parts.pop("custom_text", False))
    vision, text = parts["vision_cfg"], parts["text_cfg"]
    vision["image_size"], vision["timm_model_pretrained"] = image_size, False
    with _quiet_root_logger():
        if clip_settings.has_bert(settings):
            clip = _with_bert(parts)
        else:
            text.pop("hf_tokenizer_name", None)
            clip = (open_clip.CustomTextCLIP if custom_text else open_clip.CLIP)(**parts)
        visual: Any = clip.visual
        if hasattr(getattr(visual, "trunk", None), "set_input_size"):  # a timm ViT is built at its own size
            visual.set_input_size(image_size)
    return clip


def _with_bert(parts: dict[str, Any]) -> nn.Module:
    import open_clip

    from usassist.core.models.bert_text import BertText

    text = BertText(parts["text_cfg"], embedding=parts["embed_dim"])
    stand_in = {"context_length": 4, "vocab_size": 8, "width": 8, "heads": 1, "layers": 1}
    clip: nn.Module = open_clip.CustomTextCLIP(**parts | {"text_cfg": stand_in})
    clip.text, clip.context_length, clip.vocab_size = text, text.context_length, text.vocab_size  # type: ignore[assignment]
    return clip


@contextlib.contextmanager
def _quiet_root_logger() -> Iterator[None]:
    """Keep open_clip's and timm's words about random weights off stderr: some log to the root logger."""
    root, silent = logging.getLogger(), logging.NullHandler()
    level = root.level
    root.addHandler(silent)
    root.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(silent)
