import dataclasses
import doctest
import math

import pytest
import torch
from torch import nn

from usassist.core import paths
from usassist.core.captions.vocabulary import load_vocabulary
from usassist.core.data.dataset import load
from usassist.core.models.build import build_segmenter
from usassist.core.models.config import EncoderConfig, ModelConfig
from usassist.core.models.tokens import collect_vocabulary
from usassist.core.training import calibrate, loop
from usassist.core.training.batches import TrainBatches, load_all
from usassist.core.training.config import read_recipe


@pytest.mark.parametrize("module", [loop, calibrate])
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


def test_the_rate_rises_then_falls() -> None:
    factors = [loop.lr_factor(step, 100, 0.2) for step in range(100)]
    peak = factors.index(max(factors))
    assert 18 <= peak <= 21 and factors[-1] < 0.01
    assert factors[:peak] == sorted(factors[:peak])


class _State:
    epoch = step = 0
    best = -1.0
    model = average = nn.Linear(1, 1)
    optimiser = torch.optim.AdamW([nn.Parameter(torch.zeros(1))])


def _scores(monkeypatch, scores: list[float], *, val: list) -> list[bool]:
    """Run epochs that reach these scores; return which were kept."""
    monkeypatch.setattr(loop, "train_step", lambda *_, **__: {"dice": 0.0})
    coming = iter(scores)
    monkeypatch.setattr(loop, "validate", lambda *_, **__: {"score": next(coming)})
    config = dataclasses.replace(read_recipe(paths.resources() / "recipes" / "usassist-us.toml"), epochs=len(scores))
    for group in _State.optimiser.param_groups:
        group["peak_lr"] = 1.0
    kept: list[bool] = []
    batches = _OneBatch()
    loop.train_epochs(
        _State(), batches, val, config, device=torch.device("cpu"), on_epoch=lambda _, best: kept.append(best)
    )
    return kept


class _OneBatch:
    def __len__(self) -> int:
        return 1

    def epoch(self, _epoch: int):
        yield None


def test_p_n12_a_model_whose_score_is_0_is_kept_and_nan_never_is(monkeypatch) -> None:
    assert _scores(monkeypatch, [math.nan, 0.0, 0.5, math.nan, 0.4], val=[1]) == [False, True, True, False, False]


def test_without_validation_the_last_epoch_is_kept(monkeypatch) -> None:
    assert _scores(monkeypatch, [0.0, 0.0, 0.0], val=[]) == [True, True, True]


def test_p_t3_the_text_tower_and_every_adapter_learn(recipe, discs, quick) -> None:
    items, _ = load_all(load(discs, split="train"))
    config = read_recipe(recipe, overrides=quick)
    vocabulary = collect_vocabulary(load_vocabulary().texts())
    model = build_segmenter(
        ModelConfig(
            "m", "M", EncoderConfig("usassist-lite0", config.encoder.taps, vocabulary), preprocess=config.preprocess
        )
    )
    state = loop.new_state(model, config)
    loop.set_training_mode(model, config)
    for batch in TrainBatches(items, config, load_vocabulary()).epoch(0):
        loop.train_step(state, batch, config, device=torch.device("cpu"))
    silent = [
        name
        for name, parameter in model.named_parameters()
        if (".text" in name or "transformer" in name or ".adapter.up." in name)
        and (parameter.grad is None or not parameter.grad.any())
    ]
    assert not silent
