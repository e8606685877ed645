import dataclasses

import numpy as np
import pytest

from usassist.core.data.augment import AugmentConfig, augment

_STILL = AugmentConfig(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


def _ellipse(rows: int, cols: int) -> np.ndarray:
    y, x = np.mgrid[:rows, :cols]
    return ((y - rows * 0.4) / (rows * 0.2)) ** 2 + ((x - cols * 0.6) / (cols * 0.15)) ** 2 < 1


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


@pytest.mark.parametrize("seed", range(8))
def test_image_and_mask_stay_aligned(seed: int) -> None:
    mask = _ellipse(300, 420)
    geometry = AugmentConfig(0.5, 20, 0.3, 0.2, 0.1, 0, 0, 0, 0, 0, 0)
    grey, moved = augment(mask.astype(np.uint8) * 255, mask, size=256, config=geometry, rng=np.random.default_rng(seed))
    assert _iou(grey > 127, moved) > 0.98


def test_without_strength_only_the_size_changes() -> None:
    mask = _ellipse(256, 256)
    grey = np.random.default_rng(0).integers(0, 255, (256, 256), dtype=np.uint8)
    out, moved = augment(grey, mask, size=256, config=_STILL, rng=np.random.default_rng(0))
    assert np.array_equal(moved, mask)
    assert np.abs(out.astype(int) - grey).max() <= 1


@pytest.mark.parametrize("name", ["gamma", "contrast", "blur", "speckle", "depth_gain", "shadow"])
def test_each_intensity_operation_changes_the_image_and_not_the_mask(name: str) -> None:
    config = dataclasses.replace(_STILL, **{name: 1.0})
    mask = _ellipse(256, 256)
    grey = np.random.default_rng(0).integers(20, 220, (256, 256), dtype=np.uint8)
    out, moved = augment(grey, mask, size=256, config=config, rng=np.random.default_rng(3))
    assert np.array_equal(moved, mask)
    assert np.abs(out.astype(int) - grey).max() > 2


def test_the_same_generator_gives_the_same_view() -> None:
    mask = _ellipse(120, 90)
    grey = (mask * 200).astype(np.uint8)
    one, two = (augment(grey, mask, size=64, config=AugmentConfig(), rng=np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(one[0], two[0]) and np.array_equal(one[1], two[1])


def test_up_stays_up() -> None:
    """No vertical flip: depth runs downwards in every view."""
    grey = np.zeros((100, 100), dtype=np.uint8)
    grey[:30] = 255
    config = AugmentConfig(1.0, 20, 0.1, 0.1, 0, 0, 0, 0, 0, 0, 0)
    for seed in range(10):
        out, _ = augment(grey, grey > 0, size=64, config=config, rng=np.random.default_rng(seed))
        assert out[:20].mean() > out[-20:].mean()
