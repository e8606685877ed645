"""A pickle read without running anything: tensors and plain containers are rebuilt, all else does nothing."""

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, BinaryIO, ClassVar

import torch
from torch import Tensor

MOST_BYTES = 8 * 2**30
MOST_NAME = 1000
_MOST_DIMENSIONS = 64
# Reads of a pickle, at least one for each thing in it; the checkpoint of a large model takes some hundred thousand.
_MOST_STEPS = 2_000_000
_LARGEST_KEY = 2**60  # below it no two integers have one hash

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


class Inert:
    """Stands in for every class that is not a tensor's: takes whatever it is given and does nothing with it."""

    state: object = None

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __call__(self, *_: object, **__: object) -> "Inert":
        return Inert()

    def append(self, _: object) -> None:
        pass

    def extend(self, _: object) -> None:
        pass


class Pickles(io.BytesIO):
    """Bytes of pickles that are read in a bounded number of steps, so that one byte each cannot fill the memory.

    Fewer bytes than were asked for are an EOFError: an unpickler would trip over them in many ways.
    """

    steps = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self._step()
        data = super().read(size)
        if size is not None and len(data) < size:
            raise EOFError("a pickle that ends too early")
        return data

    def readline(self, size: int | None = -1, /) -> bytes:
        self._step()
        return super().readline(size)

    def _step(self) -> None:
        self.steps += 1
        if self.steps > _MOST_STEPS:
            raise pickle.UnpicklingError(f"a pickle of more than {_MOST_STEPS} steps")


class InertUnpickler(pickle._Unpickler):
    """Rebuilds tensors and plain containers; every other name becomes `Inert`, whatever it is called.

    The one written in Python: its memo is a dictionary, where a large index costs nothing, and its steps can be
    replaced. Here they are by such as hash nothing but names: a tuple nested in itself takes for ever to hash.
    """

    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)
    # A size that is believed, and what comes from outside of the file.
    for _code in (b"\x96", b"\x97", b"\x98", pickle.EXT1, pickle.EXT2, pickle.EXT4):
        del dispatch[_code[0]]

    def __init__(self, pickles: Pickles, storage_of: Callable[[Any], object]) -> None:
        super().__init__(pickles)
        self._storage_of = storage_of

    def _build(self) -> None:
        """Give an inert object its state; no tensor, function or class is given one, and a dictionary needs none."""
        reader: Any = self  # its stack is not part of the typed interface
        state = reader.stack.pop()
        if isinstance(reader.stack[-1], Inert):
            reader.stack[-1].state = state
        elif not isinstance(reader.stack[-1], OrderedDict):
            raise pickle.UnpicklingError("a state for what is neither a module nor a dictionary")

    def _set_item(self) -> None:
        reader: Any = self
        value, key = reader.stack.pop(), reader.stack.pop()
        _put(reader.stack[-1], [key, value])

    def _set_items(self) -> None:
        reader: Any = self
        items = reader.pop_mark()
        _put(reader.stack[-1], items)

    def _dict(self) -> None:
        reader: Any = self
        items = reader.pop_mark()
        new: dict[Any, Any] = {}
        _put(new, items)
        reader.append(new)

    def _add_items(self) -> None:
        """Leave a set empty, for no tensor is ever in one."""
        reader: Any = self
        reader.pop_mark()

    def _frozenset(self) -> None:
        reader: Any = self
        reader.pop_mark()
        reader.append(frozenset())

    def _frame(self) -> None:
        """Skip a frame's length, so that what is in it is read, and counted, like the rest."""
        reader: Any = self
        reader.read(8)

    dispatch[pickle.BUILD[0]] = _build
    dispatch[pickle.SETITEM[0]] = _set_item
    dispatch[pickle.SETITEMS[0]] = _set_items
    dispatch[pickle.DICT[0]] = _dict
    dispatch[pickle.ADDITEMS[0]] = _add_items
    dispatch[pickle.FROZENSET[0]] = _frozenset
    dispatch[pickle.FRAME[0]] = _frame

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        name = f"{module_name}.{global_name}"
        if name in ("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor"):
            return _rebuild_tensor
        if name == "torch._utils._rebuild_parameter":
            return _rebuild_parameter
        if name == "collections.OrderedDict":
            return _rebuild_ordered
        if module_name in ("torch", "torch.storage") and global_name in _DTYPES:
            return _DTYPES[global_name]
        return Inert

    def persistent_load(self, pid: Any) -> object:
        return self._storage_of(pid)


def _put(target: object, items: list[Any]) -> None:
    """Put keys and values, one after the other, in a dictionary; only text and integers are ever hashed as keys."""
    if isinstance(target, Inert):
        return
    if not isinstance(target, dict):
        raise pickle.UnpicklingError("items for what is no dictionary")
    for key, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(key, str) and not (isinstance(key, int) and abs(key) < _LARGEST_KEY):
            raise pickle.UnpicklingError("a dictionary whose keys are not text or integers")
        target[key] = value


def _rebuild_ordered(pairs: object = ()) -> OrderedDict[Any, Any]:
    new: OrderedDict[Any, Any] = OrderedDict()
    if not isinstance(pairs, list | tuple):
        raise pickle.UnpicklingError("a dictionary of what are no pairs")
    for pair in pairs:
        key, value = pair
        _put(new, [key, value])
    return new


class ZipStorages:
    """The storages that tensors of a zip archive view, flat tensors; each is read from it once."""

    def __init__(self, archive: zipfile.ZipFile, root: str) -> None:
        self._archive, self._root = archive, root
        self._storages: dict[str, Tensor] = {}

    def __call__(self, pid: Any) -> Tensor:
        key, dtype, count = _storage_id(pid[:5])
        if key not in self._storages:
            data = self._archive.read(f"{self._root}data/{key}")
            if len(data) < count * dtype.itemsize:
                raise pickle.UnpicklingError(f"the storage {key} has {len(data)} bytes, fewer than it says")
            flat = torch.frombuffer(bytearray(data), dtype=dtype, count=count) if count else torch.empty(0, dtype=dtype)
            self._storages[key] = flat
        return self._storages[key]


class OldStorages:
    """The storages of a file before torch 1.6, flat tensors; what they hold comes after the tensors that view them."""

    def __init__(self, left: int) -> None:
        self._left = left
        self._storages: dict[str, Tensor] = {}

    def __call__(self, pid: Any) -> object:
        if isinstance(pid[0], str) and pid[0] == "module":  # the class of a module that was saved whole
            return Inert
        key, dtype, count = _storage_id(pid[:5])
        if len(pid) > 5 and pid[5] is not None:
            raise pickle.UnpicklingError("storages within storages, as torch wrote them before version 0.4")
        if key not in self._storages:
            self._left -= count * dtype.itemsize
            if self._left < 0:
                raise EOFError("the storages are larger than the file")
            self._storages[key] = torch.empty(count, dtype=dtype)
        return self._storages[key]

    def fill(self, file: BinaryIO, keys: object) -> None:
        """Read what the storages hold: of each the number of its values (int64), then these."""
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise pickle.UnpicklingError("the names of the storages are missing")
        if sorted(keys) != sorted(self._storages):
            raise pickle.UnpicklingError("the storages are not those that the tensors view")
        for key in keys:
            values = self._storages[key].view(torch.uint8).numpy()
            said = file.read(8)
            if int.from_bytes(said, "little", signed=True) != self._storages[key].numel() and len(said) == 8:
                raise pickle.UnpicklingError(f"the storage {key} has another size than it says")
            if file.readinto(values) != values.size:  # type: ignore[attr-defined]
                raise EOFError(f"the storage {key} is longer than the file")


def _storage_id(pid: Any) -> tuple[str, torch.dtype, int]:
    """Return (key, dtype, number of values) of a storage's persistent id; nothing in it is shown before it is known."""
    kind, dtype, key, _, count = pid
    if not isinstance(kind, str) or kind != "storage" or not isinstance(dtype, torch.dtype):
        raise pickle.UnpicklingError("a storage of a kind that is not known")
    if not isinstance(key, str) or len(key) > MOST_NAME or not _is_size(count):
        raise pickle.UnpicklingError("a storage without a name or a size")
    return key, dtype, count


def _is_size(value: object) -> bool:
    return type(value) is int and 0 <= value <= MOST_BYTES


def _are_sizes(values: object) -> bool:
    return isinstance(values, list | tuple) and len(values) <= _MOST_DIMENSIONS and all(map(_is_size, values))


def _rebuild_tensor(storage: Tensor, offset: int, size: Any, stride: Any, *_: object) -> Tensor:
    if not isinstance(storage, Tensor) or not _are_sizes(size) or not _are_sizes(stride) or not _is_size(offset):
        raise pickle.UnpicklingError("a tensor whose size, strides or offset are no sizes")
    count = math.prod(size)
    last = offset + sum((side - 1) * step for side, step in zip(size, stride, strict=True))
    # A stride of 0 would make a giant of one number.
    if count > storage.numel() or (count and last >= storage.numel()):
        raise pickle.UnpicklingError(f"a tensor of {count} numbers views a storage that has fewer")
    return storage.as_strided(tuple(size), tuple(stride), offset)


def _rebuild_parameter(data: Tensor, *_: object) -> Tensor:
    return data
