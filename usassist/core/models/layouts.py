"""The names that others give to CLIP's tensors, turned into open_clip's."""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from usassist.core.errors import ModelError

Tensors = dict[str, Tensor]

# OpenAI's archives carry three numbers as tensors; older files carry tables that are no parameters.
_NO_PARAMETERS = re.compile(r"(^|\.)(input_resolution|context_length|vocab_size|position_ids|attn_mask)$")
_BLOCK = re.compile(r"(vision|text)_model\.encoder\.layers\.(\d+)\.(.+)")
_HF_BLOCK = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}
_HF_NAMES = {
    "vision_model.embeddings.class_embedding": "visual.class_embedding",
    "vision_model.embeddings.patch_embedding.weight": "visual.conv1.weight",
    "vision_model.embeddings.position_embedding.weight": "visual.positional_embedding",
    "vision_model.pre_layrnorm.weight": "visual.ln_pre.weight",  # published with this spelling
    "vision_model.pre_layrnorm.bias": "visual.ln_pre.bias",
    "vision_model.post_layernorm.weight": "visual.ln_post.weight",
    "vision_model.post_layernorm.bias": "visual.ln_post.bias",
    "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_model.final_layer_norm.weight": "ln_final.weight",
    "text_model.final_layer_norm.bias": "ln_final.bias",
    "logit_scale": "logit_scale",
}
# What transformers' config.json calls the sizes that tensors show, and open_clip's settings.
_HF_SIZES = {
    "vision_config.num_hidden_layers": ("vision_cfg", "layers"),
    "vision_config.hidden_size": ("vision_cfg", "width"),
    "vision_config.patch_size": ("vision_cfg", "patch_size"),
    "text_config.num_hidden_layers": ("text_cfg", "layers"),
    "text_config.hidden_size": ("text_cfg", "width"),
}
_HF_TRANSPOSED = {"visual_projection.weight": "visual.proj", "text_projection.weight": "text_projection"}


def under(tensors: Mapping[str, Tensor], marker: str) -> Tensors | None:
    """Return what stands beside the tensor whose name ends with `marker`, without the names' common start.

    So a state dict is found wherever a training checkpoint keeps it, `module.` of several GPUs included; of several
    the one with the shortest start. None where there is no such tensor.

    >>> list(under({"state_dict.module.visual.proj": torch.ones(1), "epoch": torch.ones(1)}, "visual.proj"))
    ['visual.proj']
    """
    starts = [name.removesuffix(marker) for name in tensors if name.endswith(marker)]
    starts = sorted((start for start in starts if not start or start.endswith(".")), key=len)
    if not starts:
        return None
    start = starts[0]
    inside = {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}
    return {name: tensor for name, tensor in inside.items() if not _NO_PARAMETERS.search(name)}


def from_open_clip(tensors: Tensors) -> Tensors:
    """Return the tensors of OpenAI's and open_clip's files by the names of open_clip's CLIP.

    open_clip's CustomTextCLIP keeps the same text tower under `text.`, which is taken off unless it is a BERT.
    """
    start = "" if _has_bert(tensors) else "text."
    renamed = {name.removeprefix(start): tensor for name, tensor in tensors.items()}
    return {name: tensor for name, tensor in renamed.items() if _is_clips(name)}


def with_custom_text(tensors: Tensors) -> Tensors:
    """Return the tensors by the names of open_clip's CustomTextCLIP: the text tower under `text.`."""
    if any(name.startswith("text.") for name in tensors):
        return tensors
    apart = ("visual.", "logit_scale", "logit_bias")
    return {name if name.startswith(apart) else f"text.{name}": tensor for name, tensor in tensors.items()}


def _has_bert(tensors: Tensors) -> bool:
    return any(name.startswith("text.transformer.embeddings.") for name in tensors)


def _is_clips(name: str) -> bool:
    parts = ("visual.", "text.", "transformer.", "token_embedding.", "ln_final.")
    return name.startswith(parts) or name in ("positional_embedding", "text_projection", "logit_scale", "logit_bias")


def from_unimed(tensors: Tensors) -> Tensors:
    """Return UniMed-CLIP's tensors by open_clip's names: its text tower is called `text_encoder`."""
    renamed = {re.sub(r"^text_encoder\.", "text.", name): tensor for name, tensor in tensors.items()}
    return {name: tensor for name, tensor in renamed.items() if name.startswith(("visual.", "text.", "logit_scale"))}


def from_hugging_face(tensors: Tensors) -> Tensors:
    """Return the tensors of transformers' CLIPModel by open_clip's names; query, key and value become one.

    Names that are not CLIPModel's are kept, so that whoever checks counts them. Raises ModelError where one of query,
    key and value is missing.
    """
    out: Tensors = {}
    parts: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name in _HF_TRANSPOSED and tensor.ndim == 2:
            out[_HF_TRANSPOSED[name]] = tensor.T.contiguous()
            continue
        block = _BLOCK.fullmatch(name)
        if block is None:
            out[_HF_NAMES.get(name, name)] = tensor
            continue
        tower = "visual.transformer" if block[1] == "vision" else "transformer"
        module, _, kind = block[3].rpartition(".")
        if module in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"):
            parts.setdefault(f"{tower}.resblocks.{block[2]}.attn.in_proj_{kind}", {})[module[-6]] = tensor
        else:
            out[f"{tower}.resblocks.{block[2]}.{_HF_BLOCK.get(module, module)}.{kind}"] = tensor
    for name, qkv in parts.items():
        if sorted(qkv) != ["k", "q", "v"] or len({part.shape for part in qkv.values()}) > 1:
            raise ModelError(f"The file has {', '.join(sorted(qkv))} of {name}; q, k and v of one shape are needed.")
        out[name] = torch.cat([qkv["q"], qkv["k"], qkv["v"]])
    return out


def stated_sizes(config: Mapping[str, Any]) -> dict[str, int]:
    """Return the sizes that a transformers config.json gives its towers, such as {"vision_config.hidden_size": 768}."""
    found: dict[str, int] = {}
    for key in _HF_SIZES:
        tower, _, name = key.partition(".")
        inside = config.get(tower)
        value = inside.get(name) if isinstance(inside, Mapping) else None
        if type(value) is int:
            found[key] = value
    return found


def require_as_stated(stated: Mapping[str, int], settings: Mapping[str, Any], *, where: str) -> None:
    """Raise ModelError where a config.json states another size than the settings that the tensors in `where` have."""
    for key, value in stated.items():
        tower, name = _HF_SIZES[key]
        held = settings[tower].get(name)
        if type(held) is int and held != value:
            raise ModelError(
                f"config.json says {key} {value}, but {where} holds {held}: they do not belong together, or one is "
                f"damaged. Download both again, or give the weights' file alone."
            )


def clipseg_decoder(tensors: Mapping[str, Tensor]) -> Tensors:
    """Return the tensors of a CLIPSeg file's decoder by transformers' names without `decoder.`; {} without one."""
    inside = under(tensors, "clip.vision_model.embeddings.patch_embedding.weight") or {}
    return {n.removeprefix("decoder."): tensor for n, tensor in inside.items() if n.startswith("decoder.")}
