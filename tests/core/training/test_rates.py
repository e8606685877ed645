import doctest

from usassist.core.training import rates


def test_examples_in_docstrings() -> None:
    assert doctest.testmod(rates).failed == 0


def test_the_rate_rises_then_falls() -> None:
    factors = [rates.lr_factor(step, 100, 0.2) for step in range(100)]
    peak = factors.index(max(factors))
    assert 18 <= peak <= 21 and factors[-1] < 0.01
    assert factors[:peak] == sorted(factors[:peak])
