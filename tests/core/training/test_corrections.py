from dataclasses import replace

import numpy as np
import pytest

from usassist.core.models.prompt_maps import SpatialPrompt
from usassist.core.training.corrections import Correction, clicked, first_corrections, loose_box, spoiled
from usassist.core.training.sections import ClickConfig

_ONLY = {
    "answer": ClickConfig(from_answer=1.0, from_blank=0.0, from_mask=0.0),
    "blank": ClickConfig(from_answer=0.0, from_blank=1.0, from_mask=0.0),
    "mask": ClickConfig(from_answer=0.0, from_blank=0.0, from_mask=1.0),
    "box": ClickConfig(from_answer=0.0, from_blank=0.0, from_mask=0.0),
}


def _disc(radius: int = 12, size: int = 64) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    return (x - 30) ** 2 + (y - 24) ** 2 < radius**2


def _begun(kind: str, truth: np.ndarray) -> Correction:
    answer = np.full(truth.shape, 0.25, dtype=np.float32)
    (begun,) = first_corrections([answer], [truth], _ONLY[kind], [np.random.default_rng(0)])
    return begun


def test_a_person_begins_with_what_the_recipe_says() -> None:
    truth = _disc()
    assert _begun("answer", truth).prompt.previous.max() == 0.25
    assert _begun("blank", truth).prompt.is_empty
    mask = _begun("mask", truth).prompt.previous
    assert 0.4 < (truth & (mask > 0)).sum() / truth.sum() <= 1 and (mask > 0).sum() != truth.sum()
    left, top, right, bottom = _begun("box", truth).prompt.box
    assert left < right and top < bottom
    assert all(1 <= _begun(kind, truth).clicks_left + (kind == "box") <= 3 for kind in _ONLY)


@pytest.mark.parametrize("kind", _ONLY)
def test_an_image_that_shows_nothing_starts_from_the_answer(kind: str) -> None:
    assert _begun(kind, np.zeros((64, 64), dtype=np.bool_)).prompt.previous is not None


def test_a_click_is_where_the_mistake_is_and_one_fewer_is_left() -> None:
    truth, nothing = _disc(), np.zeros((64, 64), dtype=np.bool_)
    for seed in range(10):
        rng = np.random.default_rng(seed)
        after = clicked(Correction(SpatialPrompt(), 2), nothing, truth, rng)
        ((x, y),) = after.prompt.positive
        assert truth[int(y * 64), int(x * 64)]
        too_much = clicked(after, np.ones((64, 64), dtype=np.bool_), truth, rng)
        ((x, y),) = too_much.prompt.negative
        assert not truth[int(y * 64), int(x * 64)]
        assert too_much.clicks_left == 0
        assert clicked(too_much, nothing, truth, rng) is too_much


def test_a_right_answer_is_not_clicked() -> None:
    start = Correction(SpatialPrompt(), 3)
    assert clicked(start, _disc(), _disc(), np.random.default_rng(0)) is start


def test_a_box_lies_loosely_around_the_object_and_within_the_image() -> None:
    truth = _disc()
    boxes = np.array([loose_box(truth, np.random.default_rng(seed)) for seed in range(200)])
    exact = np.array([19, 13, 42, 36]) / 64
    assert (np.abs(boxes - exact) <= 0.13 * 23 / 64).all()
    assert (boxes[:, 2:] - boxes[:, :2]).mean() > (exact[2:] - exact[:2]).mean()
    whole = np.ones((8, 8), dtype=np.bool_)
    edges = np.array([loose_box(whole, np.random.default_rng(seed)) for seed in range(50)])
    assert edges.min() >= 0 and edges.max() <= 1


def test_the_same_seed_spoils_a_mask_alike_and_its_object_stays() -> None:
    truth, changed = _disc(), 0
    for seed in range(30):
        one, two = (spoiled(truth, np.random.default_rng(seed)) for _ in range(2))
        assert np.array_equal(one, two)
        assert (one & truth).sum() > 0.05 * truth.sum()
        changed += not np.array_equal(one, truth)
    assert changed > 25  # a bite beside the object takes nothing away


def test_shares_that_leave_nothing_for_boxes_draw_none() -> None:
    clicks = replace(_ONLY["blank"], from_blank=0.5, from_answer=0.5)
    rngs = [np.random.default_rng(seed) for seed in range(50)]
    begun = first_corrections([np.zeros((64, 64), np.float32)] * 50, [_disc()] * 50, clicks, rngs)
    assert all(item.prompt.box is None for item in begun)


def test_a_spoiled_mask_of_a_single_pixel_is_never_empty() -> None:
    truth = np.zeros((32, 32), dtype=np.bool_)
    truth[10, 10] = True
    assert all(spoiled(truth, np.random.default_rng(seed)).any() for seed in range(100))


def test_what_one_image_is_asked_does_not_depend_on_the_others() -> None:
    clicks, truths = ClickConfig(), [_disc(5), _disc(9), _disc(12)]
    answers = [np.zeros((64, 64), dtype=np.float32)] * 3

    def begun(places: list[int]) -> list[Correction]:
        rngs = [np.random.default_rng([7, place]) for place in places]
        return first_corrections([answers[p] for p in places], [truths[p] for p in places], clicks, rngs)

    (alone,) = begun([2])
    assert begun([0, 1, 2])[2].prompt.box == alone.prompt.box
    assert begun([1, 2])[1].clicks_left == alone.clicks_left
