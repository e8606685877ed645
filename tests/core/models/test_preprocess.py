import numpy as np
import pytest
import torch

from usassist.core.models.config import PreprocessConfig
from usassist.core.models.preprocess import resize_grey, to_tensor


@pytest.mark.parametrize("shape", [(300, 500), (64, 64), (100, 700), (256, 256)])
def test_every_size_becomes_the_models_size(shape: tuple[int, int]) -> None:
    grey = np.full(shape, 77, dtype=np.uint8)
    assert (resize_grey(grey, 256) == 77).all()


def test_P_N4_one_preprocessing_with_mean_and_deviation() -> None:
    tensor = to_tensor([np.full((8, 8), 255, dtype=np.uint8)], PreprocessConfig(8, (0.5,), (0.25,)))
    assert tensor.shape == (1, 3, 8, 8)
    assert torch.allclose(tensor, torch.full((1, 3, 8, 8), 2.0))
