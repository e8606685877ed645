"""open_clip configurations of our own: where they lie, and which of them are refused before anything is built."""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from usassist.core import paths
from usassist.core.errors import ModelError
from usassist.core.models.config import ENCODER_NAME

_MOST_BYTES = 2**20
_NEEDED = ("embed_dim", "vision_cfg", "text_cfg")
_LARGEST_NUMBER = 1_000_000
_MOST = {"image_size": 2048, "width": 8192, "embed_dim": 8192, "layers": 256, "heads": 256, "context_length": 4096}
_MOST_PARAMETERS = 2_000_000_000
_TIMM_NAME = re.compile(r"[A-Za-z0-9._-]+")


def find(name: str, folder: Path | None) -> Path | None:
    """Return the file of our own open_clip configuration of this name, None where it is one of open_clip's.

    It lies beside the model's weights in `folder`, or in the folder of a shipped model. Raises ModelError for a name
    that would lead out of these folders or to a network.
    """
    if not ENCODER_NAME.fullmatch(name):
        raise ModelError(
            f"An open_clip configuration's name is 1 to 100 letters, digits, '.', '_' and '-'; found {name!r}."
        )
    shipped = sorted((paths.resources() / "models").glob(f"*/{name}.json"))
    candidates = ([folder / f"{name}.json"] if folder is not None else []) + shipped
    return next((path for path in candidates if path.is_file()), None)


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

    def number(name: str, usual: float) -> float:
        value = tower.get(name)
        return float(value) if isinstance(value, int | float) else usual

    width = number("width", 768)
    patches = (number("image_size", 224) / max(1.0, number("patch_size", 16))) ** 2
    table = number("vocab_size", 0) + number("context_length", 0) + (patches if "image_size" in tower else 0)
    return math.fsum((12 * number("layers", 12) * width**2, table * width))
