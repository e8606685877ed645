"""Tensors out of files from anywhere: nothing in them is ever run, and no size is believed before it is checked."""

import pickle
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor

from usassist.core.errors import ModelError
from usassist.core.models.inert_pickle import (
    MOST_BYTES,
    MOST_NAME,
    Inert,
    InertUnpickler,
    OldStorages,
    Pickles,
    ZipStorages,
)

Kind = Literal["safetensors", "torchscript", "checkpoint"]

_MOST_PICKLE = 64 * 2**20
_MOST_MEMBERS = 100_000
_MOST_VALUES = 300_000
_MOST_DEPTH = 64
_MOST_NAMES = 10_000_000  # characters of all names together
_ZIP_END = 22
_LONGEST_ZIP_END = _ZIP_END + 65_535  # the record and its comment
# What torch.save wrote first before version 1.6.
_OLD_MAGIC = 0x1950A86A20F9469CFC6C
# What a damaged or hostile pickle makes an unpickler and the rebuilding of tensors raise.
_BROKEN = (ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, OSError, RecursionError, RuntimeError)
_DAMAGED = (*_BROKEN, TypeError, ValueError, pickle.UnpicklingError, zipfile.BadZipFile, NotImplementedError)


@dataclass(frozen=True, slots=True)
class Archive:
    """What a file of weights holds: tensors by dotted names, as they are nested in it."""

    path: Path
    kind: Kind
    tensors: Mapping[str, Tensor]


def read_archive(path: Path) -> Archive:
    """Read every tensor of a safetensors file, a TorchScript archive or a file of torch.save, in its own precision.

    Raises ModelError for anything else, for a damaged file, and for sizes that do not fit the file.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); check the path.") from error
    if size > MOST_BYTES:
        raise ModelError(f"{path} has {size / 2**30:.1f} GiB; at most {MOST_BYTES / 2**30:.0f} GiB are read.")
    if start.startswith(b"PK"):
        return _read_zip(path, size)
    if len(start) > 8 and start[8:9] == b"{":
        return Archive(path, "safetensors", _read_safetensors(path))
    if start.startswith((b"\x80", b"}", b"(")):
        return Archive(path, "checkpoint", _read_old_pickle(path, size))
    raise ModelError(
        f"{path.name} is no file of weights: expected safetensors, or what torch.save or torch.jit.save write. A link "
        f"that was saved as a web page looks like this too; download the file again."
    )


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from usassist.core.models.weights import read_tensors

    return read_tensors(path)


def _read_old_pickle(path: Path, size: int) -> dict[str, Tensor]:
    """Read what torch.save wrote before version 1.6: five pickles one after another, then the storages."""
    try:
        with path.open("rb") as file:
            pickles = Pickles(file.read(min(size, _MOST_PICKLE)))
            storages = OldStorages(size)
            magic = InertUnpickler(pickles, storages).load()
            if not isinstance(magic, int) or magic != _OLD_MAGIC:
                raise pickle.UnpicklingError("a pickle that torch.save did not write")
            _, system, loaded, keys = (InertUnpickler(pickles, storages).load() for _ in range(4))
            if isinstance(system, dict) and system.get("little_endian") is False:
                raise _big_endian(path)
            file.seek(pickles.tell())
            storages.fill(file, keys)
            return flatten(loaded)
    except ModelError:
        raise
    except _DAMAGED as error:
        raise _refusal(path, error) from error


def _read_zip(path: Path, size: int) -> Archive:
    try:
        with zipfile.ZipFile(path) as archive:
            root, scripted = _check_members(path, archive, size)
            with archive.open(f"{root}data.pkl") as member:
                pickled = member.read(_MOST_PICKLE + 1)
            tensors = flatten(InertUnpickler(Pickles(pickled), ZipStorages(archive, root)).load())
    except ModelError:
        raise
    except _DAMAGED as error:
        raise _refusal(path, error) from error
    return Archive(path, "torchscript" if scripted else "checkpoint", tensors)


def _refusal(path: Path, error: BaseException) -> ModelError:
    if isinstance(error, EOFError) or (isinstance(error, zipfile.BadZipFile) and not _has_zips_end(path)):
        return ModelError(f"{path.name} is truncated: its end is missing. Nothing in it was run. Download it again.")
    words = " ".join(str(error).split())[:200]
    return ModelError(
        f"{path.name} is damaged, incomplete, or holds more than tensors ({type(error).__name__}: {words}). Nothing in "
        f"it was run. Download it again, or save its state dict alone, best as safetensors."
    )


def _has_zips_end(path: Path) -> bool:
    """Return whether what closes every zip archive stands at the end of a file."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _LONGEST_ZIP_END))
        end = file.read(_LONGEST_ZIP_END)
    return 0 <= end.rfind(b"PK\x05\x06") <= len(end) - _ZIP_END


def _big_endian(path: Path) -> ModelError:
    return ModelError(f"{path.name} was written on a big-endian machine; save it again as safetensors.")


def _check_members(path: Path, archive: zipfile.ZipFile, size: int) -> tuple[str, bool]:
    """Return (the folder of data.pkl with its slash, whether it is TorchScript) of an archive whose sizes are sane."""
    members = archive.infolist()
    roots = [m.filename.removesuffix("data.pkl") for m in members if m.filename.endswith("data.pkl")]
    if not roots or len(members) > _MOST_MEMBERS:
        raise ModelError(
            f"{path.name} is a zip archive without weights in it: expected data.pkl, as torch.save writes."
        )
    root = min(roots, key=len)
    order = f"{root}byteorder"
    read = [member for member in members if member.filename.startswith((f"{root}data", order))]
    # torch stores these uncompressed, so that what is unpacked is never larger than the file.
    if any(member.compress_type != zipfile.ZIP_STORED for member in read):
        raise ModelError(f"{path.name} holds compressed tensors, which torch never writes; it is not read.")
    unpacked = sum(member.file_size for member in read)
    if unpacked > size or archive.getinfo(f"{root}data.pkl").file_size > _MOST_PICKLE:
        raise ModelError(f"{path.name} says it unpacks to {unpacked} bytes but has {size}; it is not read.")
    if order in archive.namelist():
        with archive.open(order) as file:
            if file.read(16) != b"little":
                raise _big_endian(path)
    return root, any(member.filename.startswith(f"{root}code/") for member in members)


def flatten(loaded: object) -> dict[str, Tensor]:
    """Return every tensor in nested mappings and inert objects by its dotted name; what is no tensor is left out.

    >>> sorted(flatten({"state_dict": {"a.b": torch.zeros(1)}, "epoch": 3}))
    ['state_dict.a.b']
    """
    found: dict[str, Tensor] = {}
    letters = 0
    for count, (name, value) in enumerate(_walk(loaded)):
        if count > _MOST_VALUES:
            raise ModelError(f"The file holds more than {_MOST_VALUES} values; it is not read.")
        if isinstance(value, Tensor):
            found[name] = value
            letters += len(name)
            if letters > _MOST_NAMES:
                raise ModelError(f"The names in the file have more than {_MOST_NAMES} characters; it is not read.")
    return found


def _walk(loaded: object) -> Iterator[tuple[str, object]]:
    yield "", loaded
    unfinished = [("", _items_of(loaded))]
    while unfinished:
        above, items = unfinished[-1]
        key, item = next(items, (None, None))
        if key is None:
            unfinished.pop()
            continue
        part = str(key)
        if len(above) + len(part) >= MOST_NAME:
            raise ModelError(f"A name in the file has more than {MOST_NAME} characters; it is not read.")
        name = f"{above}.{part}" if above else part
        yield name, item
        if len(unfinished) < _MOST_DEPTH:
            unfinished.append((name, _items_of(item)))


def _items_of(value: object) -> Iterator[tuple[object, object]]:
    inner = value.state if isinstance(value, Inert) else value
    return iter(inner.items() if isinstance(inner, Mapping) else ())
