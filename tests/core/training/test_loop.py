import doctest

import pytest
import torch
from torch import nn

from usassist.core.training import calibrate, loop


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
