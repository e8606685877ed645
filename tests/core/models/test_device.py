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


def test_nonsense_is_a_sentence() -> None:
    with pytest.raises(ModelError, match="'toaster' is no device"):
        resolve("toaster")
