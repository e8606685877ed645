import dataclasses
import doctest
import logging
import math
from typing import Any

import pytest
import torch
from torch import nn

from tests.core.training.toy import ToyModel, ToyTask
from usassist.core import paths
from usassist.core.errors import TrainingError
from usassist.core.training import calibrate, loop, sampling
from usassist.core.training.config import TrainConfig, read_recipe
from usassist.core.training.loop import EpochReport

CPU = torch.device("cpu")


@pytest.fixture
def config() -> TrainConfig:
    recipe = read_recipe(paths.resources() / "recipes" / "usassist-us.toml")
    return dataclasses.replace(recipe, epochs=3, batch_size=8, warmup=0.2, ema=0.9)


@pytest.fixture(autouse=True)
def everything_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy has no towers to tell apart."""
    monkeypatch.setattr(loop.adapt, "select_trainable", lambda *_, **__: None)
    monkeypatch.setattr(loop, "lower", lambda *_: 0)


def _run(config: TrainConfig, **options: Any) -> tuple[loop.TrainState[ToyModel], list[EpochReport]]:
    torch.manual_seed(0)
    scores = options.pop("scores", [])
    task = ToyTask(ToyModel(dropout=0.2), config, **options)
    task.scores = list(scores)
    state = loop.new_state(task.model, config)
    told: list[EpochReport] = []
    loop.train_epochs(state, task, config, device=CPU, on_epoch=told.append)
    return state, told


@pytest.mark.parametrize("module", [loop, calibrate, sampling])
def test_examples_in_docstrings(module) -> None:
    assert doctest.testmod(module, extraglobs={"np": __import__("numpy")}).failed == 0


def test_the_average_follows_the_model_and_copies_counters() -> None:
    model, average = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    with torch.no_grad():
        model.weight.fill_(3.0)
    model.num_batches_tracked.fill_(7)
    loop.update_average(average, model, decay=0.5)
    assert torch.equal(average.weight, torch.full((2,), 2.0))
    assert average.num_batches_tracked == 7


def test_the_rate_of_each_step_is_the_recipes(config, monkeypatch) -> None:
    rates: list[float] = []
    step = loop.train_step

    def noted(state, *arguments: Any, **options: Any) -> Any:
        rates.append(state.optimiser.param_groups[0]["lr"])
        return step(state, *arguments, **options)

    monkeypatch.setattr(loop, "train_step", noted)
    _run(dataclasses.replace(config, lr=1e-2, min_lr=1e-3, warmup=0.0))
    assert len(rates) == 9  # 3 epochs of 24 images in batches of 8
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == pytest.approx(1e-2) and 1e-3 <= rates[-1] < 2e-3


def test_the_optimiser_has_the_recipes_betas_and_decays_no_vectors(config) -> None:
    state = loop.new_state(ToyModel(), dataclasses.replace(config, betas=(0.8, 0.95), weight_decay=0.3))
    assert all(group["betas"] == (0.8, 0.95) for group in state.optimiser.param_groups)
    decays = {p.ndim: group["weight_decay"] for group in state.optimiser.param_groups for p in group["params"]}
    assert decays == {4: 0.3, 2: 0.3, 1: 0.0}


def test_P_N12_a_model_whose_score_is_0_is_kept_and_nan_never_is(config) -> None:
    _, told = _run(dataclasses.replace(config, epochs=5), scores=[math.nan, 0.0, 0.5, math.nan, 0.4])
    assert [report.kept for report in told] == [False, True, True, False, False]


def test_the_last_epoch_is_kept_whatever_its_score_where_the_recipe_says_so(config) -> None:
    last = dataclasses.replace(config, epochs=4, keep="last")
    state, told = _run(last, scores=[0.5, 0.9, math.nan, 0.4])
    assert [report.kept for report in told] == [True, True, False, True]
    assert (state.best_epoch, state.best) == (4, 0.4)


def test_without_validation_the_last_epoch_is_kept(config, monkeypatch) -> None:
    monkeypatch.setattr(ToyTask, "validate", lambda *_: {"score": 0.0, "n": 0.0})
    state, told = _run(dataclasses.replace(config, patience=1))
    assert [report.kept for report in told] == [True, True, True]
    assert state.epoch == 3


def test_patience_counts_validations_and_not_epochs(config) -> None:
    patient = dataclasses.replace(config, epochs=20, patience=2, validate_every=2)
    state, told = _run(patient, scores=[0.1, 0.3, 0.2, 0.2, 0.9])
    assert state.epoch == 8
    assert [report.epoch for report in told if report.val] == [2, 4, 6, 8]
    assert [report.epoch for report in told if report.kept] == [2, 4]


def test_the_last_epoch_is_validated_whatever_the_interval(config) -> None:
    _, told = _run(dataclasses.replace(config, validate_every=2))
    assert [report.epoch for report in told if report.val] == [2, 3]


def test_a_step_without_a_finite_gradient_changes_nothing_and_is_counted(config) -> None:
    config = dataclasses.replace(config, epochs=1)
    state, told = _run(config, poison=1)
    assert state.skipped == 1 and told[0].skipped == 1 and state.step == 3
    assert math.isfinite(told[0].loss)
    assert all(bool(tensor.isfinite().all()) for tensor in state.model.state_dict().values())
    assert state.model.encoder[1].num_batches_tracked == 2  # the poisoned batch left no trace
    assert all(bool(tensor.isfinite().all()) for tensor in state.average.state_dict().values())


def test_an_epoch_without_any_finite_step_is_a_sentence(config) -> None:
    with pytest.raises(TrainingError, match="no step had a finite gradient"):
        _run(dataclasses.replace(config, batch_size=24), poison=0)


def test_accumulated_batches_make_one_step_of_their_mean_gradient(config, caplog) -> None:
    torch.manual_seed(0)
    batch = (torch.randn(4, 1, 6, 6), torch.tensor([1.0, 0, 0, 1]))
    other = (torch.randn(4, 1, 6, 6), torch.tensor([0.0, 0, 1, 1]))
    gradients = []
    for batches in ([batch], [other], [batch, other]):
        torch.manual_seed(1)
        task = ToyTask(ToyModel(), config)
        state = loop.new_state(task.model, dataclasses.replace(config, clip_norm=1e6))
        loop.train_step(state, task, batches, dataclasses.replace(config, clip_norm=1e6), device=CPU)
        gradients.append(task.model.head.weight.grad)
    assert torch.allclose((gradients[0] + gradients[1]) / 2, gradients[2], atol=1e-6)
    with caplog.at_level(logging.WARNING, "usassist.core.training.loop"):  # also without -v
        state, _ = _run(dataclasses.replace(config, accumulate=2))
    assert caplog.text.count("does not enlarge the set of negatives") == 1
    assert state.step == 6  # 3 batches an epoch: a pair and a rest


def test_what_is_frozen_is_shared_with_the_average_and_stays(config) -> None:
    model = ToyModel()
    model.encoder.requires_grad_(requires_grad=False)
    state = loop.new_state(model, config)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    loop.train_epochs(state, ToyTask(model, config), config, device=CPU, on_epoch=lambda *_: None)
    assert state.average.encoder[0].weight.data_ptr() == model.encoder[0].weight.data_ptr()
    after = model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before if name.startswith("encoder"))
    assert not torch.equal(before["head.weight"], after["head.weight"])
    assert not torch.equal(state.average.head.weight, after["head.weight"])


def test_int8_without_a_frozen_block_is_a_sentence_and_else_the_layers_are_counted(config, monkeypatch, caplog) -> None:
    with pytest.raises(TrainingError, match="int8 is for the frozen transformer blocks"):
        loop.new_state(ToyModel(), dataclasses.replace(config, precision="int8"))
    loop.new_state(ToyModel(), dataclasses.replace(config, precision="bf16"))  # autocast serves it
    monkeypatch.setattr(loop, "lower", lambda *_: 7)
    with caplog.at_level(logging.INFO, "usassist.core.training.loop"):
        loop.new_state(ToyModel(), dataclasses.replace(config, precision="int8"))
    assert "7 frozen layers multiply in int8" in caplog.text


def test_a_model_in_which_nothing_may_learn_is_a_sentence(config) -> None:
    model = ToyModel().requires_grad_(requires_grad=False)
    with pytest.raises(TrainingError, match="Nothing in this model may learn"):
        loop.new_state(model, config)


def test_bf16_computes_in_half_and_learns_in_full_precision(config, monkeypatch) -> None:
    seen = []
    forward = ToyModel.forward
    monkeypatch.setattr(ToyModel, "forward", lambda self, x: seen.append(forward(self, x)) or seen[-1])
    state, told = _run(dataclasses.replace(config, epochs=1, precision="bf16"))
    assert {out.dtype for out in seen if out.requires_grad} == {torch.bfloat16}
    assert state.model.head.weight.dtype == torch.float32
    assert math.isfinite(told[0].loss)


def test_progress_is_told_step_by_step(config) -> None:
    told: list[tuple[str, int, int]] = []
    task = ToyTask(ToyModel(), config)
    state = loop.new_state(task.model, config)
    loop.train_epochs(
        state, task, config, device=CPU, on_epoch=lambda *_: None, on_progress=lambda *what: told.append(what)
    )
    assert told[:4] == [("epoch 1", 1, 3), ("epoch 1", 2, 3), ("epoch 1", 3, 3), ("epoch 2", 1, 3)]


def test_accumulation_is_not_explained_where_nothing_is_compared(config, monkeypatch, caplog) -> None:
    monkeypatch.setattr(ToyTask, "compares", False)
    _run(dataclasses.replace(config, accumulate=2))
    assert "negatives" not in caplog.text


def test_an_epoch_whose_validation_is_interrupted_is_not_done(config, monkeypatch) -> None:
    def interrupted(*_: object) -> dict[str, float]:
        raise KeyboardInterrupt

    monkeypatch.setattr(ToyTask, "validate", interrupted)
    task = ToyTask(ToyModel(), config)
    state = loop.new_state(task.model, config)
    with pytest.raises(KeyboardInterrupt):
        loop.train_epochs(state, task, config, device=CPU, on_epoch=lambda *_: None)
    assert (state.epoch, state.step) == (0, 3)


def test_the_epoch_of_the_best_is_remembered(config) -> None:
    state, _ = _run(dataclasses.replace(config, epochs=4), scores=[0.1, 0.5, 0.3, 0.4])
    assert (state.best, state.best_epoch, state.waited) == (0.5, 2, 2)
