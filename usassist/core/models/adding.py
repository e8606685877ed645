"""Models in and out of the user's folder: a run, a file of weights from anywhere, a name on a network; and removing."""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from usassist.core import paths
from usassist.core.errors import ModelError
from usassist.core.models import clip_settings
from usassist.core.models.config import CARD_FILE, CONFIG_FILE, WEIGHTS_FILE, ModelConfig
from usassist.core.models.familiarity import FAMILIARITY_FILE, load_familiarity
from usassist.core.models.weights import ModelInfo, describe, find_model, list_models
from usassist.core.project.atomic import explain, make_folder, sync_folder, write_bytes

SUMS_FILE = "SHA256SUMS"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SUM = re.compile(r"([0-9a-f]{64}) [ *]([^/\\]+)")
_MOST_BYTES = 2**20


def add(source: str, *, name: str | None = None, choice: str = "") -> ModelInfo:
    """Add a model: a run's or a model's folder, a file or folder of weights, or TAG:MODEL and hf-hub:OWNER/NAME.

    Only the last two need a network. `choice` names an open_clip configuration where tensors cannot tell. The model
    appears among the user's whole, flushed to the disk and checked, or not at all. Raises ModelError.
    """
    path = Path(source)
    if path.is_dir() and (path / CONFIG_FILE).is_file():
        return add_model(path, name=name)
    if path.exists():
        from usassist.core.models.importing import import_weights

        return import_weights(path, name=name, choice=choice)
    if re.fullmatch(r"[A-Za-z0-9_-]{2,}:[^\\]+", source):
        from usassist.core.models.fetching import fetch_and_import

        return fetch_and_import(source, name=name)
    raise ModelError(
        f"There is nothing at {source!r}. Give the folder of a run, a file of weights, a folder as published, or what "
        f"open_clip knows by name, such as openai:ViT-B-16."
    )


def add_model(run: Path, *, name: str | None = None) -> ModelInfo:
    """Copy a run's or another model's folder into the user's models; the name must be free. Raises ModelError."""
    config = ModelConfig.read(run)
    if not (run / WEIGHTS_FILE).is_file():
        raise ModelError(f"{run} holds no {WEIGHTS_FILE}; has its training finished an epoch?")
    with drafting(name or config.name) as draft:
        own = clip_settings.own_files(config.encoder.open_clip, run)
        figures = sorted(path.name for path in run.glob("card-*.svg"))  # those that the card shows
        for file in (CONFIG_FILE, WEIGHTS_FILE, FAMILIARITY_FILE, CARD_FILE, *figures, *(path.name for path in own)):
            if (run / file).is_file():
                copy_file(run / file, draft / file)
    return describe(paths.user_models() / (name or config.name), "user")


@contextmanager
def drafting(name: str) -> Iterator[Path]:
    """Yield an empty folder that becomes the user's model of this name when the block is done and it loads.

    Hashes of its files are recorded beside them. Raises ModelError: for a name that is taken or none, for a model that
    does not load, and where the disk refuses.
    """
    if not _NAME.fullmatch(name):
        raise ModelError(f"A model's name is 1 to 64 letters, digits, '.', '_' and '-'; found {name!r}.")
    if any(info.name == name for info in list_models()):
        raise ModelError(f"There is a model {name!r} already; choose another with --name, or remove the old one.")
    home = paths.user_models()
    make_folder(home, error=ModelError)
    try:
        with tempfile.TemporaryDirectory(dir=home, prefix=".adding-") as temporary:
            draft = Path(temporary) / name
            draft.mkdir()
            yield draft
            _check_loads(draft)
            _record_sums(draft)
            sync_folder(draft)
            draft.rename(home / name)
            sync_folder(home)
    except OSError as error:
        raise ModelError(explain(error, home / name)) from error


def copy_file(source: Path, target: Path) -> None:
    """Copy a file's content, flushed to the disk."""
    with source.open("rb") as reading, target.open("wb") as writing:
        shutil.copyfileobj(reading, writing)
        writing.flush()
        os.fsync(writing.fileno())


def write_file(target: Path, data: bytes) -> None:
    """Write a new file, flushed to the disk."""
    with target.open("wb") as writing:
        writing.write(data)
        writing.flush()
        os.fsync(writing.fileno())


def _check_loads(folder: Path) -> None:
    from usassist.core.models.build import build_model
    from usassist.core.models.weights import fill

    model = build_model(ModelConfig.read(folder), folder=folder)
    fill(model, folder / WEIGHTS_FILE)
    taps = model.encoder.tap_channels
    load_familiarity(folder, weights_hash=file_hash(folder / WEIGHTS_FILE), tap_channels=taps)


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _record_sums(folder: Path) -> None:
    lines = [f"{file_hash(path)}  {path.name}\n" for path in sorted(folder.iterdir())]
    write_file(folder / SUMS_FILE, "".join(lines).encode())


def record_file(folder: Path, file: str) -> None:
    """Record the hash of a file that came later, where hashes of a model's files are recorded. Raises ModelError."""
    if (folder / SUMS_FILE).is_file():
        sums = _read_sums(folder) | {file: file_hash(folder / file)}
        lines = [f"{sums[name]}  {name}\n" for name in sorted(sums)]
        write_bytes(folder / SUMS_FILE, "".join(lines).encode(), error=ModelError)


@dataclass(frozen=True, slots=True)
class Verification:
    """What re-reading a model's files found: their names, by what became of them since the model was added."""

    unchanged: tuple[str, ...]
    changed: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        return not self.changed and not self.missing


def verify_model(name: str) -> Verification:
    """Hash a model's files again and compare with the hashes of when it was added.

    Raises ModelError where there is no such model or no record, and where its base is missing or another one.
    """
    from usassist.core.models import base

    info = find_model(name)
    sums = _read_sums(info.folder)
    there = {file: file_hash(info.folder / file) for file in sums if (info.folder / file).is_file()}
    if info.config is not None and info.config.encoder.base:
        base.find(info.config.encoder, beside=info.folder)
    return Verification(
        tuple(file for file in there if there[file] == sums[file]),
        tuple(file for file in there if there[file] != sums[file]),
        tuple(file for file in sums if file not in there),
    )


def _read_sums(folder: Path) -> dict[str, str]:
    try:
        with (folder / SUMS_FILE).open("rb") as file:
            text = file.read(_MOST_BYTES).decode("utf-8", errors="replace")
    except OSError as error:
        raise ModelError(
            f"{folder} has no {SUMS_FILE} to compare with ({error.strerror}); it was not added by usassist models add."
        ) from error
    found = [_SUM.fullmatch(line) for line in text.splitlines()]
    sums = {match[2]: match[1] for match in found if match is not None}
    if not sums or None in found:
        raise ModelError(f"{folder / SUMS_FILE} is damaged: expected a SHA-256 and a file's name on each line.")
    return sums


def remove_model(name: str) -> Path:
    """Remove a model of the user's; returns where it was. Raises ModelError for a shipped one and for a base in use."""
    home = paths.user_models()
    if not _NAME.fullmatch(name) or not (home / name).is_dir():
        shipped = any(info.name == name and info.origin == "shipped" for info in list_models())
        why = "ships with usassist and stays" if shipped else "is not among the models you added"
        raise ModelError(f"The model {name!r} {why}; `usassist models list` shows what can be removed.")
    models = list_models()
    gone = next((info for info in models if info.name == name and info.origin == "user"), None)
    standing = [other.name for other in models if gone is not None and _stands_on(other, gone, models)]
    if standing:
        raise ModelError(
            f"{name!r} is the base of {', '.join(standing)}, which could not be loaded without it; remove those first."
        )
    try:
        with tempfile.TemporaryDirectory(dir=home, prefix=".removing-") as temporary:
            (home / name).rename(Path(temporary) / name)  # away in one step, whatever happens while it is deleted
            sync_folder(home)
    except OSError as error:
        raise ModelError(
            f"{home / name} was not removed: {error.strerror}. Check its permissions and retry."
        ) from error
    return home / name


def _stands_on(other: ModelInfo, gone: ModelInfo, models: list[ModelInfo]) -> bool:
    if other.config is None or not other.config.encoder.base:
        return False
    encoder = other.config.encoder
    if not encoder.base_hash:
        return encoder.base == gone.name
    twins = [info for info in models if info.weights_hash == gone.weights_hash and info.folder != gone.folder]
    return encoder.base_hash == gone.weights_hash and not twins
