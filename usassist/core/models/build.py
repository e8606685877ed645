"""The only place where a configuration meets classes: encoder x adapter x head."""

from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

from usassist.core.errors import ModelError
from usassist.core.models.classifier import Classifier
from usassist.core.models.clip import ClipEncoder, build_encoder
from usassist.core.models.clipseg import ClipSegHead
from usassist.core.models.config import ModelConfig
from usassist.core.models.decoder import FilmSkipDecoder
from usassist.core.models.embedder import Embedder
from usassist.core.models.mask_head import MaskHead
from usassist.core.models.pooled import PooledHead
from usassist.core.models.promptable import PromptableDecoder
from usassist.core.models.pyramid import PyramidHead
from usassist.core.models.segmenter import Segmenter
from usassist.core.models.unet import UNetHead

Model = Segmenter | Classifier | Embedder


class _Shared(TypedDict):
    objects: int
    presence_dropout: float


def build_model(config: ModelConfig, *, folder: Path | None = None) -> Model:
    """Build the model a configuration describes, its heads and adapters with random weights.

    `folder` is where its open_clip configuration lies. The towers are those of `config.encoder.base` where it names
    one. Raises ModelError for parts that do not go together.
    """
    _require_fit(config)
    encoder = build_encoder(config.encoder, config.adapter, folder=folder, image_size=config.preprocess.size)
    try:
        if config.task == "segment":
            return Segmenter(encoder, _MASK_HEADS[config.head.kind](encoder, config), config)
        if config.task == "classify":
            return Classifier(encoder, _pooled(encoder, config), config)
    except ValueError as error:
        raise ModelError(f"{config.name}: {error}") from error
    return Embedder(encoder, config)


def build_segmenter(config: ModelConfig, *, folder: Path | None = None) -> Segmenter:
    """Build a segmenter as `build_model` does. Raises ModelError too where the model answers with something else."""
    if config.task != "segment":
        raise ModelError(f"{config.name} is a model for {_TASKS[config.task]}; masks need one with the task 'segment'.")
    model = build_model(config, folder=folder)
    if not isinstance(model, Segmenter):  # for the type checker: the task says so
        raise ModelError(f"{config.name} has no head for masks.")
    return model


def _film_skip(encoder: ClipEncoder, config: ModelConfig) -> MaskHead:
    head = config.head
    return FilmSkipDecoder(encoder.tap_channels, condition=encoder.width, widths=head.widths, **_shared(config))


def _promptable(encoder: ClipEncoder, config: ModelConfig) -> MaskHead:
    head = config.head
    return PromptableDecoder(
        encoder.tap_channels,
        condition=encoder.width,
        widths=head.widths,
        dropout=head.dropout,
        **_shared(config),
    )


def _unet(encoder: ClipEncoder, config: ModelConfig) -> MaskHead:
    return UNetHead(encoder.tap_channels, widths=config.head.widths, **_shared(config))


def _pyramid(encoder: ClipEncoder, config: ModelConfig) -> MaskHead:
    head = config.head
    return PyramidHead(
        encoder.tap_channels,
        width=head.width,
        fusion=head.fusion,
        size=config.preprocess.size,
        **_shared(config),
    )


def _clipseg(encoder: ClipEncoder, config: ModelConfig) -> MaskHead:
    head = config.head
    return ClipSegHead(
        encoder.tap_channels,
        condition=encoder.width,
        width=head.width,
        refined=head.refined,
        dropout=head.dropout,
        **_shared(config),
    )


def _pooled(encoder: ClipEncoder, config: ModelConfig) -> PooledHead:
    head = config.head
    return PooledHead(
        encoder.tap_channels,
        classes=len(config.classes),
        width=head.width,
        fusion=head.fusion,
        hidden=head.hidden,
        dropout=head.dropout,
    )


_MASK_HEADS: dict[str, Callable[[ClipEncoder, ModelConfig], MaskHead]] = {
    "film_skip": _film_skip,
    "promptable": _promptable,
    "unet": _unet,
    "pyramid": _pyramid,
    "clipseg": _clipseg,
}
_HEADS_OF_TASK = {"segment": tuple(_MASK_HEADS), "classify": ("pooled",), "embed": ("none",)}
_TASKS = {"segment": "masks", "classify": "classes", "embed": "embeddings only"}


def _shared(config: ModelConfig) -> _Shared:
    """Return what every head for masks takes."""
    return {"objects": max(1, len(config.classes)), "presence_dropout": config.head.presence_dropout}


def _require_fit(config: ModelConfig) -> None:
    fitting = _HEADS_OF_TASK[config.task]
    known = [kind for kinds in _HEADS_OF_TASK.values() for kind in kinds]
    if config.head.kind not in known:
        raise ModelError(f"There is no head {config.head.kind!r}; the heads are {', '.join(known)}.")
    if config.head.kind not in fitting:
        raise ModelError(
            f"{config.name}: the head {config.head.kind!r} does not answer with {_TASKS[config.task]}, which the task "
            f"{config.task!r} asks for; the heads that do are {', '.join(fitting)}."
        )
    if config.task == "classify" and len(config.classes) < 2:
        raise ModelError(f"{config.name}: a classifier needs at least 2 classes, found {len(config.classes)}.")
