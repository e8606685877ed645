"""Tensors come out of every kind of file; nothing in a file is run, and no size is believed."""

import argparse
import io
import os
import pickle
import struct
import time
import tracemalloc
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tests.core.models.published import write_script
from usassist.core.errors import ModelError
from usassist.core.models import inert_pickle
from usassist.core.models.archive import flatten, read_archive

STATE = {
    "a.weight": torch.randn(3, 4),
    "a.bias": torch.arange(3),
    "scale": torch.tensor(2.0),
    "half": torch.ones(2).half(),
}


def _same(tensors) -> bool:
    return tensors.keys() == STATE.keys() and all(torch.equal(tensors[name], STATE[name]) for name in STATE)


def test_a_file_of_torch_save_gives_its_tensors(tmp_path) -> None:
    torch.save(STATE, tmp_path / "x.pt")
    archive = read_archive(tmp_path / "x.pt")
    assert archive.kind == "checkpoint"
    assert _same(archive.tensors)


def test_a_file_of_an_old_torch_gives_its_tensors(tmp_path) -> None:
    torch.save(STATE, tmp_path / "x.bin", _use_new_zipfile_serialization=False)
    assert _same(read_archive(tmp_path / "x.bin").tensors)


def test_a_safetensors_file_gives_its_tensors(tmp_path) -> None:
    save_file(STATE, tmp_path / "x.anything")
    archive = read_archive(tmp_path / "x.anything")
    assert archive.kind == "safetensors"
    assert _same(archive.tensors)


def test_views_strides_and_shared_storages_are_rebuilt(tmp_path) -> None:
    whole = torch.randn(4, 6)
    torch.save(
        {"whole": whole, "turned": whole.T, "row": whole[2], "parameter": nn.Parameter(whole)}, tmp_path / "x.pt"
    )
    tensors = read_archive(tmp_path / "x.pt").tensors
    assert torch.equal(tensors["turned"], whole.T)
    assert torch.equal(tensors["row"], whole[2])
    assert torch.equal(tensors["parameter"], whole)


def test_a_torchscript_archive_gives_its_tensors_without_being_run(tmp_path) -> None:
    module = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2))
    write_script(tmp_path / "x.pt", module)
    archive = read_archive(tmp_path / "x.pt")
    assert archive.kind == "torchscript"
    expected = module.state_dict()
    assert all(torch.equal(archive.tensors[name], expected[name]) for name in expected)


def test_a_training_checkpoint_with_foreign_objects_gives_its_tensors(tmp_path) -> None:
    content = {"state_dict": OrderedDict(STATE), "epoch": 3, "args": argparse.Namespace(lr=1e-3), "path": Path("x")}
    torch.save(content, tmp_path / "x.pt")
    names = set(read_archive(tmp_path / "x.pt").tensors)
    assert names == {f"state_dict.{name}" for name in STATE}


class _Evil:
    def __init__(self, target: Path) -> None:
        self.command = f"touch {target}"

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_pickle_is_never_run(tmp_path, zipped: bool) -> None:
    torch.save(
        {"w": torch.ones(2), "x": _Evil(tmp_path / "ran")}, tmp_path / "x.pt", _use_new_zipfile_serialization=zipped
    )
    assert list(read_archive(tmp_path / "x.pt").tensors) == ["w"]
    assert not (tmp_path / "ran").exists()


def _archive(path: Path, pickled: bytes, storages: dict[str, bytes] | None = None, **options) -> Path:
    with zipfile.ZipFile(path, "w", **options) as file:
        file.writestr("x/data.pkl", pickled)
        for name, data in (storages or {}).items():
            file.writestr(f"x/data/{name}", data)
    return path


def _pickle_of_tensor(*, count: int, size: tuple[int, ...], stride: tuple[int, ...], key: str = "0") -> bytes:
    class Storage:
        pass

    class Tensor:
        def __reduce__(self):
            return torch._utils._rebuild_tensor_v2, (Storage(), 0, size, stride, False, OrderedDict())

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            return ("storage", torch.FloatStorage, key, "cpu", count) if isinstance(value, Storage) else None

    buffer = io.BytesIO()
    Pickler(buffer, protocol=2).dump({"w": Tensor()})
    return buffer.getvalue()


def test_the_hand_made_archive_of_the_next_tests_is_read(tmp_path) -> None:
    path = _archive(tmp_path / "x.pt", _pickle_of_tensor(count=4, size=(2, 2), stride=(2, 1)), {"0": bytes(16)})
    assert torch.equal(read_archive(path).tensors["w"], torch.zeros(2, 2))


@pytest.mark.parametrize(
    ("count", "size", "stride", "storages"),
    [
        (4, (10**6, 10**6), (0, 0), {"0": bytes(16)}),
        (10**12, (10**12,), (1,), {"0": bytes(16)}),
        (-4, (2,), (1,), {"0": bytes(16)}),
        (4, (4,), (10**9,), {"0": bytes(16)}),
        (4, (4,), (1,), {}),
        (4, (-4,), (1,), {"0": bytes(16)}),
    ],
    ids=[
        "a giant by strides of 0",
        "more than is there",
        "negative",
        "beyond its storage",
        "no storage",
        "negative size",
    ],
)
def test_sizes_that_are_not_there_are_a_sentence_and_cost_no_memory(tmp_path, count, size, stride, storages) -> None:
    path = _archive(tmp_path / "x.pt", _pickle_of_tensor(count=count, size=size, stride=stride), storages)
    with pytest.raises(ModelError, match=r"x\.pt is damaged"):
        read_archive(path)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path) -> None:
    path = _archive(
        tmp_path / "x.pt",
        _pickle_of_tensor(count=4, size=(4,), stride=(1,)),
        {"0": bytes(50 * 2**20)},
        compression=zipfile.ZIP_DEFLATED,
    )
    assert path.stat().st_size < 2**20
    with pytest.raises(ModelError, match="compressed"):
        read_archive(path)


def test_a_storage_named_out_of_the_archive_is_refused(tmp_path) -> None:
    pickled = _pickle_of_tensor(count=1, size=(1,), stride=(1,), key="../../../etc/passwd")
    with pytest.raises(ModelError, match="damaged"):
        read_archive(_archive(tmp_path / "x.pt", pickled, {"0": bytes(16)}))


def test_a_thousandfold_nested_pickle_is_a_sentence(tmp_path) -> None:
    laughs: dict = {"w": 1}
    for _ in range(40):
        laughs = {"a": laughs, "b": laughs}
    with pytest.raises(ModelError, match="values"):
        read_archive(_archive(tmp_path / "x.pt", pickle.dumps(laughs)))


@pytest.mark.parametrize(
    "pickled",
    [
        b"\x80\x02r\xff\xff\xff\x7f.",  # a memo index of two thousand million without a value
        b"\x80\x02}r\xff\xff\xff\x7f.",
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}X\x08\x00\x00\x00__code__K\x01sb.",  # a state for a function
        b"\x80\x02ccollections\nOrderedDict\n}X\x01\x00\x00\x00aK\x01sb.",  # a state for a class
        b"\x80\x02\x8a\xff\xff\xff\x7f.",
        b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.",
        b"",
    ],
)
def test_hostile_pickles_never_crash(tmp_path, pickled: bytes) -> None:
    path = _archive(tmp_path / "x.pt", pickled)
    try:
        tensors = read_archive(path).tensors
    except ModelError as error:
        assert "x.pt" in str(error)
    else:
        assert tensors == {}


@pytest.mark.parametrize("cut", [10, 200, -30])
@pytest.mark.parametrize("kind", ["zip", "old", "safetensors"])
def test_a_truncated_file_is_a_sentence(tmp_path, kind: str, cut: int) -> None:
    path = tmp_path / "x.pt"
    if kind == "safetensors":
        save_file(STATE, path)
    else:
        torch.save(STATE, path, _use_new_zipfile_serialization=kind == "zip")
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ModelError, match=r"x\.pt is truncated"):
        read_archive(path)


def test_a_file_cut_anywhere_is_truncated_and_never_another_error(tmp_path) -> None:
    path = tmp_path / "x.pt"
    for zipped in (True, False):
        torch.save({"w": torch.ones(3, 2), "n": 1.5}, path, _use_new_zipfile_serialization=zipped)
        whole = path.read_bytes()
        for cut in range(2, len(whole), 7):
            path.write_bytes(whole[:cut])
            with pytest.raises(ModelError, match="is truncated"):
                read_archive(path)


def test_a_damaged_zip_with_its_end_is_not_called_truncated(tmp_path) -> None:
    path = tmp_path / "x.pt"
    torch.save({"w": torch.ones(3, 2)}, path)
    data = bytearray(path.read_bytes())
    data[data.find(b"PK\x01\x02")] = 0  # the list of what is in it, not its end
    path.write_bytes(data)
    with pytest.raises(ModelError, match="is damaged"):
        read_archive(path)


def test_a_pickle_that_torch_did_not_write_says_so(tmp_path) -> None:
    (tmp_path / "x.pt").write_bytes(pickle.dumps(_Evil(tmp_path / "ran")))
    with pytest.raises(ModelError, match=r"a pickle that torch\.save did not write"):
        read_archive(tmp_path / "x.pt")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"<!DOCTYPE html>", "web page"), (b"", "no file of weights"), (b"GIF89a" + bytes(100), "no file of weights")],
)
def test_what_is_no_file_of_weights_says_so(tmp_path, content: bytes, message: str) -> None:
    (tmp_path / "x.pt").write_bytes(content)
    with pytest.raises(ModelError, match=message):
        read_archive(tmp_path / "x.pt")


def test_a_zip_of_something_else_and_a_missing_file_are_sentences(tmp_path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr("readme.txt", "hello")
    with pytest.raises(ModelError, match="zip archive without weights"):
        read_archive(tmp_path / "x.zip")
    with pytest.raises(ModelError, match="cannot be read"):
        read_archive(tmp_path / "none.pt")


def test_a_file_of_another_byte_order_is_refused(tmp_path) -> None:
    path = _archive(tmp_path / "x.pt", pickle.dumps({}))
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("x/byteorder", "big")
    with pytest.raises(ModelError, match="big-endian"):
        read_archive(path)


def test_flatten_leaves_out_what_is_no_tensor() -> None:
    assert list(flatten({"a": {"b": torch.zeros(1), "c": 3}, "d": [torch.zeros(1)]})) == ["a.b"]


@contextmanager
def _refused_cheaply(match: str) -> Iterator[None]:
    """Expect a ModelError, less than a second of work, and at most 16 MiB of memory."""
    tracemalloc.start()
    started = time.process_time()
    try:
        with pytest.raises(ModelError, match=match):
            yield
        assert time.process_time() - started < 1
        assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
    finally:
        tracemalloc.stop()


def test_a_compressed_byte_order_is_refused_before_it_is_unpacked(tmp_path) -> None:
    path = _archive(tmp_path / "x.pt", pickle.dumps({}))
    with zipfile.ZipFile(path, "a", compression=zipfile.ZIP_DEFLATED) as file:
        file.writestr("x/byteorder", bytes(20 * 2**20))
    assert path.stat().st_size < 2**20
    with _refused_cheaply("compressed"):
        read_archive(path)


@pytest.mark.parametrize(
    ("size", "stride"),
    [
        ((600_000_000, "a"), (1, 1)),
        ((2, 2), ("a", 1)),
        ((True, 2), (2, 1)),
        ((1.0, 2), (2, 1)),
        ((2,), (2**62,)),
        ((2,), (2, 1)),
        ((10**9, 0, -1), (1, 1, 1)),
        ((1,) * 1000, (1,) * 1000),
    ],
)
def test_sides_and_strides_that_are_no_sizes_are_refused_before_they_are_multiplied(tmp_path, size, stride) -> None:
    path = _archive(tmp_path / "x.pt", _pickle_of_tensor(count=4, size=size, stride=stride), {"0": bytes(16)})
    with _refused_cheaply("damaged|truncated"):
        read_archive(path)


def test_an_endless_name_over_many_tensors_is_refused() -> None:
    many = {"k" * 2_000_000: {str(number): torch.zeros(1) for number in range(401)}}
    with _refused_cheaply("more than 1000 characters"):
        flatten(many)


def test_a_name_of_many_levels_is_refused() -> None:
    nested: object = torch.zeros(1)
    for _ in range(20):
        nested = {"k" * 60: nested}
    with _refused_cheaply("more than 1000 characters"):
        flatten(nested)


def _knot(levels: int) -> bytes:
    """Return pickle code of a tuple that holds itself twice, level by level: hashing it takes 2 ** levels steps."""
    return b")" + b"2\x86" * levels


@pytest.mark.parametrize(
    "code",
    [
        b"}" + _knot(60) + b"Ns.",
        b"}(" + _knot(60) + b"Nu.",
        b"(" + _knot(60) + b"Nd.",
        b"ccollections\nOrderedDict\n(]" + _knot(60) + b"N\x86atR.",
        b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\n" + _knot(60) + b"NK\x01tQ.",
        b"(" + _knot(60) + b"ctorch\nFloatStorage\nNNK\x01tQ.",
        b"}\x8a\x10" + b"\x7f" * 16 + b"Ns.",
    ],
    ids=["item", "items", "dict", "ordered", "storage", "kind", "integer"],
)
@pytest.mark.parametrize("old", [False, True])
def test_keys_that_take_for_ever_to_hash_are_refused(tmp_path, code: bytes, old: bool) -> None:
    path = tmp_path / "x.pt"
    if old:
        path.write_bytes(_old_start() + b"\x80\x02" + code)
    else:
        _archive(path, b"\x80\x02" + code)
    with _refused_cheaply("damaged|truncated"):
        read_archive(path)


def test_sets_of_what_takes_for_ever_to_hash_are_left_empty(tmp_path) -> None:
    code = b"\x80\x04(\x8f(" + _knot(60) + b"\x90(" + _knot(60) + b"\x91t."
    assert read_archive(_archive(tmp_path / "x.pt", code)).tensors == {}


def test_a_pickle_of_millions_of_objects_is_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(inert_pickle, "_MOST_STEPS", 20_000)
    with _refused_cheaply("more than 20000 steps"):
        read_archive(_archive(tmp_path / "x.pt", b"\x80\x02(" + b"}" * 1_000_000 + b"t."))


def test_a_size_in_a_pickle_is_not_believed(tmp_path) -> None:
    code = b"\x80\x05\x96" + (2**32).to_bytes(8, "little") + b"."
    with _refused_cheaply("damaged"):
        read_archive(_archive(tmp_path / "x.pt", code))


def _old_start() -> bytes:
    values = (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}})
    return b"".join(pickle.dumps(value, protocol=2) for value in values)


def _old(path: Path, pickled: bytes, keys: list[str], numbers: bytes) -> Path:
    path.write_bytes(_old_start() + pickled + pickle.dumps(keys, protocol=2) + numbers)
    return path


FOUR = struct.pack("<q4f", 4, 0, 1, 2, 3)


def test_the_hand_made_old_file_of_the_next_tests_is_read(tmp_path) -> None:
    path = _old(tmp_path / "x.pt", _pickle_of_tensor(count=4, size=(2, 2), stride=(2, 1)), ["0"], FOUR)
    assert torch.equal(read_archive(path).tensors["w"], torch.arange(4.0).reshape(2, 2))


@pytest.mark.parametrize(
    ("count", "size", "stride", "rest"),
    [
        (4, (10**6, 10**6), (0, 0), (["0"], FOUR)),
        (4, (10**9,), (1,), (["0"], FOUR)),
        (10**9, (10**9,), (1,), ([], b"")),
        (4, (4,), (1,), ([], b"")),
        (4, (4,), (1,), (["0"], FOUR[:-1])),
        (4, (4,), (1,), (["0"], struct.pack("<q", 5) + FOUR[8:] + bytes(4))),
        (4, (4,), (1,), (["0", "1"], FOUR + FOUR)),
    ],
    ids=["a giant by strides of 0", "beyond", "no giant storage", "not filled", "cut", "another size", "one more"],
)
def test_sizes_that_are_not_in_an_old_file_are_refused(tmp_path, count, size, stride, rest) -> None:
    path = _old(tmp_path / "x.pt", _pickle_of_tensor(count=count, size=size, stride=stride), *rest)
    with _refused_cheaply("damaged|truncated"):
        read_archive(path)
