"""Model folders: finding, checking, loading and saving them. Listing imports no torch."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from usassist.core import paths
from usassist.core.errors import ModelError
from usassist.core.models import clip_settings
from usassist.core.models.config import CARD_FILE, CONFIG_FILE, WEIGHTS_FILE, ModelConfig, Precision

if TYPE_CHECKING:
    from torch import Tensor

    from usassist.core.models.build import Model

    Shapes = Mapping[str, tuple[int, ...]]
    Check = Callable[[Shapes, Mapping[str, str]], None]

DEFAULT_MODEL = "usassist-us"
Origin = Literal["shipped", "user"]
_ADAPTER_WORDS = "adapter"

MOST_HEADER = 4 * 2**20
"""Bytes of a safetensors header that are read here: tens of thousands of tensors, and at worst a second of parsing."""


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
    return [describe(folder, origin) for folder, origin in _folders()]


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
    info = describe(*_folder_of(name))
    if info.problem:
        raise ModelError(f"The model {name or DEFAULT_MODEL!r} cannot be used: {info.problem}")
    return info


def read_config(name: str | None) -> ModelConfig:
    """Return what `model.json` of a model says, found as `find_model` does but quickly: its weights are not read.

    Raises ModelError.
    """
    return ModelConfig.read(_folder_of(name)[0])


def _folder_of(name: str | None) -> tuple[Path, Origin]:
    wanted = name or DEFAULT_MODEL
    folders = _folders()
    # The user's model wins over a shipped one of the same name: putting it there was deliberate.
    found = next((item for item in reversed(folders) if item[0].name == wanted), None)
    if found is None and Path(wanted).is_dir():
        shipped = Path(wanted).resolve().is_relative_to((paths.resources() / "models").resolve())
        found = Path(wanted), "shipped" if shipped else "user"
    if found is None:
        names = ", ".join(folder.name for folder, _ in folders) or "none"
        raise ModelError(
            f"There is no model {wanted!r}; the models are {names}. A folder with {CONFIG_FILE} works too."
        )
    return found


def load_model(name: str | None, *, device: str = "cpu", precision: Precision = "fp32") -> "tuple[Model, ModelInfo]":
    """Load a model for inference only, as `work.make_ready` leaves it: it can be neither saved nor trained.

    Below "fp32" answers differ a little. Raises ModelError, also where a tensor is missing or unexpected.
    """
    from usassist.core.models.build import build_model
    from usassist.core.models.work import make_ready

    info = find_model(name)
    if info.config is None:  # find_model refuses damaged models; this is for the type checker and for races
        raise ModelError(f"The model {info.name!r} lost its {CONFIG_FILE} while it was loaded.")
    model = build_model(info.config, folder=info.folder)
    fill(model, info.folder / WEIGHTS_FILE)
    return make_ready(model, device=device, precision=precision), info


def fill(model: "Model", weights: Path) -> None:
    """Load a model's own tensors: 0 missing and 0 unexpected, or a ModelError that counts and names them.

    Own is everything, or with a base what `adapt.owned_names` lists: the rest came from the base. Names and shapes are
    compared before a tensor is read, so a file of another model costs no memory. Raises ModelError too where a number
    in the file is not finite, and one that names both where the file holds another adapter than the description.
    """
    from usassist.core.models.adapt import owned_names

    own = model.state_dict()
    names = owned_names(model, model.config)
    expected = {name: tuple(tensor.shape) for name, tensor in own.items() if name in names}
    tensors = read_tensors(
        weights, check=lambda there, words: _require_fit(model.config, expected, weights, there, words)
    )
    model.load_state_dict({name: tensor.to(own[name].dtype) for name, tensor in tensors.items()}, strict=False)


def read_tensors(path: Path, *, prefix: str = "", check: "Check | None" = None) -> "dict[str, Tensor]":
    """Return the tensors of a safetensors file whose names begin with `prefix`, in the precision of the file.

    `check` is given every name with its shape, and the file's own words about itself, before a tensor is read. Raises
    ModelError for a file that cannot be read and for numbers that are not finite.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
            if check is not None:
                check({name: tuple(file.get_slice(name).get_shape()) for name in names}, dict(file.metadata() or {}))
            tensors = {name: file.get_tensor(name) for name in names if name.startswith(prefix)}
    except (OSError, SafetensorError) as error:
        short = _missing_bytes(path)
        if short:
            raise ModelError(
                f"{path} is truncated (bytes missing at its end: {short}). Copy or download it again."
            ) from error
        raise ModelError(f"{path} cannot be read as safetensors ({error}); add the model again.") from error
    odd = sorted(name for name, tensor in tensors.items() if tensor.is_complex())
    if odd:
        raise ModelError(
            f"{path} holds complex numbers in {len(odd)} tensors, for instance {odd[0]}; no model has any."
        )
    broken = sorted(name for name, tensor in tensors.items() if not bool(tensor.isfinite().all()))
    if broken:
        raise ModelError(
            f"{path} holds numbers that are not finite in {len(broken)} tensors, for instance {broken[0]}; "
            f"its training diverged or the file is damaged. Train or copy it again."
        )
    return tensors


def _missing_bytes(path: Path) -> int:
    """Return how many bytes of a safetensors file its own header misses, 0 where none or where it says nothing."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > MOST_HEADER:
                return 0
            text = file.read(length)
            if len(text) < length:
                return length - len(text)
            entries = [entry for name, entry in json.loads(text).items() if name != "__metadata__"]
            return max(0, 8 + length + max((int(entry["data_offsets"][1]) for entry in entries), default=0) - size)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError):
        return 0  # OverflowError: 1e999 is an infinity


def _require_fit(config: ModelConfig, own: "Shapes", weights: Path, there: "Shapes", words: Mapping[str, str]) -> None:
    missing, unexpected = sorted(own.keys() - there.keys()), sorted(there.keys() - own.keys())
    shapes = sorted(k for k in own.keys() & there.keys() if own[k] != there[k])
    described, held = _adapter_words(config), words.get(_ADAPTER_WORDS)
    other_adapter = held is not None and held != described
    if not (missing or unexpected or shapes or other_adapter):
        return
    example = f", for instance {[*missing, *unexpected, *shapes][0]}" if missing or unexpected or shapes else ""
    why = "it belongs to another model description"
    if other_adapter:
        why = f"it holds the adapter {held!r}, while the description says {described!r}"
    raise ModelError(
        f"{weights} does not fit {config.name}: {len(missing)} tensors missing, {len(unexpected)} unexpected, "
        f"{len(shapes)} of another shape{example}; {why}."
    )


def _adapter_words(config: ModelConfig) -> str:
    """Return the adapter in words, to be kept beside the tensors: "mona, both, hybrid, bottleneck 64, all layers"."""
    adapter = config.adapter
    layers = f"layers {', '.join(map(str, adapter.layers))}" if adapter.layers else "all layers"
    if adapter.kind == "mona":
        shared = "shared " if adapter.shared else ""
        return f"mona, {shared}{adapter.placement}, {adapter.variant}, bottleneck {adapter.bottleneck}, {layers}"
    if adapter.kind == "lora":
        return f"lora, rank {adapter.rank}, alpha {adapter.alpha:g}, {layers}"
    return f"{adapter.kind}, {layers}" if adapter.kind == "full" else adapter.kind


def save_model(model: "Model", folder: Path, *, config: ModelConfig, clip_folder: Path | None = None) -> None:
    """Write `model.json`, the weights and the encoder's own files; each file whole or not at all.

    The weights are fp16 but for vectors and adapters, which stay float32. With a base only the tensors that
    `adapt.owned_names` lists are written, all in float32, after a check that the others are still the base's.
    `clip_folder` is where the open_clip configuration lies if it is not a shipped one. What other weights in the folder
    were familiar with goes. The weights are written last: where they are there, so is the rest. Raises ModelError.
    """
    from usassist.core.models.familiarity import FAMILIARITY_FILE
    from usassist.core.project.atomic import make_folder, remove, write_bytes

    make_folder(folder, error=ModelError)
    data = _serialised(model, folder, config)
    changed = not _holds(folder, data)
    if changed:
        remove(folder / FAMILIARITY_FILE, error=ModelError)
    write_bytes(folder / CONFIG_FILE, config.to_json().encode(), error=ModelError)
    for source in clip_settings.own_files(config.encoder.open_clip, clip_folder):
        if source.parent != folder:
            write_bytes(folder / source.name, source.read_bytes(), error=ModelError)
    if changed:
        write_bytes(folder / WEIGHTS_FILE, data, error=ModelError)


def is_saved(model: "Model", folder: Path, *, config: ModelConfig) -> bool:
    """Return whether a folder holds exactly the weights that `save_model` would write there. Raises ModelError."""
    return _holds(folder, _serialised(model, folder, config))


def _holds(folder: Path, data: bytes) -> bool:
    path = folder / WEIGHTS_FILE
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False


def _serialised(model: "Model", folder: Path, config: ModelConfig) -> bytes:
    """Return a model's own tensors as a safetensors file, always the same bytes for the same ones."""
    from safetensors.torch import save

    from usassist.core.models.adapt import adapter_names, owned_names
    from usassist.core.models.base import require_unchanged

    state, names = model.state_dict(), owned_names(model, config)
    if config.encoder.base:
        rest = {name: tensor for name, tensor in state.items() if name not in names}
        require_unchanged(rest, config.encoder, beside=folder)
    exact = names if config.encoder.base else adapter_names(model)
    tensors = {
        name: (tensor if name in exact else _halved(tensor)).cpu().contiguous()
        for name, tensor in state.items()
        if name in names
    }
    return save(tensors, metadata={_ADAPTER_WORDS: _adapter_words(config)})


def _halved(tensor: "Tensor") -> "Tensor":
    """Return a float32 matrix or kernel as float16, unless a value would overflow to infinity there.

    Vectors stay: gains near 1 and scales near 0 are what float16 rounds most visibly, and they are small.
    """
    import torch

    if tensor.dtype != torch.float32 or tensor.ndim < 2:
        return tensor
    half = tensor.half()
    return half if bool(half.isfinite().all()) else tensor


def describe(folder: Path, origin: Origin) -> ModelInfo:
    """Return what there is to know about a model's folder without loading it."""
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
