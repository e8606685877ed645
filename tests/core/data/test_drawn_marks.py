from collections.abc import Callable

import numpy as np
import pytest

from usassist.core.data.drawn_marks import draw_calipers, draw_text

_Draw = Callable[..., None]


@pytest.mark.parametrize("draw", [draw_calipers, draw_text])
def test_the_same_generator_draws_the_same(draw: _Draw) -> None:
    for seed in range(6):
        one, two = np.full((2, 90, 130), 40, np.uint8)
        draw(one, rng=np.random.default_rng(seed))
        draw(two, rng=np.random.default_rng(seed))
        assert np.array_equal(one, two)


@pytest.mark.parametrize("draw", [draw_calipers, draw_text])
@pytest.mark.parametrize("shape", [(256, 256), (97, 301), (480, 640)])
def test_marks_are_bright_thin_and_few(draw: _Draw, shape: tuple[int, int]) -> None:
    for seed in range(12):
        grey = np.full(shape, 40, np.uint8)
        draw(grey, rng=np.random.default_rng(seed))
        assert 0.0001 < (grey > 60).mean() < 0.12
        assert grey.max() > 100


def test_a_share_of_the_calipers_lies_at_the_extremes_of_the_object() -> None:
    """A sonographer's crosses: just outside the outline; most of the others are not there."""
    y, x = np.mgrid[:200, :200]
    mask = ((x - 130) / 30) ** 2 + ((y - 70) / 18) ** 2 < 1
    ring = (((x - 130) / 38) ** 2 + ((y - 70) / 26) ** 2 < 1) & ~mask
    shares = []
    for seed in range(150):
        grey = np.zeros((200, 200), np.uint8)
        draw_calipers(grey, rng=np.random.default_rng(seed), mask=mask)
        shares.append((grey[ring] > 60).sum() / max(1, (grey > 60).sum()))
    assert 0.02 < np.mean(np.array(shares) > 0.3) < 0.2


@pytest.mark.parametrize("mask", [np.zeros((64, 64), bool), np.eye(64, dtype=bool), np.ones((64, 64), np.uint8)])
def test_any_object_can_be_measured(mask: np.ndarray) -> None:
    for seed in range(20):
        grey = np.zeros((64, 64), np.uint8)
        draw_calipers(grey, rng=np.random.default_rng(seed), mask=mask)


def test_one_pixel_is_an_object_too() -> None:
    mask = np.zeros((64, 64), bool)
    mask[10, 50] = True
    for seed in range(20):
        draw_calipers(np.zeros((64, 64), np.uint8), rng=np.random.default_rng(seed), mask=mask)
