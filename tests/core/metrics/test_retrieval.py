"""Recalls and ranks of a retrieval, against numbers worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from usassist.core.errors import UsassistError
from usassist.core.metrics.retrieval import retrieval

# Rows are images, columns texts; the pairs are on the diagonal. By rows the right text has the ranks 1, 3, 2, 12; by
# columns the right image has the ranks 1, 2, 1, 4 (the other columns have no image of their own).
HAND = np.full((4, 12), 0.0)
HAND[0, :4] = [0.9, 0.1, 0.2, 0.5]
HAND[1, :4] = [0.8, 0.3, 0.6, 0.1]
HAND[2, :4] = [0.75, 0.4, 0.7, 0.2]
HAND[3] = [0.3, 0.2, 0.1, -0.5, *np.linspace(0.4, 0.9, 8)]


def test_N10_a_hand_made_matrix_gives_hand_computed_recalls() -> None:
    relevant = np.eye(4, 12, dtype=bool)
    found = retrieval(HAND, relevant)
    to_text, to_image = found.image_to_text, found.text_to_image
    assert (to_text.r1, to_text.r5, to_text.r10) == (1 / 4, 3 / 4, 3 / 4)
    assert (to_text.median_rank, to_text.mean_rank, to_text.n) == (2.5, (1 + 3 + 2 + 12) / 4, 4)
    assert (to_image.r1, to_image.r5, to_image.r10) == (2 / 4, 1.0, 1.0)
    assert (to_image.median_rank, to_image.mean_rank, to_image.n) == (1.5, (1 + 2 + 1 + 4) / 4, 4)
    assert found.rsum == pytest.approx(25 + 75 + 75 + 50 + 100 + 100)


def test_N10_several_captions_an_image() -> None:
    # Two images with two captions each: the better one counts, and an image's own other caption is no competitor.
    similarity = [[0.2, 0.9, 0.5, 0.1], [0.8, 0.3, 0.4, 0.6]]
    relevant = [[True, True, False, False], [False, False, True, True]]
    found = retrieval(similarity, relevant)
    assert (found.image_to_text.r1, found.image_to_text.mean_rank) == (0.5, 1.5)
    assert found.text_to_image.r1 == pytest.approx(2 / 4)
    assert found.text_to_image.n == 4


def test_an_encoder_that_maps_everything_to_one_point_finds_nothing() -> None:
    found = retrieval(np.ones((20, 20)))
    assert (found.image_to_text.r1, found.image_to_text.r10, found.image_to_text.mean_rank) == (0.0, 0.0, 20.0)


@given(seed=st.integers(0, 500), count=st.integers(1, 15))
def test_ranks_equal_a_sort(seed: int, count: int) -> None:
    similarity = np.random.default_rng(seed).normal(size=(count, count))
    order = np.argsort(-similarity, axis=1)
    ranks = [1 + order[row].tolist().index(row) for row in range(count)]
    found = retrieval(similarity).image_to_text
    assert found.mean_rank == pytest.approx(np.mean(ranks))
    assert found.r5 == pytest.approx(np.mean([rank <= 5 for rank in ranks]))


@pytest.mark.parametrize(
    ("similarity", "relevant", "said"),
    [
        (np.ones((2, 3)), None, "belong together"),
        (np.ones(3), None, "belong together"),
        (np.full((2, 2), np.nan), None, "finite"),
        (np.ones((2, 2)), np.zeros((2, 2), dtype=bool), "nothing to find"),
    ],
)
def test_what_cannot_be_ranked_is_said(similarity, relevant, said: str) -> None:
    with pytest.raises(UsassistError, match=said):
        retrieval(similarity, relevant)


def test_chance_is_what_random_orders_reach_and_few_candidates_make_it_certain() -> None:
    rng = np.random.default_rng(0)
    relevant = np.zeros((6, 12), dtype=bool)
    relevant[np.arange(6), np.arange(6)] = True
    relevant[0, :4] = True
    drawn = [retrieval(rng.random((6, 12)), relevant).image_to_text for _ in range(3000)]
    found = drawn[0]
    assert (found.candidates, found.n) == (12, 6)
    assert found.chance[0] == pytest.approx((4 + 5) / 12 / 6)
    for value, reached in zip(found.chance, ("r1", "r5", "r10"), strict=True):
        assert np.mean([getattr(one, reached) for one in drawn]) == pytest.approx(value, abs=0.01)
    other = retrieval(rng.random((6, 12)), relevant).text_to_image
    assert (other.candidates, other.n, other.chance[2]) == (6, 6, 1.0)
