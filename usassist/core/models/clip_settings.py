"""open_clip configurations: where they lie, and which of them are refused before anything is built."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from usassist.core import paths
from usassist.core.errors import ModelError
from usassist.core.models.config import ENCODER_NAME

_MOST_BYTES = 2**20
_NEEDED = ("embed_dim", "vision_cfg", "text_cfg")
_LARGEST_NUMBER = 1_000_000
_MOST = {
    "image_size": 2048,
    "width": 8192,
    "embed_dim": 8192,
    "layers": 256,
    "heads": 256,
    "context_length": 4096,
    "hidden_size": 8192,
    "num_hidden_layers": 256,
    "num_attention_heads": 256,
    "intermediate_size": 32768,
}
_MOST_PARAMETERS = 2_000_000_000
_TIMM_NAME = re.compile(r"[A-Za-z0-9._-]+")


# What a BERT's words are published in, the better one first.
VOCABULARY_FILES = ("vocab.txt", "tokenizer.json")
# BERT-base, which BiomedCLIP's and UniMed-CLIP's text towers are; a configuration's own `bert` section replaces it.
BERT_BASE = {
    "vocab_size": 30522,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
}


def find(name: str, *folders: Path | None) -> Path | None:
    """Return the file of our own open_clip configuration of this name, None where it is one of open_clip's.

    It lies beside the model's weights in one of `folders`, in resources/encoders, or in the folder of a shipped model.
    Raises ModelError for a name that would lead out of these folders or to a network.
    """
    if not ENCODER_NAME.fullmatch(name):
        raise ModelError(
            f"An open_clip configuration's name is 1 to 100 letters, digits, '.', '_' and '-'; found {name!r}."
        )
    homes = [*(folder for folder in folders if folder is not None), paths.resources() / "encoders"]
    shipped = sorted((paths.resources() / "models").glob(f"*/{name}.json"))
    candidates = [*(home / f"{name}.json" for home in homes), *shipped]
    return next((path for path in candidates if path.is_file()), None)


def own_files(name: str, *folders: Path | None) -> list[Path]:
    """Return the files that a model needs beside its weights: its own open_clip configuration, and a BERT's words."""
    path = find(name, *folders)
    words = [home / file for home in folders if home is not None for file in VOCABULARY_FILES]
    return [file for file in (path, *words) if file is not None and file.is_file()]


def settings_of(name: str, *folders: Path | None) -> dict[str, Any]:
    """Return the checked settings of a configuration of ours or of open_clip's, as a copy. Raises ModelError.

    A configuration says `bert` (sizes as in transformers' BertConfig) where the text tower is a BERT.
    """
    path = find(name, *folders)
    if path is not None:
        return read(path)
    from usassist.core.models import torchvision_ops

    torchvision_ops.prepare()
    import open_clip

    known = open_clip.get_model_config(name)  # a copy; the name was checked, so nothing is fetched
    if known is None:
        raise ModelError(
            f"No open_clip configuration is called {name!r}; put {name}.json beside the model's weights, or name "
            f"one of open_clip's, for instance ViT-B-16-quickgelu."
        )
    return checked(known, where=f"The open_clip configuration {name}")


def has_bert(settings: Mapping[str, Any]) -> bool:
    """Return whether the text tower is a BERT from the transformers package instead of open_clip's own."""
    return bool(settings["text_cfg"].get("hf_model_name"))


def read(path: Path) -> dict[str, Any]:
    """Read and check a configuration. Raises ModelError."""
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        raw = json.loads(data[:_MOST_BYTES].decode("utf-8"))
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); add the model again.") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is not valid JSON ({error}); restore the file or add the model again.") from error
    if not isinstance(raw, dict) or any(key not in raw for key in _NEEDED):
        raise ModelError(f"{path} is no open_clip configuration: expected {', '.join(_NEEDED)}.")
    return checked(raw, where=str(path))


def checked(settings: dict[str, Any], *, where: str) -> dict[str, Any]:
    """Return the settings; raises ModelError for sizes no machine holds and for what would run or fetch foreign code.

    >>> checked({"vision_cfg": {"layers": 10**9}, "text_cfg": {}}, where="x.json")
    Traceback (most recent call last):
    ...
    usassist.core.errors.ModelError: x.json: layers is 1000000000, at most 256 can be built here.
    """
    for key, value in _leaves(settings):
        if isinstance(value, int | float):
            most = _MOST.get(key, _LARGEST_NUMBER)
            if not abs(value) <= most:  # NaN is refused too
                raise ModelError(f"{where}: {key} is {value}, at most {most} can be built here.")
        elif key == "timm_model_name" and isinstance(value, str) and not _TIMM_NAME.fullmatch(value):
            raise ModelError(f"{where}: timm_model_name is {value!r}; only names that timm itself knows are taken.")
        if key == "trust_remote_code" and value:
            raise ModelError(f"{where} asks to run code from a network (trust_remote_code); remove that setting.")
    towers = [settings.get("vision_cfg"), settings.get("text_cfg")]
    if not all(isinstance(tower, dict) for tower in towers):
        raise ModelError(f"{where}: vision_cfg and text_cfg must be sections.")
    count = sum(_parameters(tower) for tower in towers if isinstance(tower, dict))
    if count > _MOST_PARAMETERS:
        raise ModelError(f"{where} describes about {count:.2g} parameters; at most {_MOST_PARAMETERS:.2g} are loaded.")
    return settings


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(item, str(name))
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, key)
    else:
        yield key, value


def _parameters(tower: dict[str, Any]) -> float:
    """Return roughly how many parameters a transformer tower has; a missing or odd number counts as open_clip's."""

    def number(section: Mapping[str, Any], name: str, usual: float) -> float:
        value = section.get(name)
        return float(value) if isinstance(value, int | float) else usual

    width = number(tower, "width", 768)
    patches = (number(tower, "image_size", 224) / max(1.0, number(tower, "patch_size", 16))) ** 2
    rows = number(tower, "vocab_size", 0) + number(tower, "context_length", 0)
    table = rows + (patches if "image_size" in tower else 0)
    count = math.fsum((12 * number(tower, "layers", 12) * width**2, table * width))
    bert = tower.get("bert")
    if not isinstance(bert, dict):
        return count
    hidden, layers, inner, words = (
        number(bert, name, BERT_BASE[name])
        for name in ("hidden_size", "num_hidden_layers", "intermediate_size", "vocab_size")
    )
    return count + hidden * (words + layers * (4 * hidden + 2 * inner))
