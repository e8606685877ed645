"""Model folders: finding, checking, loading and adding them. Listing imports no torch."""

import hashlib
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from usassist.core import paths
from usassist.core.errors import ModelError
from usassist.core.models import clip_settings
from usassist.core.models.config import CARD_FILE, CONFIG_FILE, WEIGHTS_FILE, ModelConfig

if TYPE_CHECKING:
    from torch import Tensor

    from usassist.core.models.segmenter import Segmenter

DEFAULT_MODEL = "usassist-us"
Origin = Literal["shipped", "user"]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model that can be chosen: where it lies, whether it was shipped or added, and the hash of its weights.

    `weights_hash` is a SHA-256 in hexadecimal. `config` is what `model.json` says; a model whose folder is damaged has
    None, no hash, and the reason in `problem`.
    """

    name: str
    folder: Path
    title: str
    origin: Origin
    weights_hash: str
    config: ModelConfig | None
    problem: str = ""

    @property
    def card(self) -> str:
        """Return the text of the model card, "" where there is none that can be read."""
        try:
            return (self.folder / CARD_FILE).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""


def list_models() -> list[ModelInfo]:
    """Return the shipped models, then the user's, each by name; damaged ones are listed with their problem.

    Reads every model's weights for their hash: seconds where the user's models are large, so not on the GUI thread.
    """
    return [_info(folder, origin) for folder, origin in _folders()]


def _folders() -> list[tuple[Path, Origin]]:
    homes: tuple[tuple[Path, Origin], ...] = (
        (paths.resources() / "models", "shipped"),
        (paths.user_models(), "user"),
    )
    return [
        (folder, origin)
        for home, origin in homes
        if home.is_dir()
        for folder in sorted(home.iterdir())
        if (folder / CONFIG_FILE).is_file()
    ]


def find_model(name: str | None) -> ModelInfo:
    """Return a model by name, or by folder where the text is a path; None gives the default. Raises ModelError."""
    wanted = name or DEFAULT_MODEL
    folders = _folders()
    # The user's model wins over a shipped one of the same name: putting it there was deliberate.
    found = next((item for item in reversed(folders) if item[0].name == wanted), None)
    if found is None and Path(wanted).is_dir():
        found = Path(wanted), "user"
    if found is None:
        names = ", ".join(folder.name for folder, _ in folders) or "none"
        raise ModelError(
            f"There is no model {wanted!r}; the models are {names}. A folder with {CONFIG_FILE} works too."
        )
    info = _info(*found)
    if info.problem:
        raise ModelError(f"The model {wanted!r} cannot be used: {info.problem}")
    return info


def load_model(name: str | None, *, device: str = "cpu") -> "tuple[Segmenter, ModelInfo]":
    """Load a model for inference only, its normalisations folded away.

    Raises ModelError, also where a tensor is missing or unexpected.
    """
    from usassist.core.models.build import build_segmenter
    from usassist.core.models.device import resolve
    from usassist.core.models.fold import fold_batch_norms
    from usassist.core.models.segmenter import freeze_for_inference

    info = find_model(name)
    if info.config is None:  # find_model refuses damaged models; this is for the type checker and for races
        raise ModelError(f"The model {info.name!r} lost its {CONFIG_FILE} while it was loaded.")
    model = build_segmenter(info.config, folder=info.folder)
    fill(model, info.folder / WEIGHTS_FILE)
    fold_batch_norms(model.eval())
    return freeze_for_inference(model).to(resolve(device)), info


def fill(model: "Segmenter", weights: Path) -> None:
    """Load weights into a model: 0 missing and 0 unexpected tensors, or a ModelError that counts and names them.

    Names and shapes are compared before a tensor is read, so a file of another model costs no memory. Raises ModelError
    too where a number in the file is not finite.
    """
    from safetensors import SafetensorError, safe_open

    own = model.state_dict()
    try:
        with safe_open(weights, framework="pt") as file:
            there = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118  no mapping
            _require_fit(model, weights, there)
            tensors = {name: file.get_tensor(name).to(own[name].dtype) for name in there}
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{weights} cannot be read as safetensors ({error}); add the model again.") from error
    broken = sorted(name for name, tensor in tensors.items() if not bool(tensor.isfinite().all()))
    if broken:
        raise ModelError(
            f"{weights} holds numbers that are not finite in {len(broken)} tensors, for instance {broken[0]}; "
            f"its training diverged or the file is damaged. Train or copy it again."
        )
    model.load_state_dict(tensors)


def _require_fit(model: "Segmenter", weights: Path, there: dict[str, tuple[int, ...]]) -> None:
    own = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    missing, unexpected = sorted(own.keys() - there.keys()), sorted(there.keys() - own.keys())
    shapes = sorted(k for k in own.keys() & there.keys() if own[k] != there[k])
    if missing or unexpected or shapes:
        raise ModelError(
            f"{weights} does not fit {model.config.name}: {len(missing)} tensors missing, "
            f"{len(unexpected)} unexpected, {len(shapes)} of another shape, for instance "
            f"{[*missing, *unexpected, *shapes][0]}; it belongs to another model description."
        )


def save_model(model: "Segmenter", folder: Path, *, config: ModelConfig, clip_folder: Path | None = None) -> None:
    """Write `model.json`, fp16 weights and the open_clip configuration; each file whole or not at all.

    `clip_folder` is where the open_clip configuration lies if it is not a shipped one. Raises ModelError.
    """
    from safetensors.torch import save

    from usassist.core.project.atomic import make_folder, write_bytes

    make_folder(folder, error=ModelError)
    tensors = {name: _halved(tensor).cpu().contiguous() for name, tensor in model.state_dict().items()}
    write_bytes(folder / WEIGHTS_FILE, save(tensors), error=ModelError)
    write_bytes(folder / CONFIG_FILE, config.to_json().encode(), error=ModelError)
    clip_config = clip_settings.find(config.encoder.open_clip, clip_folder)
    if clip_config is not None and clip_config.parent != folder:
        write_bytes(folder / clip_config.name, clip_config.read_bytes(), error=ModelError)


def _halved(tensor: "Tensor") -> "Tensor":
    """Return a float32 tensor as float16, unless a value would overflow to infinity there."""
    import torch

    if tensor.dtype != torch.float32:
        return tensor
    half = tensor.half()
    return half if bool(half.isfinite().all()) else tensor


def add_model(run: Path, *, name: str | None = None) -> ModelInfo:
    """Copy a run's or another model's folder into the user's models; the name must be free. Raises ModelError.

    The model appears whole, flushed to the disk and checked, or not at all.
    """
    from usassist.core.project.atomic import explain, make_folder, sync_folder

    config = ModelConfig.read(run)
    wanted = name or config.name
    if not _NAME.fullmatch(wanted):
        raise ModelError(f"A model's name is 1 to 64 letters, digits, '.', '_' and '-'; found {wanted!r}.")
    if any(info.name == wanted for info in list_models()):
        raise ModelError(f"There is a model {wanted!r} already; choose another with --name, or remove the old one.")
    if not (run / WEIGHTS_FILE).is_file():
        raise ModelError(f"{run} holds no {WEIGHTS_FILE}; has its training finished an epoch?")
    home = paths.user_models()
    make_folder(home, error=ModelError)
    try:
        with tempfile.TemporaryDirectory(dir=home, prefix=".adding-") as temporary:
            draft = Path(temporary) / "model"
            _copy_model(run, draft, clip_config=f"{config.encoder.open_clip}.json")
            _check_loads(draft)
            draft.rename(home / wanted)
            sync_folder(home)
    except OSError as error:
        raise ModelError(explain(error, home / wanted)) from error
    return _info(home / wanted, "user")


def _copy_model(run: Path, draft: Path, *, clip_config: str) -> None:
    from usassist.core.project.atomic import sync_folder

    draft.mkdir()
    for file in (CONFIG_FILE, WEIGHTS_FILE, CARD_FILE, clip_config):
        if (run / file).is_file():
            with (run / file).open("rb") as source, (draft / file).open("wb") as target:
                shutil.copyfileobj(source, target)
                target.flush()
                os.fsync(target.fileno())
    sync_folder(draft)


def _check_loads(folder: Path) -> None:
    from usassist.core.models.build import build_segmenter

    fill(build_segmenter(ModelConfig.read(folder), folder=folder), folder / WEIGHTS_FILE)


def _info(folder: Path, origin: Origin) -> ModelInfo:
    name, weights = folder.name or folder.resolve().name, folder / WEIGHTS_FILE
    try:
        config = ModelConfig.read(folder)
        stat = weights.stat()
        return ModelInfo(name, folder, config.title, origin, _hash(weights, stat.st_size, stat.st_mtime_ns), config)
    except ModelError as error:
        return ModelInfo(name, folder, name, origin, "", None, str(error))
    except OSError as error:
        reason = f"{weights} cannot be read ({error.strerror}); add the model again."
        return ModelInfo(name, folder, name, origin, "", None, reason)


@lru_cache(maxsize=64)
def _hash(path: Path, size: int, modified_ns: int) -> str:  # the rest of the cache's key
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
