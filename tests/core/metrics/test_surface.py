"""How far the borders of two masks are apart: against brute force."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial.distance import cdist

from usassist.core.domain import Mask
from usassist.core.errors import UsassistError
from usassist.core.metrics import surface as under_test
from usassist.core.metrics.surface import assd, hd95, nsd, surface, surface_distances


def blobs(seed: int, shape: tuple[int, int]) -> np.ndarray:
    """Return smooth noise cut at a random level: parts, holes, and sometimes nothing or everything."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.standard_normal(shape), rng.uniform(0, 4))
    return smooth > rng.uniform(-1, 1) * 1.5 * smooth.std()


def brute(a: np.ndarray, b: np.ndarray, spacing: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Return both directed distances, surfaces and distances from independent code."""
    edge_a, edge_b = (m & ~ndimage.binary_erosion(m, border_value=0) for m in (a, b))
    apart = cdist(np.argwhere(edge_a) * spacing, np.argwhere(edge_b) * spacing)
    return apart.min(axis=1), apart.min(axis=0)


spacings = st.one_of(st.none(), st.tuples(st.floats(0.02, 2), st.floats(0.02, 2)), st.just((0.3, 0.3)))


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 40), spacings)
def test_distances_are_those_of_brute_force(
    seed: int, rows: int, cols: int, spacing: tuple[float, float] | None
) -> None:
    a, b = blobs(seed, (rows, cols)), blobs(seed + 1, (rows, cols))
    if not (a.any() and b.any()):
        return
    forward, backward = brute(a, b, spacing or (1.0, 1.0))
    found = surface_distances(a, b, spacing_mm=spacing)
    assert np.allclose(np.sort(found.from_truth), np.sort(forward), rtol=1e-12, atol=0)
    assert np.allclose(np.sort(found.from_pred), np.sort(backward), rtol=1e-12, atol=0)
    assert hd95(a, b, spacing_mm=spacing) == pytest.approx(
        max(np.percentile(forward, 95), np.percentile(backward, 95)), rel=1e-12
    )
    both = np.concatenate([forward, backward])
    assert assd(Mask.from_array(a), Mask.from_array(b), spacing_mm=spacing) == pytest.approx(both.mean(), rel=1e-12)
    if spacing is None:
        assert nsd(a, b) == pytest.approx((both <= 2).mean(), rel=1e-12)


@given(st.integers(0, 2**32 - 1))
def test_opencv_and_the_search_along_rows_are_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = np.zeros((2, 300, 420), dtype=np.bool_)
    for mask in (a, b):
        mask[rng.integers(0, 300, 6), rng.integers(0, 420, 6)] = True
    fast = surface_distances(a, b)
    a_edge, b_edge = surface(a), surface(b)
    assert np.array_equal(fast.from_truth, under_test._search_along_rows(a_edge, b_edge, (1.0, 1.0)))
    assert np.array_equal(fast.from_pred, under_test._search_along_rows(b_edge, a_edge, (1.0, 1.0)))


def test_far_apart_on_a_large_frame_is_still_exact() -> None:
    a, b = np.zeros((2, 3000, 4000), dtype=np.bool_)
    a[0, 0] = a[1, 7] = True
    b[2999, 3998] = True
    found = surface_distances(a, b)
    assert found.from_truth.tolist() == [np.sqrt(2999**2 + 3998**2), np.sqrt(2998**2 + 3991**2)]


def test_a_surface_is_what_erosion_removes() -> None:
    for seed in range(20):
        mask = blobs(seed, (30, 31))
        assert np.array_equal(surface(mask), mask & ~ndimage.binary_erosion(mask, border_value=0))


def test_empty_masks() -> None:
    empty, full = np.zeros((30, 40), dtype=np.bool_), np.ones((30, 40), dtype=np.bool_)
    assert (hd95(empty, empty), assd(empty, empty), nsd(empty, empty)) == (0.0, 0.0, 1.0)
    for a, b in ((empty, full), (full, empty)):
        assert (hd95(a, b), assd(a, b), nsd(a, b)) == (50.0, 50.0, 0.0)
        assert hd95(a, b, spacing_mm=(0.1, 0.2)) == pytest.approx(np.hypot(3, 8))


@pytest.mark.parametrize("spacing", [(0.0, 1.0), (1.0, -1.0), (float("nan"), 1.0)])
def test_a_spacing_is_positive(spacing: tuple[float, float]) -> None:
    mask = np.ones((3, 3), dtype=np.bool_)
    with pytest.raises(UsassistError, match="positive"):
        hd95(mask, mask, spacing_mm=spacing)


def test_a_shift_is_its_length() -> None:
    a, b = np.zeros((2, 60, 60), dtype=np.bool_)
    a[10:40, 10:40] = True
    b[10:40, 13:43] = True
    assert hd95(a, b) == 3.0
    assert nsd(a, b, tolerance=3.0) == 1.0


def test_a_frame_of_512_pixels_is_quick() -> None:
    rows, cols = np.mgrid[:512, :512]
    a = np.hypot(rows - 250, cols - 250) < 180
    b = np.hypot(rows - 265, (cols - 240) * 1.2) < 190
    taken = []
    for _ in range(5):
        start = time.process_time()
        found = surface_distances(a, b)
        assert found.hd95 > found.assd > 0
        taken.append(time.process_time() - start)
    assert min(taken) < 0.1, "meant to take 10 ms of the processor; ten times that leaves room for a busy machine"
