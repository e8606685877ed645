"""How far two readers agree."""

import numpy as np
import pytest

from usassist.core.errors import UsassistError
from usassist.core.metrics.agreement import kappa, limits_of_agreement


def test_kappa_of_cohens_own_kind_of_table() -> None:
    first = ["yes"] * 25 + ["no"] * 25
    second = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    assert kappa(first, second) == pytest.approx(0.4)


def test_weights_forgive_near_misses() -> None:
    first, second = [1, 2, 3, 4, 5, 3], [1, 3, 3, 5, 4, 2]
    order = [1, 2, 3, 4, 5]
    plain = kappa(first, second, categories=order)
    linear = kappa(first, second, categories=order, weights="linear")
    quadratic = kappa(first, second, categories=order, weights="quadratic")
    assert plain < linear < quadratic < 1


def test_extremes() -> None:
    assert kappa(["b", "m"], ["b", "m"]) == 1.0
    assert kappa(["b", "b"], ["b", "b"]) == 1.0
    assert kappa(["b", "m"], ["m", "b"]) == -1.0
    rng = np.random.default_rng(0)
    assert abs(kappa(rng.integers(0, 3, 5000).tolist(), rng.integers(0, 3, 5000).tolist())) < 0.03


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(UsassistError, match="same cases"):
        kappa(["b"], ["b", "m"])
    with pytest.raises(UsassistError, match="same cases"):
        kappa([], [])
    with pytest.raises(UsassistError, match="Answers are among"):
        kappa(["b"], ["x"], categories=["b", "m"])
    with pytest.raises(UsassistError, match="at least two"):
        limits_of_agreement([1.0], [1.0])


def test_limits_of_agreement() -> None:
    found = limits_of_agreement([1.0, 2.0, 3.0, 4.0], [1.5, 2.5, 3.5, 4.5])
    assert (found.bias, found.lower, found.upper, found.n) == (0.5, 0.5, 0.5, 4)
