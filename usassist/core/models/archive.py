"""Tensors out of files from anywhere: nothing in them is ever run, and no size is believed before it is checked."""

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from usassist.core.errors import ModelError

Kind = Literal["safetensors", "torchscript", "checkpoint"]

_MOST_BYTES = 8 * 2**30
_MOST_PICKLE = 64 * 2**20
_MOST_MEMBERS = 100_000
_MOST_VALUES = 1_000_000
_MOST_DEPTH = 64
# What a damaged or hostile pickle makes an unpickler and the rebuilding of tensors raise.
_BROKEN = (ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, OSError, RecursionError, RuntimeError)
_DAMAGED = (*_BROKEN, TypeError, ValueError, pickle.UnpicklingError, zipfile.BadZipFile, NotImplementedError)

_DTYPES = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


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
    if size > _MOST_BYTES:
        raise ModelError(f"{path} has {size / 2**30:.1f} GiB; at most {_MOST_BYTES / 2**30:.0f} GiB are read.")
    if start.startswith(b"PK"):
        return _read_zip(path, size)
    if len(start) > 8 and start[8:9] == b"{":
        return Archive(path, "safetensors", _read_safetensors(path))
    if start.startswith((b"\x80", b"}", b"(")):
        return Archive(path, "checkpoint", _read_old_pickle(path))
    raise ModelError(
        f"{path.name} is no file of weights: expected safetensors, or what torch.save or torch.jit.save write. A link "
        f"that was saved as a web page looks like this too; download the file again."
    )


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from usassist.core.models.weights import read_tensors

    return read_tensors(path)


def _read_old_pickle(path: Path) -> dict[str, Tensor]:
    """Read what torch.save wrote before version 1.6, by torch's own reader that refuses code."""
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:  # torch's own words advise to switch its guard off
        raise _refusal(path, pickle.UnpicklingError("refused as unsafe")) from error
    except _DAMAGED as error:
        raise _refusal(path, error) from error
    return flatten(loaded)


def _read_zip(path: Path, size: int) -> Archive:
    try:
        with zipfile.ZipFile(path) as archive:
            root, scripted = _check_members(path, archive, size)
            with archive.open(f"{root}data.pkl") as member:
                pickled = member.read(_MOST_PICKLE + 1)
            unpickler = _InertUnpickler(pickled, archive, root)
            tensors = flatten(unpickler.load())
    except ModelError:
        raise
    except _DAMAGED as error:
        raise _refusal(path, error) from error
    return Archive(path, "torchscript" if scripted else "checkpoint", tensors)


def _refusal(path: Path, error: BaseException) -> ModelError:
    words = " ".join(str(error).split())[:200]
    return ModelError(
        f"{path.name} is damaged, incomplete, or holds more than tensors ({type(error).__name__}: {words}). Nothing in "
        f"it was run. Download it again, or save its state dict alone, best as safetensors."
    )


def _check_members(path: Path, archive: zipfile.ZipFile, size: int) -> tuple[str, bool]:
    """Return (the folder of data.pkl with its slash, whether it is TorchScript) of an archive whose sizes are sane."""
    members = archive.infolist()
    roots = [m.filename.removesuffix("data.pkl") for m in members if m.filename.endswith("data.pkl")]
    if not roots or len(members) > _MOST_MEMBERS:
        raise ModelError(
            f"{path.name} is a zip archive without weights in it: expected data.pkl, as torch.save writes."
        )
    root = min(roots, key=len)
    for member in members:
        # torch stores tensors uncompressed, so that what is unpacked is never larger than the file.
        if member.compress_type != zipfile.ZIP_STORED and member.filename.startswith(f"{root}data"):
            raise ModelError(f"{path.name} holds compressed tensors, which torch never writes; it is not read.")
    unpacked = sum(member.file_size for member in members if member.filename.startswith(f"{root}data"))
    if unpacked > size or archive.getinfo(f"{root}data.pkl").file_size > _MOST_PICKLE:
        raise ModelError(f"{path.name} says it unpacks to {unpacked} bytes but has {size}; it is not read.")
    order = f"{root}byteorder"
    if order in archive.namelist() and archive.read(order) != b"little":
        raise ModelError(f"{path.name} was written on a big-endian machine; save it again as safetensors.")
    return root, any(member.filename.startswith(f"{root}code/") for member in members)


class _Inert:
    """Stands in for every class that is not a tensor's: takes whatever it is given and does nothing with it."""

    state: object = None

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        self.state = state

    def __call__(self, *_: object, **__: object) -> "_Inert":
        return _Inert()

    def __setitem__(self, _: object, __: object) -> None:
        pass

    def append(self, _: object) -> None:
        pass

    def extend(self, _: object) -> None:
        pass


class _InertUnpickler(pickle._Unpickler):
    """Rebuilds tensors and plain containers; every other name becomes `_Inert`, whatever it is called.

    The one written in Python: its memo is a dictionary, where a large index costs nothing, and its steps can be
    replaced.
    """

    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)

    def __init__(self, data: bytes, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(io.BytesIO(data))
        self._archive, self._root = archive, root
        self._storages: dict[str, Tensor] = {}

    def _build(self) -> None:
        """Give an object its state; a tensor has its own by then, and no function or class is ever given one."""
        reader: Any = self  # its stack is not part of the typed interface
        if not isinstance(reader.stack[-2], _Inert | OrderedDict):
            raise pickle.UnpicklingError("a state for what is neither a module nor a dictionary")
        reader.load_build()

    dispatch[pickle.BUILD[0]] = _build

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        name = f"{module_name}.{global_name}"
        if name in ("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor"):
            return _rebuild_tensor
        if name == "torch._utils._rebuild_parameter":
            return _rebuild_parameter
        if name == "collections.OrderedDict":
            return OrderedDict
        if module_name in ("torch", "torch.storage") and global_name in _DTYPES:
            return _DTYPES[global_name]
        return _Inert

    def persistent_load(self, pid: Any) -> Tensor:
        """Return the storage that a tensor views, a flat tensor; read from the archive once."""
        kind, dtype, key, _, count = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            raise pickle.UnpicklingError(f"a storage of the kind {kind!r} is not known")
        if key not in self._storages:
            data = self._archive.read(f"{self._root}data/{key}")
            if len(data) < count * dtype.itemsize or count < 0:
                raise pickle.UnpicklingError(f"the storage {key} has {len(data)} bytes, fewer than it says")
            flat = torch.frombuffer(bytearray(data), dtype=dtype, count=count) if count else torch.empty(0, dtype=dtype)
            self._storages[key] = flat
        return self._storages[key]


def _rebuild_tensor(storage: Tensor, offset: int, size: Any, stride: Any, *_: object) -> Tensor:
    count = 1
    for side in size:
        count *= side
    if not isinstance(storage, Tensor) or count > storage.numel():  # a stride of 0 would make a giant of one number
        raise pickle.UnpicklingError(f"a tensor of {count} numbers views a storage that has fewer")
    return storage.as_strided(tuple(size), tuple(stride), offset)


def _rebuild_parameter(data: Tensor, *_: object) -> Tensor:
    return data


def flatten(loaded: object) -> dict[str, Tensor]:
    """Return every tensor in nested mappings and inert objects by its dotted name; what is no tensor is left out.

    >>> sorted(flatten({"state_dict": {"a.b": torch.zeros(1)}, "epoch": 3}))
    ['state_dict.a.b']
    """
    found: dict[str, Tensor] = {}
    for count, (name, value) in enumerate(_walk(loaded, "", 0)):
        if count > _MOST_VALUES:
            raise ModelError(f"The file holds more than {_MOST_VALUES} values; it is not read.")
        if isinstance(value, Tensor):
            found[name] = value
    return found


def _walk(value: object, name: str, depth: int) -> Iterator[tuple[str, object]]:
    yield name, value
    if isinstance(value, _Inert):
        value = value.state
    if isinstance(value, Mapping) and depth < _MOST_DEPTH:
        for key, item in value.items():
            yield from _walk(item, f"{name}.{key}" if name else str(key), depth + 1)
