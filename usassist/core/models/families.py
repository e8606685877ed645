"""What a file of weights is, told by the names of its tensors."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from usassist.core.errors import ModelError
from usassist.core.models import clip_settings, shapes
from usassist.core.models.archive import Archive
from usassist.core.models.layouts import (
    Tensors,
    clipseg_decoder,
    from_hugging_face,
    from_open_clip,
    from_unimed,
    under,
    with_custom_text,
)
from usassist.core.models.shapes import Activation

OPENAI_MEAN, OPENAI_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_QUICK = re.compile(r"openai|metaclip|dfn|quickgelu", re.IGNORECASE)
_PLAIN = re.compile(r"laion|datacomp|commonpool", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Hints:
    """What stands beside the tensors and is believed where the tensors do not tell.

    `choice` is the configuration that the user names, `settings` an open_clip configuration published with the weights,
    `activation` and `taps` what a transformers config.json says, `size`, `mean` and `std` what was published for the
    images; 0 and () where nothing was. `stated` are the sizes in a transformers config.json, such as
    {"vision_config.hidden_size": 768}, which are compared with the tensors.
    """

    choice: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    activation: Activation | None = None
    taps: tuple[int, ...] = ()
    stated: Mapping[str, int] = field(default_factory=dict)
    size: int = 0
    mean: tuple[float, ...] = OPENAI_MEAN
    std: tuple[float, ...] = OPENAI_STD


@dataclass(frozen=True, slots=True)
class Recognised:
    """A pair of towers: its family in words, its tensors by open_clip's names, and the settings they fit.

    `name` is the configuration's, of open_clip or shipped; "" where `settings` are this file's own. `decoder` holds the
    tensors of CLIPSeg's decoder where there is one. `undecided` says that nothing tells GELU from QuickGELU: the
    settings then fit the shapes only.
    """

    family: str
    tensors: Tensors
    settings: dict[str, Any]
    name: str
    decoder: Tensors = field(default_factory=dict)
    undecided: bool = False


@dataclass(frozen=True, slots=True)
class _Layout:
    """A way to name tensors: the family, the tensor it is told by, one more it needs, and how to rename."""

    family: str
    marker: str
    needs: str
    rename: Callable[[Tensors], Tensors]
    activation: Activation | None = None


# The first that fits: the more particular ones stand before those they contain.
_LAYOUTS = (
    _Layout("UniMed-CLIP", "visual.conv1.weight", "text_encoder.transformer.", from_unimed, "quickgelu"),
    _Layout("BiomedCLIP", "visual.trunk.patch_embed.proj.weight", "text.transformer.embeddings.", from_open_clip),
    _Layout("CLIP with a timm image tower", "visual.trunk.patch_embed.proj.weight", "logit_scale", from_open_clip),
    _Layout("CLIP", "visual.conv1.weight", "text.", from_open_clip),
    _Layout("CLIP", "visual.conv1.weight", "token_embedding.", from_open_clip),
    _Layout("CLIP of transformers", "vision_model.embeddings.patch_embedding.weight", "text_model.", from_hugging_face),
)

# (what a name looks like, the family, what is missing or to be done); the first that fits.
_OTHERS = (
    (r"(^|\.)_parameters\.", "a whole module, pickled", "save its state_dict() instead"),
    (r"(^|\.)encoder\.clip\.", "a model of usassist", "give the folder with its model.json instead of the file"),
    (r"vision_model\.head\.probe$|trunk\.attn_pool\.", "SigLIP", "its texts are cut by a tokenizer not known here"),
    (r"(^|\.)text_decoder\.", "CoCa", "it writes texts; a CLIP is needed"),
    (r"sam_mask_decoder\.|image_encoder\.trunk\.", "SAM 2", "it has no text tower"),
    (r"image_encoder\.|mask_decoder\.|prompt_encoder\.", "Segment Anything (SAM)", "it has no text tower"),
    (r"hpn_learner\.", "HSNet", "it has no text tower"),
    (r"mona", "adapters of NextGen-UIA (Mona)", "the CLIP they stand on is missing"),
    (r"lora_[AB]\b", "LoRA adapters", "the CLIP they stand on is missing"),
    (r"network_weights\.|decoder\.transpconvs\.", "nnU-Net", "it has neither a CLIP image tower nor a text tower"),
    (r"visual\.(conv1|class_embedding|trunk)", "CLIP's image tower alone", "its text tower is missing"),
    (r"vision_model\.", "CLIP's image tower alone, as in transformers", "its text tower is missing"),
    (r"text_model\.|token_embedding\.", "CLIP's text tower alone", "its image tower is missing"),
    (r"embeddings\.word_embeddings", "BERT", "its image tower is missing"),
    (r"(^|\.)blocks\.\d+\.attn\.qkv", "a vision transformer of timm or DINO", "its text tower is missing"),
    (r"layer1\.0\.conv1\.weight", "a ResNet", "its text tower is missing"),
    (r"decoder\.", "a decoder alone", "both of CLIP's towers are missing"),
)  # fmt: skip


def recognise(archive: Archive, hints: Hints) -> Recognised:
    """Return the two towers that a file holds. Raises ModelError that names the family it looks like instead."""
    ours = any("encoder.clip." in name for name in archive.tensors)
    for layout in () if ours else _LAYOUTS:
        inside = under(archive.tensors, layout.marker)
        if inside is not None and any(name.startswith(layout.needs) for name in inside):
            return _towers(archive, layout, inside, hints)
    raise ModelError(_looks_like(archive))


def _towers(archive: Archive, layout: _Layout, inside: Tensors, hints: Hints) -> Recognised:
    tensors = layout.rename({name: tensor for name, tensor in inside.items() if not name.startswith("decoder.")})
    decoder = clipseg_decoder(archive.tensors)
    family = _family(archive, layout, decoder=bool(decoder))
    activation = layout.activation or hints.activation or _activation(archive, family)
    name, settings, undecided = hints.choice, dict(hints.settings), False
    if not name and not settings:
        settings = shapes.settings_from_shapes(tensors, activation=activation, where=archive.path.name)
        clip_settings.checked(settings, where=archive.path.name)
        undecided = shapes.is_undecided(settings)
    if not name and not undecided:
        name = shapes.named_like(settings) or ""
    if name:
        settings = clip_settings.settings_of(name)
    if settings.get("custom_text") and not clip_settings.has_bert(settings):
        tensors = with_custom_text(tensors)
    scale = tensors.get("logit_scale")
    if scale is not None and scale.numel() == 1:  # some files keep it as a list of one
        tensors["logit_scale"] = scale.reshape([1] if settings.get("nonscalar_logit_scale") else [])
    return Recognised(family, tensors, settings, name, decoder, undecided)


def _family(archive: Archive, layout: _Layout, *, decoder: bool) -> str:
    if decoder:
        return "CLIPSeg"
    if layout.family == "CLIP":
        if archive.kind == "torchscript" or any(name.endswith("input_resolution") for name in archive.tensors):
            return "OpenAI CLIP"
        return "MetaCLIP" if "metaclip" in archive.path.name.lower() else "open_clip CLIP"
    return layout.family


def _activation(archive: Archive, family: str) -> Activation | None:
    """Return what the source's name says where the family does; OpenAI and CLIPSeg have always used QuickGELU."""
    if family in ("OpenAI CLIP", "CLIPSeg", "MetaCLIP"):
        return "quickgelu"
    quick, plain = (bool(words.search(archive.path.name)) for words in (_QUICK, _PLAIN))
    if quick == plain:
        return None
    return "quickgelu" if quick else "gelu"


def _looks_like(archive: Archive) -> str:
    names: Mapping[str, Tensor] = archive.tensors
    expected = (
        "expected the two towers of a CLIP: an image tower (visual.* or vision_model.*) and a text tower "
        "(transformer.*, text.* or text_model.*)"
    )
    if not names:
        return f"{archive.path.name} holds no tensors; {expected}."
    for pattern, family, missing in _OTHERS:
        if any(re.search(pattern, name) for name in names):
            return f"{archive.path.name} looks like {family}, of {len(names)} tensors: {missing}; {expected}."
    return f"{archive.path.name} holds {len(names)} tensors, such as {min(names)}, of no family known here; {expected}."
