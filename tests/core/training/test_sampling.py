import dataclasses
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from usassist.core import paths
from usassist.core.errors import TrainingError
from usassist.core.training.config import TrainConfig, read_recipe
from usassist.core.training.sampling import balance_weights, count_of, draw_batches, draws_of, prepared, steps_of
from usassist.core.training.sections import BalanceConfig


@pytest.fixture(scope="module")
def config() -> TrainConfig:
    return read_recipe(paths.resources() / "recipes" / "usassist-us.toml", overrides=["batch_size=8"])


@given(count=st.integers(2, 100), epoch=st.integers(0, 50))
def test_an_epoch_draws_every_example_at_most_once(config, count: int, epoch: int) -> None:
    batches = draw_batches(count, config, epoch=epoch)
    drawn = np.concatenate([indices for indices, _ in batches])
    assert len(set(drawn.tolist())) == len(drawn)
    assert len(batches) == steps_of(count, config)
    assert all(not times.any() for _, times in batches)
    assert len({len(indices) for indices, _ in batches}) == 1


def test_what_is_drawn_depends_on_seed_and_epoch_alone(config) -> None:
    one, two = (draw_batches(40, config, epoch=3) for _ in range(2))
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(one, two, strict=True))
    assert not np.array_equal(one[0][0], draw_batches(40, config, epoch=4)[0][0])
    other = dataclasses.replace(config, seed=9)
    assert not np.array_equal(one[0][0], draw_batches(40, other, epoch=3)[0][0])


def test_balancing_makes_rare_classes_as_frequent_as_common_ones(config) -> None:
    classes = ["common"] * 90 + ["rare"] * 10
    weights = balance_weights(classes, np.full(100, 0.1), BalanceConfig(class_power=1.0))
    drawn = Counter(
        classes[index]
        for epoch in range(60)
        for indices, _ in draw_batches(100, config, epoch=epoch, weights=weights)
        for index in indices
    )
    assert 0.45 < drawn["rare"] / drawn.total() < 0.55


def test_small_objects_are_drawn_more_often_and_empty_images_as_before() -> None:
    areas = np.array([0.01, 0.1, 0.1, 0.4, 0.0])
    weights = balance_weights(["a"] * 5, areas, BalanceConfig(size_power=1.0))
    assert weights is not None
    assert weights[0] / weights[1] == pytest.approx(10)
    assert weights[3] / weights[1] == pytest.approx(0.25)
    assert weights[4] == weights[1]
    speck = balance_weights(["a"] * 3, np.array([1e-9, 0.1, 0.1]), BalanceConfig(size_power=1.0))
    assert speck is not None and speck[0] <= 20 * speck[1]


def test_without_balance_there_are_no_weights() -> None:
    assert balance_weights(["a"], np.array([0.1]), BalanceConfig()) is None


def test_draws_of_one_example_are_told_apart(config) -> None:
    weights = np.array([1.0] + [1e-9] * 15)
    ((indices, times), (more, later)) = draw_batches(16, config, epoch=0, weights=weights)
    assert not indices.any() and not more.any()
    assert [*times, *later] == list(range(16))


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_P_N13_jobs_are_done_in_order_by_any_number_of_workers(workers: int) -> None:
    assert list(prepared([lambda i=i: i * i for i in range(20)], workers=workers)) == [i * i for i in range(20)]


def test_an_error_of_a_job_reaches_who_waits_for_it() -> None:
    def broken() -> int:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        list(prepared([lambda: 1, broken, lambda: 3], workers=1))


@given(
    draws=st.lists(st.floats(0, 3), min_size=2, max_size=60).filter(lambda values: sum(values) > 4),
    epoch=st.integers(0, 5),
)
def test_each_example_is_drawn_as_often_as_asked_for(config, draws: list[float], epoch: int) -> None:
    wanted = np.array(draws)
    config = dataclasses.replace(config, batch_size=2)
    drawn = np.concatenate([i for i, _ in draw_batches(len(draws), config, epoch=epoch, draws=wanted)])
    counts = np.bincount(drawn, minlength=len(draws))
    assert len(drawn) == count_of(wanted) // 2 * 2  # a short last batch is left out
    # Rounding of the total may take one draw more or fewer, and a short last batch one more.
    assert (counts >= np.floor(wanted) - 1).all() and (counts.sum() - np.floor(wanted).sum()) >= -1
    assert (counts <= np.ceil(wanted) + (count_of(wanted) > wanted.sum())).all()


def test_whole_draws_are_exact(config) -> None:
    draws = np.array([1.0] * 16 + [0.3] * 8 + [2.0] * 4)
    config = dataclasses.replace(config, batch_size=2)
    for epoch in range(20):
        drawn = np.concatenate([i for i, _ in draw_batches(28, config, epoch=epoch, draws=draws)])
        counts = np.bincount(drawn, minlength=28)
        assert (counts[:16] == 1).all() and (counts[24:] == 2).all()
        assert counts[16:24].sum() == 2


def test_draws_that_leave_nothing_are_refused() -> None:
    with pytest.raises(TrainingError, match="no image"):
        draws_of(["a", "a"], BalanceConfig(class_draws={"a": 0.0}))


def test_the_share_of_a_class_is_drawn_anew_each_epoch(config) -> None:
    draws = draws_of(["a"] * 20 + ["b"] * 40, BalanceConfig(class_draws={"b": 0.25}))
    assert draws is not None
    config = dataclasses.replace(config, batch_size=5)
    epochs = [np.concatenate([i for i, _ in draw_batches(60, config, epoch=e, draws=draws)]) for e in range(8)]
    assert all(len(set(drawn.tolist()) & set(range(20))) == 20 and len(drawn) == 30 for drawn in epochs)
    assert len({index for drawn in epochs for index in drawn.tolist()}) > 50


def test_draws_that_name_no_class_there_is_change_nothing() -> None:
    assert draws_of(["a", "b"], BalanceConfig(class_draws={"c": 2.0})) is None
