"""Spots come with honest statistics, and the rating prefers what looks like a lesion."""

import numpy as np
import pytest

from usassist.core.domain import Box
from usassist.core.proposers.dark_spots import features, largest_filled, look, rate, solidity, spots


def _disc(shape: tuple[int, int], row: int, col: int, radius: int) -> np.ndarray:
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    return np.asarray(np.hypot(rows - row, cols - col) <= radius)


def test_solidity_is_one_for_a_disc_less_for_a_ring_and_zero_for_nothing() -> None:
    disc = _disc((60, 60), 30, 30, 20)
    assert solidity(disc) == pytest.approx(1.0, abs=0.05)
    assert solidity(disc & ~_disc((60, 60), 30, 30, 15)) < 0.6
    assert solidity(np.zeros((5, 5), dtype=bool)) == 0.0


def test_the_largest_part_is_kept_and_filled() -> None:
    ring = _disc((60, 60), 30, 30, 20) & ~_disc((60, 60), 30, 30, 8)
    bits = ring | _disc((60, 60), 5, 5, 3)
    assert np.array_equal(largest_filled(bits), _disc((60, 60), 30, 30, 20))
    assert not largest_filled(np.zeros((4, 4), dtype=bool)).any()


def test_the_black_around_a_sector_is_not_tissue_but_a_cyst_is() -> None:
    picture = np.where(_disc((200, 200), 100, 100, 80), 130, 0).astype(np.uint8)
    picture[_disc((200, 200), 100, 100, 20)] = 0
    scan = look(picture, Box(0, 0, 200, 200)).scan
    assert scan[100, 100]
    assert not scan[5, 5]


def test_a_disc_in_the_middle_outranks_every_other_spot() -> None:
    rng = np.random.default_rng(1)
    picture = rng.normal(130, 10, (200, 200))
    picture[_disc((200, 200), 90, 100, 22)] -= 70
    picture[185:, :] -= 70  # a shadow along the bottom
    view = look(np.clip(picture, 0, 255).astype(np.uint8), Box(0, 0, 200, 200))
    best, stats = max(spots(view), key=lambda item: rate(view, *item))
    assert best[90, 100]
    assert not best[190].any()
    assert np.isfinite(features(view, best, stats)).all()
    assert int(stats[4]) == int(best.sum())
