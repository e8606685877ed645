"""A published CLIPSeg becomes a whole segmenter: its CLIP is the encoder, its decoder the head."""

from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from usassist.core.errors import ModelError
from usassist.core.models import base
from usassist.core.models.build import build_segmenter
from usassist.core.models.clipseg import ClipSegHead, load_hf_decoder
from usassist.core.models.config import WEIGHTS_FILE, Calibration, HeadConfig, ModelConfig, PreprocessConfig
from usassist.core.models.families import OPENAI_MEAN, OPENAI_STD, Hints, Recognised
from usassist.core.models.inventory import is_parameter
from usassist.core.models.shapes import blocks_of

_SIZE = 352  # what CLIPSeg was trained at; its positions are those of 224 pixels, moved
_TAPS = (3, 6, 9)
# CLIPSeg's processor has ImageNet's colours, where its CLIP had its own.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def describe_clipseg(encoder: ModelConfig, found: Recognised, hints: Hints) -> ModelConfig:
    """Return the description of the segmenter from that of its encoder alone. Raises ModelError for odd decoders."""
    reduces = sorted(name for name in found.decoder if name.startswith("reduces.") and name.endswith(".weight"))
    if not reduces:
        raise ModelError("The file has CLIPSeg's decoder without the layers that reduce its taps; it is incomplete.")
    taps = hints.taps or (_TAPS if (blocks_of(found.settings) or 0) > _TAPS[-1] else encoder.encoder.taps)
    is_published = (hints.mean, hints.std) == (OPENAI_MEAN, OPENAI_STD)
    mean, std = (_MEAN, _STD) if is_published else (hints.mean, hints.std)
    return replace(
        encoder,
        title=f"CLIPSeg, {encoder.encoder.open_clip}",
        task="segment",
        encoder=replace(encoder.encoder, taps=tuple(sorted(taps))),
        head=HeadConfig(
            "clipseg",
            width=int(found.decoder[reduces[0]].shape[0]),
            refined="transposed_convolution.0.weight" in found.decoder,
        ),
        preprocess=PreprocessConfig(hints.size or _SIZE, mean, std),
        # It judges neither presence nor quality: presence is told by the mask's peak alone.
        calibration=Calibration(presence_scale=0.0, presence_peak=1.0),
        provenance={**encoder.provenance, "parameters": _count(found)},
    )


def _count(found: Recognised) -> int:
    return sum(t.numel() for part in (found.tensors, found.decoder) for name, t in part.items() if is_parameter(name))


def write_clipseg(config: ModelConfig, found: Recognised, draft: Path) -> None:
    """Write the weights of the segmenter, float32; without a prompt it looks for the words of its target.

    Raises ModelError where the decoder does not fit.
    """
    model = build_segmenter(config, folder=draft)
    base.fill_clip(model.encoder.clip, found.tensors, whose=f"The file of {config.name}")
    if not isinstance(model.head, ClipSegHead) or model.head.null_condition is None:
        raise ModelError(f"{config.name} was described without CLIPSeg's decoder.")
    load_hf_decoder(model.head, found.decoder)
    with torch.no_grad():
        model.head.null_condition.copy_(model.embed_texts([config.target.replace("_", " ")])[0])
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, draft / WEIGHTS_FILE)
