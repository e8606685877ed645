"""The only place where a configuration meets classes: encoder x adapter x head."""

from pathlib import Path

from usassist.core.errors import ModelError
from usassist.core.models.clip import build_encoder
from usassist.core.models.config import ModelConfig
from usassist.core.models.decoder import FilmSkipDecoder
from usassist.core.models.segmenter import Segmenter

_HEADS = {"film_skip": FilmSkipDecoder}


def build_segmenter(config: ModelConfig, *, folder: Path | None = None) -> Segmenter:
    """Build a segmenter with random weights. `folder` is where its open_clip configuration lies. Raises ModelError."""
    encoder = build_encoder(config.encoder, config.adapter, folder=folder, image_size=config.preprocess.size)
    head_class = _HEADS.get(config.head.kind)
    if head_class is None:
        raise ModelError(f"There is no head {config.head.kind!r}; the heads are {', '.join(_HEADS)}.")
    try:
        head = head_class(encoder.tap_channels, condition=encoder.width, widths=config.head.widths)
    except ValueError as error:
        raise ModelError(f"{config.name}: {error}") from error
    return Segmenter(encoder, head, config)
