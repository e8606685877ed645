import pytest
import torch

from usassist.core.errors import ModelError
from usassist.core.models.device import resolve


def test_cpu_is_always_there() -> None:
    assert resolve("cpu") == torch.device("cpu")


def test_auto_gives_a_device_that_works() -> None:
    assert torch.zeros(1, device=resolve("auto")).sum() == 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_cuda_where_there_is_none_is_a_sentence() -> None:
    with pytest.raises(ModelError, match="no CUDA device"):
        resolve("cuda")


@pytest.mark.parametrize("name", ["toaster", "meta", "vulkan", "cuda:", "cuda:-1", "cpu:0", ""])
def test_what_no_model_runs_on_is_a_sentence(name: str) -> None:
    with pytest.raises(ModelError, match="is no device"):
        resolve(name)


def test_a_card_that_is_not_there_is_a_sentence(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve("cuda:1") == torch.device("cuda:1")
    with pytest.raises(ModelError, match="torch sees 2"):
        resolve("cuda:2")
