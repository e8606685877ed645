"""Tiny CLIPs with random weights, written as their publishers write the large ones."""

import json
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from usassist.core.models.clip import build_clip

WIDTH, BLOCKS, EMBEDDING, SIZE = 64, 4, 32, 32
WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "a",
    "breast",
    "lesion",
    "benign",
    "malignant",
    "##s",
    ".",
    "the",
]
BERT = {
    "vocab_size": len(WORDS),
    "hidden_size": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 1,
    "intermediate_size": 96,
    "max_position_embeddings": 40,
    "type_vocab_size": 2,
}


def settings(*, quick_gelu: bool = True, bert: bool = False) -> dict[str, Any]:
    """Return the open_clip settings of a tiny CLIP with CLIP's own words, or with a BERT."""
    text: dict[str, Any] = {"context_length": 77, "vocab_size": 49408, "width": WIDTH, "heads": 1, "layers": 2}
    if bert:
        text = {"context_length": 40, "hf_model_name": "bert", "hf_proj_type": "mlp", "bert": BERT}
    vision = {"image_size": SIZE, "layers": BLOCKS, "width": WIDTH, "patch_size": 8}
    return {"embed_dim": EMBEDDING, "quick_gelu": quick_gelu, "vision_cfg": vision, "text_cfg": text}


def clip(*, quick_gelu: bool = True, bert: bool = False) -> nn.Module:
    """Return a tiny CLIP; seeded."""
    torch.manual_seed(0)
    built = build_clip(settings(quick_gelu=quick_gelu, bert=bert), image_size=SIZE).eval()
    for parameter in built.parameters():  # open_clip starts biases at zero, where a swap would not be seen
        if parameter.ndim == 1:
            nn.init.normal_(parameter, std=0.3)
    return built


class _Bag(nn.Module):
    """Modules and parameters by name, in the tree that dotted names describe."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        super().__init__()
        children: dict[str, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            first, _, rest = name.partition(".")
            if rest:
                children.setdefault(first, {})[rest] = tensor
            elif tensor.is_floating_point():
                self.register_parameter(first, nn.Parameter(tensor.clone(), requires_grad=False))
            else:
                self.register_buffer(first, tensor.clone())
        for first, inside in children.items():
            self.add_module(first, _Bag(inside))

    def forward(self, x: Tensor) -> Tensor:
        return x


def write_openai(path: Path, model: nn.Module) -> Path:
    """Write a TorchScript archive with the names that OpenAI's have, three numbers among them."""
    numbers = {"input_resolution": SIZE, "context_length": 77, "vocab_size": 49408}
    tensors = dict(model.state_dict()) | {name: torch.tensor(value) for name, value in numbers.items()}
    write_script(path, _Bag(tensors))
    return path


def write_script(path: Path, module: nn.Module) -> None:
    """Write a TorchScript archive; torch still can, though it warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.trace(module, torch.zeros(1, 3), check_trace=False), path)


def hugging_face(model: nn.Module) -> dict[str, Tensor]:
    """Return the tensors of a CLIP by the names of transformers' CLIPModel."""
    out: dict[str, Tensor] = {"text_model.embeddings.position_ids": torch.arange(77)[None]}
    plain = {
        "visual.class_embedding": "vision_model.embeddings.class_embedding",
        "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
        "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
        "visual.ln_pre": "vision_model.pre_layrnorm",
        "visual.ln_post": "vision_model.post_layernorm",
        "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
        "positional_embedding": "text_model.embeddings.position_embedding.weight",
        "ln_final": "text_model.final_layer_norm",
        "logit_scale": "logit_scale",
    }
    inside = {"ln_1": "layer_norm1", "ln_2": "layer_norm2", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2"}
    for name, tensor in model.state_dict().items():
        if name in ("visual.proj", "text_projection"):
            out[{"visual.proj": "visual_projection.weight"}.get(name, "text_projection.weight")] = tensor.T.contiguous()
            continue
        tower, found, block = name.partition("transformer.resblocks.")
        if not found:
            start = next(key for key in plain if name == key or name.startswith(f"{key}."))
            out[plain[start] + name.removeprefix(start)] = tensor
            continue
        number, _, part = block.partition(".")
        layer = f"{'vision' if tower else 'text'}_model.encoder.layers.{number}"
        if "in_proj" in part:
            kind = part.rpartition("_")[2]
            for letter, third in zip("qkv", tensor.chunk(3), strict=True):
                out[f"{layer}.self_attn.{letter}_proj.{kind}"] = third.clone()
        else:
            module, _, kind = part.rpartition(".")
            out[f"{layer}.{inside.get(module, module.replace('attn.', 'self_attn.'))}.{kind}"] = tensor
    return out


def write_words(folder: Path) -> None:
    """Write the words of the tiny BERT."""
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")


def write_json(path: Path, content: object) -> None:
    """Write a small JSON file."""
    path.write_text(json.dumps(content))
