"""The open_clip settings that tensors were made with, read off their shapes."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from torch import Tensor

from usassist.core import paths
from usassist.core.errors import ModelError
from usassist.core.models import clip_settings, torchvision_ops

Activation = Literal["quickgelu", "gelu"]
Settings = dict[str, Any]

_HEAD_WIDTH = 64  # of every OpenAI model; where another is usual, a named configuration of the same shapes says so
_TIMM_VITS = {(192, 12): "tiny", (384, 12): "small", (768, 12): "base", (1024, 24): "large", (1280, 32): "huge"}
# A named configuration that sets anything else computes another function from the same shapes.
_VISIBLE_VISION = {"image_size", "layers", "width", "patch_size", "head_width", "mlp_ratio"}
_VISIBLE_TEXT = {"context_length", "vocab_size", "width", "heads", "layers", "mlp_ratio"}


def settings_from_shapes(tensors: Mapping[str, Tensor], *, activation: Activation | None, where: str) -> Settings:
    """Return the settings of two towers that have these tensors, named as in open_clip.

    `activation` is what the transformers of open_clip's own kind compute with; where it is None and matters, the
    settings have no `quick_gelu`. Raises ModelError that begins with `where` for towers that are not known here, and
    for shapes that no tower has.
    """
    empty = sorted(name for name, tensor in tensors.items() if not tensor.numel())
    if empty:
        raise ModelError(f"{where}: {len(empty)} tensors hold no number, for instance {empty[0]}; the file is damaged.")
    try:
        vision, own_vision = _vision(tensors), not _has(tensors, "visual.trunk.")
        text, own_text = _text(tensors), not _has(tensors, "text.transformer.embeddings.")
        embedding = _embedding(tensors)
    except KeyError as error:
        raise ModelError(f"{where}: the tensor {error} is missing; the file is incomplete.") from error
    except ValueError as error:
        raise ModelError(
            f"{where} holds a shape that no CLIP has: {error}. The file is damaged, or something else."
        ) from error
    settings: Settings = {"embed_dim": embedding, "vision_cfg": vision, "text_cfg": text}
    if not own_vision and not own_text:
        return settings
    return settings if activation is None else settings | {"quick_gelu": activation == "quickgelu"}


def is_undecided(settings: Settings) -> bool:
    """Return whether settings off shapes lack what no shape tells: GELU or QuickGELU."""
    own = "timm_model_name" not in settings["vision_cfg"] or not clip_settings.has_bert(settings)
    return own and "quick_gelu" not in settings


def named_like(settings: Settings) -> str | None:
    """Return the name of a shipped or of open_clip's configuration with the same shapes, None where there is none."""
    torchvision_ops.prepare()
    import open_clip

    wanted = _visible(settings)
    if wanted is None:
        return None
    shipped = sorted(path.stem for path in (paths.resources() / "encoders").glob("*.json"))
    for name in (*shipped, *open_clip.list_models()):
        known = clip_settings.settings_of(name) if name in shipped else open_clip.get_model_config(name)
        if known is not None and _visible(known) == wanted:
            return name
    return None


def _visible(settings: Settings) -> tuple[Any, ...] | None:
    """Return what two configurations must share to be one; None for those with settings that no shape shows."""
    vision, text = settings["vision_cfg"], settings["text_cfg"]
    timm, bert = vision.get("timm_model_name"), clip_settings.has_bert(settings)
    if not (timm or vision.keys() <= _VISIBLE_VISION) or not (bert or text.keys() <= _VISIBLE_TEXT):
        return None
    seen_vision = (timm,) if timm else (*(vision.get(k) for k in ("layers", "width", "patch_size")), _ratio(vision))
    seen_text = (clip_settings.BERT_BASE | text.get("bert", {}),) if bert else (text.get("width"), text.get("layers"))
    activation = None if timm and bert else bool(settings.get("quick_gelu", False))
    sizes = (settings["embed_dim"], vision.get("image_size"), text.get("context_length"), text.get("vocab_size"))
    return (*sizes, *seen_vision, *seen_text, activation)


def _ratio(vision: Mapping[str, Any]) -> float:
    return float(vision.get("mlp_ratio", 4.0))


def blocks_of(settings: Settings) -> int | None:
    """Return the number of transformer blocks of the image tower, None where it is a network of stages."""
    vision = settings["vision_cfg"]
    timm = vision.get("timm_model_name")
    if timm:
        return next((depth for (_, depth), size in _TIMM_VITS.items() if f"vit_{size}_" in timm), None)
    layers = vision.get("layers", 12)
    return layers if isinstance(layers, int) else None


def _has(tensors: Mapping[str, Tensor], start: str) -> bool:
    return any(name.startswith(start) for name in tensors)


def _numbers(tensors: Mapping[str, Tensor], start: str) -> Iterator[int]:
    """Yield the numbers that follow `start` in the names."""
    for name in tensors:
        if name.startswith(start):
            number = name.removeprefix(start).partition(".")[0]
            if number.isdecimal():
                yield int(number)


def _depth(tensors: Mapping[str, Tensor], start: str) -> int:
    return 1 + max(_numbers(tensors, start), default=-1)


def _sides(tensors: Mapping[str, Tensor], name: str, count: int) -> tuple[int, ...]:
    """Return a tensor's shape. Raises KeyError where there is none, ValueError where it has not `count` sides."""
    shape = tuple(tensors[name].shape)
    if len(shape) != count:
        raise ValueError(f"{name} has the shape {shape}, expected {count} sides")
    return shape


def _side(positions: int) -> int:
    """Return the side of a square grid of patches beside one class token."""
    side = math.isqrt(max(0, positions - 1))
    if side * side + 1 != positions:
        raise ValueError(f"{positions} positions are no square of patches beside one class token")
    return side


def _vision(tensors: Mapping[str, Tensor]) -> Settings:
    if _has(tensors, "visual.trunk."):
        return _timm(tensors)
    if "visual.class_embedding" not in tensors:
        return _resnet(tensors)
    width, _, _, patch = _sides(tensors, "visual.conv1.weight", 4)
    heads = {"head_width": width} if width < _HEAD_WIDTH else {}
    inner, _ = _sides(tensors, "visual.transformer.resblocks.0.mlp.c_fc.weight", 2)
    ratio = {"mlp_ratio": inner / width} if inner != 4 * width else {}
    return {
        "image_size": patch * _side(_sides(tensors, "visual.positional_embedding", 2)[0]),
        "layers": _depth(tensors, "visual.transformer.resblocks."),
        "width": width,
        "patch_size": patch,
        **heads,
        **ratio,
    }


def _resnet(tensors: Mapping[str, Tensor]) -> Settings:
    return {
        "image_size": 32 * _side(_sides(tensors, "visual.attnpool.positional_embedding", 2)[0]),
        "layers": [_depth(tensors, f"visual.layer{stage}.") for stage in (1, 2, 3, 4)],
        "width": _sides(tensors, "visual.layer1.0.conv1.weight", 4)[0],
        "patch_size": None,
    }


def _timm(tensors: Mapping[str, Tensor]) -> Settings:
    if "visual.trunk.cls_token" not in tensors or "visual.trunk.blocks.0.attn.qkv.weight" not in tensors:
        raise ModelError(
            "The image tower is a timm trunk that its tensors do not name. Put the open_clip_config.json it was "
            "published with beside it and add the folder, or name a configuration of open_clip with --as."
        )
    width, _, _, patch = _sides(tensors, "visual.trunk.patch_embed.proj.weight", 4)
    depth = _depth(tensors, "visual.trunk.blocks.")
    size = _TIMM_VITS.get((width, depth))
    if size is None:
        raise ModelError(f"The image tower is a ViT of width {width} with {depth} blocks, which timm has no name for.")
    return {
        "image_size": patch * _side(_sides(tensors, "visual.trunk.pos_embed", 3)[1]),
        "timm_model_name": f"vit_{size}_patch{patch}_224",
        "timm_model_pretrained": False,
        "timm_pool": "",
        "timm_proj": "linear",
    }


def _text(tensors: Mapping[str, Tensor]) -> Settings:
    if _has(tensors, "text.transformer.embeddings."):
        return _bert(tensors)
    rows, width = _sides(tensors, "token_embedding.weight", 2)
    return {
        "context_length": _sides(tensors, "positional_embedding", 2)[0],
        "vocab_size": rows,
        "width": width,
        "heads": max(1, width // _HEAD_WIDTH),
        "layers": _depth(tensors, "transformer.resblocks."),
    }


def _bert(tensors: Mapping[str, Tensor]) -> Settings:
    start = "text.transformer."
    words, width = _sides(tensors, f"{start}embeddings.word_embeddings.weight", 2)
    sizes = {
        "vocab_size": words,
        "hidden_size": width,
        "num_hidden_layers": _depth(tensors, f"{start}encoder.layer."),
        "num_attention_heads": max(1, width // _HEAD_WIDTH),
        "intermediate_size": _sides(tensors, f"{start}encoder.layer.0.intermediate.dense.weight", 2)[0],
        "max_position_embeddings": _sides(tensors, f"{start}embeddings.position_embeddings.weight", 2)[0],
        "type_vocab_size": _sides(tensors, f"{start}embeddings.token_type_embeddings.weight", 2)[0],
    }
    return {
        "context_length": min(256, sizes["max_position_embeddings"]),
        "hf_model_name": "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract",
        "hf_proj_type": "mlp" if "text.proj.0.weight" in tensors else "linear",
        "hf_pooler_type": "cls_last_hidden_state_pooler",
        **({"bert": sizes} if sizes != clip_settings.BERT_BASE else {}),
    }


def _embedding(tensors: Mapping[str, Tensor]) -> int:
    for name, axis in (("visual.proj", 1), ("visual.head.proj.weight", 0), ("visual.attnpool.c_proj.weight", 0)):
        if name in tensors:
            return _sides(tensors, name, 2)[axis]
    raise KeyError("visual.proj")
