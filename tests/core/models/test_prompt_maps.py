import tracemalloc

import numpy as np
import pytest
import torch

from usassist.core.models.prompt_maps import MOST_POINTS, PROMPT_CHANNELS, SpatialPrompt, prompt_maps


def test_who_points_at_nothing_gives_zeros() -> None:
    maps = prompt_maps([SpatialPrompt(), SpatialPrompt(positive=((0.5, 0.5),))], side=32)
    assert maps.shape == (2, PROMPT_CHANNELS, 32, 32)
    assert maps.dtype == torch.float32
    assert not maps[0].any() and maps[1, :2].any() and not maps[1, 2:].any()
    assert SpatialPrompt().is_empty


@pytest.mark.parametrize(("kind", "channel"), [("positive", 0), ("negative", 2)])
def test_a_click_is_brightest_in_its_own_cell(kind: str, channel: int) -> None:
    prompt = SpatialPrompt(**{kind: ((10.5 / 32, 20.5 / 32), (3.5 / 32, 4.5 / 32))})
    near, wide = prompt_maps([prompt], side=32)[0, channel : channel + 2]
    for spot in (near, wide):
        assert spot[20, 10] == spot[4, 3] == spot.max() == 1
    assert wide.sum() > 4 * near.sum()


def test_a_box_covers_cells_in_part_and_is_negative_outside() -> None:
    box = prompt_maps([SpatialPrompt(box=(0.25, 0.5, 0.5, 1.0))], side=8)[0, 4]
    assert (box[4:, 2:4] == 1).all()
    assert (box == 1).sum() == 8 and (box == -1).sum() == 56
    half = prompt_maps([SpatialPrompt(box=(0.3125, 0.5, 0.5, 1.0))], side=8)[0, 4]
    assert (half[4:, 2] == 0).all()


def test_a_previous_mask_of_any_size_goes_from_minus_1_to_1() -> None:
    for size in (8, 200):
        previous = np.zeros((size, size), dtype=np.float32)
        previous[:, size // 2 :] = 1
        out = prompt_maps([SpatialPrompt(previous=previous)], side=16)[0, 5]
        assert out[8, 0] == -1 and out[8, -1] == pytest.approx(1)


def test_of_too_many_clicks_the_latest_count() -> None:
    first, others = (0.1, 0.1), ((0.9, 0.9),) * MOST_POINTS
    near = prompt_maps([SpatialPrompt(positive=(first, *others))], side=32)[0, 0]
    assert near[3, 3] < 1e-3 < near[28, 28]


def test_clicks_outside_the_image_do_no_harm() -> None:
    maps = prompt_maps([SpatialPrompt(positive=((-5.0, 40.0),), box=(-1.0, -1.0, 3.0, 0.5))], side=16)
    assert maps.isfinite().all()
    assert not maps[0, 0].any()
    assert (maps[0, 4, :8] == 1).all() and (maps[0, 4, 8:] == -1).all()


def test_as_many_clicks_as_count_take_no_more_memory_than_a_few() -> None:
    points = tuple((index / MOST_POINTS, (index * 7 % 100) / 100) for index in range(MOST_POINTS))
    prompt_maps([SpatialPrompt(positive=points[:1])], side=256)
    tracemalloc.start()
    maps = prompt_maps([SpatialPrompt(positive=points)], side=256)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 * 256 * 256 * 4, "the six maps twice, and little more"
    singles = prompt_maps([SpatialPrompt(positive=(point,)) for point in points], side=256)
    assert torch.equal(maps[0], singles.amax(0).clamp_min(0))
