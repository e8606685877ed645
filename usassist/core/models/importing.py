"""A file of weights from elsewhere becomes a model folder: a pair of towers that can embed, and be a base."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from usassist.core import paths
from usassist.core.errors import ModelError
from usassist.core.models import clip_settings
from usassist.core.models.adding import copy_file, drafting, file_hash, write_file
from usassist.core.models.archive import Archive, read_archive
from usassist.core.models.base import TOWERS
from usassist.core.models.clip import build_clip
from usassist.core.models.clipseg_import import describe_clipseg, write_clipseg
from usassist.core.models.config import (
    CARD_FILE,
    CONFIG_FILE,
    WEIGHTS_FILE,
    AdapterConfig,
    EncoderConfig,
    HeadConfig,
    ModelConfig,
    PreprocessConfig,
)
from usassist.core.models.families import OPENAI_MEAN, OPENAI_STD, Hints, Recognised, recognise
from usassist.core.models.inventory import is_parameter
from usassist.core.models.layouts import require_as_stated, stated_sizes
from usassist.core.models.shapes import blocks_of
from usassist.core.models.weights import ModelInfo, describe

_MOST_BYTES = 4 * 2**20
_MOST_BLOCKS, _SIZES = 256, (16, 2048)  # as a model's description allows
# In the order in which a folder of several is believed; the first two are open_clip's, the others transformers'.
_PUBLISHED = (
    *("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin"),
    *("model.safetensors", "pytorch_model.bin"),
)
_WEIGHTS = {".safetensors", ".bin", ".pt", ".pth", ".ckpt"}
_SAYING_NOTHING = re.compile(r"open_clip.*|(pytorch_)?model|weights|checkpoint|best", re.IGNORECASE)


def import_weights(
    path: Path, *, name: str | None = None, choice: str = "", hints: Hints | None = None, source: str = ""
) -> ModelInfo:
    """Add a file of weights, or a folder as published, to the user's models; see `adding.add`. Raises ModelError.

    `hints` are what is known from elsewhere, `source` what the card calls the file's origin.
    """
    file, folder = _file_of(path)
    known = replace(hints or (_read_hints(folder) if path.is_dir() else Hints()), choice=choice)
    archive = read_archive(file)
    found = recognise(archive, known)
    _require_complete(found, archive)
    _require_numbers(found, archive)
    if found.family in ("CLIP of transformers", "CLIPSeg"):
        require_as_stated(known.stated, found.settings, where=archive.path.name)
    _require_activation(found)
    wanted = name or _name_for(file)
    with drafting(wanted) as draft:
        config = _describe(found, archive, known, name=wanted, source=source or file.name)
        if found.decoder:
            config = describe_clipseg(config, found, known)
        write_file(draft / CONFIG_FILE, config.to_json().encode())
        write_file(draft / CARD_FILE, _card(config).encode())
        if not found.name:
            text = json.dumps(found.settings, indent=1) + "\n"
            write_file(draft / f"{config.encoder.open_clip}.json", text.encode())
        if clip_settings.has_bert(found.settings):
            for words in (folder / file for file in clip_settings.VOCABULARY_FILES):
                if words.is_file():
                    copy_file(words, draft / words.name)
        if found.decoder:
            write_clipseg(config, found, draft)
        else:
            _write_weights(found, draft)
    return describe(paths.user_models() / wanted, "user")


def _file_of(path: Path) -> tuple[Path, Path]:
    """Return (the file of weights, the folder it was published in)."""
    if not path.is_dir():
        return path, path.parent
    there = [path / name for name in _PUBLISHED if (path / name).is_file()]
    there += sorted(file for file in path.iterdir() if file.suffix in _WEIGHTS and file not in there)
    if not there:
        raise ModelError(
            f"{path} holds neither {CONFIG_FILE} nor a file of weights ({', '.join(sorted(_WEIGHTS))}); give the "
            f"folder of a run, or one as open_clip or transformers publish it."
        )
    return there[0], path


def _read_hints(folder: Path) -> Hints:
    """Read what open_clip or transformers publish beside the weights."""
    ours = _read_json(folder / "open_clip_config.json")
    settings, images = ours.get("model_cfg", {}), ours.get("preprocess_cfg", {})
    if settings:
        settings = clip_settings.checked(dict(settings), where=str(folder / "open_clip_config.json"))
    theirs = _read_json(folder / "preprocessor_config.json")
    model = _read_json(folder / "config.json")
    return Hints(
        settings=settings,
        activation=_activation(model),
        taps=_taps(model.get("extract_layers")),
        stated=stated_sizes(model),
        size=_size(theirs.get("size")),
        mean=_colours(images.get("mean", theirs.get("image_mean")), OPENAI_MEAN),
        std=_colours(images.get("std", theirs.get("image_std")), OPENAI_STD),
    )


def _activation(config: Mapping[str, Any]) -> Any:
    vision = config.get("vision_config")
    stated = vision.get("hidden_act") if isinstance(vision, dict) else None
    return {"quick_gelu": "quickgelu", "gelu": "gelu"}.get(str(stated))


def _taps(value: object) -> tuple[int, ...]:
    """Return the blocks that CLIPSeg reads, () where there are none that a description may name."""
    blocks = value if isinstance(value, list) else []
    return tuple(blocks) if all(type(block) is int and 0 <= block < _MOST_BLOCKS for block in blocks) else ()


def _size(value: object) -> int:
    """Return the side that transformers' processor squashes images to, 0 where it does not."""
    side = value.get("height") if isinstance(value, dict) and value.get("height") == value.get("width") else value
    return side if type(side) is int and _SIZES[0] <= side <= _SIZES[1] else 0


def _colours(value: object, otherwise: tuple[float, ...]) -> tuple[float, ...]:
    if not isinstance(value, list | tuple) or len(value) != 3:
        return otherwise
    return tuple(float(number) for number in value) if all(isinstance(n, int | float) for n in value) else otherwise


def _read_json(path: Path) -> dict[str, Any]:
    """Return a small JSON object, {} where the file is not there. Raises ModelError where it is something else."""
    if not path.is_file():
        return {}
    try:
        with path.open("rb") as file:
            raw = json.loads(file.read(_MOST_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(
            f"{path} cannot be read ({error}); download it again, or give the weights' file alone."
        ) from error
    if not isinstance(raw, dict):
        raise ModelError(f"{path} is no JSON object; download it again, or give the weights' file alone.")
    return raw


def _require_complete(found: Recognised, archive: Archive) -> None:
    """Compare names and shapes with the encoder's, built without memory. Raises ModelError that counts misfits."""
    size = _image_size(found)
    try:
        with torch.device("meta"):
            own = {name: tuple(t.shape) for name, t in build_clip(found.settings, image_size=size).state_dict().items()}
    except (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise ModelError(
            f"{archive.path.name} looks like {found.family}, but its encoder cannot be built ({type(error).__name__}: "
            f"{error}); the configuration published with it is damaged or not known here."
        ) from error
    there = {name: tuple(tensor.shape) for name, tensor in found.tensors.items()}
    missing, unexpected = sorted(own.keys() - there.keys()), sorted(there.keys() - own.keys())
    shapes = sorted(name for name in own.keys() & there.keys() if own[name] != there[name])
    if missing or unexpected or shapes:
        which = f" ({found.name})" if found.name else ""
        raise ModelError(
            f"{archive.path.name} looks like {found.family}{which}, but of its encoder's {len(own)} tensors "
            f"{len(missing)} are missing, {len(shapes)} have another shape, and {len(unexpected)} are not known, for "
            f"instance {[*missing, *shapes, *unexpected][0]}. Another configuration may fit: name it with --as."
        )


def _require_numbers(found: Recognised, archive: Archive) -> None:
    """Refuse towers that would answer with nonsense: numbers that are not finite, whole or complex numbers."""
    name = archive.path.name
    odd = sorted(key for key, tensor in found.tensors.items() if not tensor.is_floating_point() and _learns(key))
    if odd:
        raise ModelError(
            f"{name} holds {found.tensors[odd[0]].dtype} in {len(odd)} tensors, for instance {odd[0]}; expected "
            f"floating-point numbers. Quantised weights are not read: take the full ones."
        )
    broken = sorted(key for key, tensor in found.tensors.items() if not bool(tensor.isfinite().all()))
    if broken:
        raise ModelError(
            f"{name} holds numbers that are not finite in {len(broken)} tensors, for instance {broken[0]}; its "
            f"training diverged or the file is damaged. Download or copy it again."
        )


def _learns(name: str) -> bool:
    """Return whether a tensor is no counter of a batch normalisation, which is a whole number."""
    return not name.endswith("num_batches_tracked")


def _require_activation(found: Recognised) -> None:
    """Ask for what no file tells, last: a file with another defect is of no use whatever is answered."""
    if found.undecided:
        raise ModelError(
            "The tensors do not tell whether the towers were trained with GELU or with QuickGELU, and the wrong one "
            "answers wrongly without a word. Name the configuration with --as: ViT-B-16-quickgelu for weights of "
            "OpenAI, MetaCLIP or DFN, ViT-B-16 for those of LAION and DataComp (ViT-B-32, ViT-L-14 likewise)."
        )


def _image_size(found: Recognised) -> int:
    size = found.settings["vision_cfg"].get("image_size", 224)
    return int(max(size) if isinstance(size, list | tuple) else size)


def _name_for(file: Path) -> str:
    stem = file.resolve().parent.name if _SAYING_NOTHING.fullmatch(file.stem) else file.stem
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-.")[:64] or "encoder"


def _describe(found: Recognised, archive: Archive, hints: Hints, *, name: str, source: str) -> ModelConfig:
    blocks = blocks_of(found.settings)
    taps = (1, 2, 3, 4) if blocks is None else tuple(sorted({blocks * part // 4 for part in (1, 2, 3)}))
    if len(taps) < 2:  # towers of fewer than three blocks, in tests
        taps = (0, 1)
    text = found.settings["text_cfg"]
    return ModelConfig(
        name,
        f"{found.family}, {found.name or 'an encoder of its own'}",
        EncoderConfig(found.name or f"{name}-encoder", taps),
        task="embed",
        adapter=AdapterConfig("none"),
        head=HeadConfig("none"),
        preprocess=PreprocessConfig(_image_size(found), hints.mean, hints.std),
        provenance={
            "family": found.family,
            "source": source,
            "source_sha256": file_hash(archive.path),
            "source_kind": archive.kind,
            "parameters": sum(t.numel() for name, t in found.tensors.items() if is_parameter(name)),
            "embedding": int(found.settings["embed_dim"]),
            "context_length": int(text.get("context_length") or 77),
        },
    )


def _write_weights(found: Recognised, draft: Path) -> None:
    from safetensors.torch import save_file

    # Copies, because a checkpoint's tensors may be views of one storage, which safetensors refuses.
    tensors = {TOWERS + name: tensor.detach().clone().contiguous() for name, tensor in found.tensors.items()}
    save_file(tensors, draft / WEIGHTS_FILE)


def _card(config: ModelConfig) -> str:
    facts = config.provenance
    does = (
        f"It embeds images and texts: for ranking, for zero-shot classes, and as a base of models trained here "
        f'(`base = "{config.name}"` under `[encoder]` of a recipe). It has no head and proposes no masks by itself.'
    )
    if config.task == "segment":
        does = (
            f"It outlines what a text or a support image asks for; without a prompt it looks for "
            f"{config.target.replace('_', ' ')!r}. It was trained on photographs: for ultrasound it is a start for "
            f"training, not an answer. Its towers can be a base of models trained here."
        )
    return (
        f"# {config.name}\n\n"
        f"{facts['family']}: an image tower and a text tower in one space of {facts['embedding']} numbers, "
        f"{facts['parameters'] / 1e6:.1f} million parameters, {facts['context_length']} tokens of text. Weights that "
        f"were added here, unchanged but for their names.\n\n"
        f"**For research. Not a medical device.** What it was trained on, and its terms, are its publisher's; usassist "
        f"does not know them.\n\n"
        f"| | |\n|---|---|\n"
        f"| source | `{facts['source']}` |\n"
        f"| SHA-256 of the source | `{facts['source_sha256']}` |\n"
        f"| encoder | {config.encoder.open_clip} |\n"
        f"| input | {config.preprocess.size} x {config.preprocess.size}, mean {config.preprocess.mean}, deviation "
        f"{config.preprocess.std} |\n\n"
        f"{does}\n"
    )
