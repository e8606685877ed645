import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt

from usassist.core.training.distances import signed_distances


@given(st.integers(0, 10_000), st.integers(1, 3))
def test_distances_are_those_of_kervadec_et_al(seed: int, objects: int) -> None:
    rng = np.random.default_rng(seed)
    truth = np.where(rng.random((13, 17)) < 0.5, rng.integers(0, objects + 1, (13, 17)), 0).astype(np.uint8)
    found = signed_distances(truth, objects=objects)
    for number in range(1, objects + 1):
        inside = truth == number
        expected = np.zeros(truth.shape)
        if inside.any():
            # one_hot2dist of the publication's code
            expected = distance_transform_edt(~inside) * ~inside - (distance_transform_edt(inside) - 1) * inside
        assert np.allclose(found[number - 1], expected / 17, atol=1e-5)


def test_nothing_and_everything_have_no_boundary() -> None:
    assert not signed_distances(np.zeros((5, 5), dtype=np.uint8), objects=2).any()
    full = signed_distances(np.ones((5, 5), dtype=np.uint8), objects=1)
    assert np.isfinite(full).all() and not full.any()
