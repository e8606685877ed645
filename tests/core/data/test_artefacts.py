import numpy as np
import pytest

from usassist.core.data import artefacts


@pytest.mark.parametrize("shape", [(64, 96), (1, 1), (3, 200)])
def test_a_coarser_picture_has_the_same_size_and_mean_and_less_detail(shape: tuple[int, int]) -> None:
    x = np.random.default_rng(0).random(shape, dtype=np.float32)
    out = artefacts.coarsen(x, rng=np.random.default_rng(1))
    assert out.shape == x.shape and out.dtype == np.float32
    assert abs(float(out.mean() - x.mean())) < 0.05
    assert out.std() <= x.std()
    if min(shape) > 8:
        assert out.std() < 0.9 * x.std()


def test_what_has_no_detail_stays_as_it_is() -> None:
    x = np.full((40, 60), 0.3, dtype=np.float32)
    assert np.allclose(artefacts.coarsen(x, rng=np.random.default_rng(2)), x, atol=1e-6)
