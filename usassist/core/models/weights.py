"""Model folders: finding, checking, loading and adding them. Listing imports no torch."""

import hashlib
import re
import shutil
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from usassist.core import paths
from usassist.core.errors import ModelError
from usassist.core.models.config import CARD_FILE, CONFIG_FILE, WEIGHTS_FILE, ModelConfig

if TYPE_CHECKING:
    from usassist.core.models.segmenter import Segmenter

DEFAULT_MODEL = "usassist-us"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model that can be chosen: where it lies, whether it was shipped or added, and the hash of its weights.

    `config` is what `model.json` says; a model whose folder is damaged has None and the reason in `problem`.
    """

    name: str
    folder: Path
    title: str
    origin: Literal["shipped", "user"]
    weights_hash: str
    config: ModelConfig | None
    problem: str = ""

    @property
    def card(self) -> str:
        """Return the text of the model card, "" where there is none."""
        path = self.folder / CARD_FILE
        return path.read_text(encoding="utf-8") if path.is_file() else ""


def list_models() -> list[ModelInfo]:
    """Return the shipped models, then the user's, each by name; damaged ones are listed with their problem."""
    folders: list[tuple[Path, Literal["shipped", "user"]]] = []
    homes: tuple[tuple[Path, Literal["shipped", "user"]], ...] = (
        (paths.resources() / "models", "shipped"),
        (paths.user_models(), "user"),
    )
    for home, origin in homes:
        if home.is_dir():
            folders += [(f, origin) for f in sorted(home.iterdir()) if (f / CONFIG_FILE).is_file()]
    return [_info(folder, origin) for folder, origin in folders]


def find_model(name: str | None) -> ModelInfo:
    """Return a model by name, or by folder where the text is a path; None gives the default. Raises ModelError."""
    wanted = name or DEFAULT_MODEL
    models = list_models()
    # The user's model wins over a shipped one of the same name: adding it was deliberate.
    found = next((info for info in reversed(models) if info.name == wanted), None)
    if found is None and Path(wanted).is_dir():
        found = _info(Path(wanted), "user")
    if found is None:
        names = ", ".join(info.name for info in models) or "none"
        raise ModelError(
            f"There is no model {wanted!r}; the models are {names}. A folder with {CONFIG_FILE} works too."
        )
    if found.problem:
        raise ModelError(f"The model {wanted!r} cannot be used: {found.problem}")
    return found


def load_model(name: str | None, *, device: str = "cpu") -> "tuple[Segmenter, ModelInfo]":
    """Load a model for inference. Raises ModelError, also where a tensor is missing or unexpected."""
    from usassist.core.models.build import build_segmenter
    from usassist.core.models.device import resolve
    from usassist.core.models.segmenter import freeze_for_inference

    info = find_model(name)
    if info.config is None:  # find_model refuses damaged models; this is for the type checker and for races
        raise ModelError(f"The model {info.name!r} lost its {CONFIG_FILE} while it was loaded.")
    model = build_segmenter(info.config, folder=info.folder)
    fill(model, info.folder / WEIGHTS_FILE)
    return freeze_for_inference(model).to(resolve(device)), info


def fill(model: "Segmenter", weights: Path) -> None:
    """Load weights into a model: 0 missing and 0 unexpected tensors, or a ModelError that counts and names them."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(weights)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{weights} cannot be read as safetensors ({error}); add the model again.") from error
    own = model.state_dict()
    missing, unexpected = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
    shapes = [k for k in own.keys() & tensors.keys() if own[k].shape != tensors[k].shape]
    if missing or unexpected or shapes:
        raise ModelError(
            f"{weights} does not fit {model.config.name}: {len(missing)} tensors missing, "
            f"{len(unexpected)} unexpected, {len(shapes)} of another shape, for instance "
            f"{[*missing, *unexpected, *shapes][0]}; it belongs to another model description."
        )
    model.load_state_dict({k: v.to(own[k].dtype) for k, v in tensors.items()})


def save_model(model: "Segmenter", folder: Path, *, config: ModelConfig) -> None:
    """Write `model.json`, fp16 weights and the open_clip configuration; each file whole or not at all."""
    import torch
    from safetensors.torch import save

    from usassist.core.models.clip import open_clip_config_file
    from usassist.core.project.atomic import write_bytes

    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        k: (v.half() if v.dtype == torch.float32 else v).cpu().contiguous() for k, v in model.state_dict().items()
    }
    write_bytes(folder / WEIGHTS_FILE, save(tensors))
    write_bytes(folder / CONFIG_FILE, config.to_json().encode())
    clip_config = open_clip_config_file(config.encoder.open_clip, None)
    if clip_config is not None and clip_config.parent != folder:
        write_bytes(folder / clip_config.name, clip_config.read_bytes())


def add_model(run: Path, *, name: str | None = None) -> ModelInfo:
    """Copy a run's or another model's folder into the user's models; the name must be free. Raises ModelError."""
    config = ModelConfig.read(run)
    wanted = name or config.name
    if not _NAME.fullmatch(wanted):
        raise ModelError(f"A model's name is 1 to 64 letters, digits, '.', '_' and '-'; found {wanted!r}.")
    if any(info.name == wanted for info in list_models()):
        raise ModelError(f"There is a model {wanted!r} already; choose another with --name, or remove the old one.")
    if not (run / WEIGHTS_FILE).is_file():
        raise ModelError(f"{run} holds no {WEIGHTS_FILE}; has its training finished an epoch?")
    home = paths.user_models()
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home, prefix=".adding-") as temporary:
        draft = Path(temporary) / "model"
        draft.mkdir()
        wanted_files = [CONFIG_FILE, WEIGHTS_FILE, CARD_FILE, f"{Path(config.encoder.open_clip).name}.json"]
        for file in wanted_files:
            if (run / file).is_file():
                shutil.copyfile(run / file, draft / file)
        _check_loads(draft)
        draft.rename(home / wanted)
    return _info(home / wanted, "user")


def _check_loads(folder: Path) -> None:
    from usassist.core.models.build import build_segmenter

    fill(build_segmenter(ModelConfig.read(folder), folder=folder), folder / WEIGHTS_FILE)


def _info(folder: Path, origin: Literal["shipped", "user"]) -> ModelInfo:
    name = folder.name
    weights = folder / WEIGHTS_FILE
    try:
        config = ModelConfig.read(folder)
        stat = weights.stat()
        return ModelInfo(name, folder, config.title, origin, _hash(weights, stat.st_size, stat.st_mtime_ns), config)
    except (ModelError, OSError) as error:
        return ModelInfo(name, folder, name, origin, "", None, str(error))


@lru_cache(maxsize=64)
def _hash(path: Path, size: int, modified_ns: int) -> str:  # the rest of the cache's key
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
