"""Nothing in a pickle is run; the archives that hold them are in test_archive.py."""

import io
import os
import pickle
from collections import OrderedDict

import pytest
import torch

from usassist.core.models.inert_pickle import Inert, InertUnpickler, OldStorages, Pickles


def _load(data: bytes):
    return InertUnpickler(Pickles(data), OldStorages(len(data))).load()


class _Evil:
    def __init__(self, path) -> None:
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_containers_come_back_and_calls_do_nothing(tmp_path, protocol: int) -> None:
    held = {"epoch": 3, "names": ["a", ("b", 1.5)], "more": OrderedDict(x=None), "evil": _Evil(tmp_path / "made")}
    found = _load(pickle.dumps(held, protocol=protocol))
    assert isinstance(found.pop("evil"), Inert)
    assert found == {"epoch": 3, "names": ["a", ("b", 1.5)], "more": OrderedDict(x=None)}
    assert not (tmp_path / "made").exists()


def test_a_foreign_object_keeps_its_state_and_nothing_else() -> None:
    found = _load(pickle.dumps(torch.nn.ReLU()))
    assert isinstance(found, Inert)
    assert found.state["training"] is True


@pytest.mark.parametrize("cut", range(1, 60, 4))
def test_a_pickle_that_ends_too_early_is_one_error(cut: int) -> None:
    data = pickle.dumps({"name": 2**40, "number": 1.5, "text": "x" * 300}, protocol=4)
    with pytest.raises(EOFError):
        _load(data[:cut])


def test_reading_takes_a_bounded_number_of_steps(monkeypatch) -> None:
    monkeypatch.setattr("usassist.core.models.inert_pickle._MOST_STEPS", 10)
    with pytest.raises(pickle.UnpicklingError, match="more than 10 steps"):
        _load(pickle.dumps(list(range(50))))


def test_a_storage_is_filled_with_what_follows_and_a_shorter_file_is_told() -> None:
    storages = OldStorages(64)
    flat = storages(("storage", torch.float32, "0", "cpu", 2))
    numbers = torch.tensor([1.5, -2.0])
    data = (2).to_bytes(8, "little") + numbers.numpy().tobytes()
    storages.fill(io.BytesIO(data), ["0"])
    assert torch.equal(flat, numbers)
    for short in (data[:-1], data[:4], b""):
        with pytest.raises(EOFError, match="longer than the file"):
            storages.fill(io.BytesIO(short), ["0"])
    with pytest.raises(pickle.UnpicklingError, match="another size"):
        storages.fill(io.BytesIO((3).to_bytes(8, "little") + data[8:]), ["0"])
