"""How well classes named by prompts are told apart."""

import numpy as np
import pytest

from usassist.core.errors import UsassistError
from usassist.core.evaluation.classification import ClassScores, classify
from usassist.core.metrics.ranking import auc


def case(name: str, *probabilities: float, group: str = "") -> ClassScores:
    return ClassScores(name, probabilities, group or f"{name}{probabilities}")


def test_two_classes() -> None:
    cases = [
        case("benign", 0.9, 0.1),
        case("benign", 0.4, 0.6),
        case("malignant", 0.3, 0.7),
        case("malignant", 0.2, 0.8),
    ]
    found = classify(cases, ["benign", "malignant"])
    assert found is not None
    assert found.auc == auc([0.1, 0.6, 0.7, 0.8], [False, False, True, True]) == 1.0
    assert found.accuracy == 0.75
    assert found.f1 == pytest.approx((2 * 1 / 3 + 2 * 2 / 5) / 2)
    assert found.n == (("benign", 2), ("malignant", 2))


def test_images_of_a_class_that_no_prompt_names_are_left_out() -> None:
    cases = [case("benign", 0.9, 0.1), case("normal", 0.5, 0.5), case("malignant", 0.3, 0.7), case("", 0.1, 0.9)]
    found = classify(cases, ["benign", "malignant"])
    assert found is not None
    assert found.n == (("benign", 1), ("malignant", 1))


def test_three_classes_of_noise() -> None:
    rng = np.random.default_rng(0)
    names = ["a", "b", "c"]
    cases = [
        ClassScores(names[index % 3], tuple(rng.dirichlet(np.ones(3)).tolist()), str(index)) for index in range(150)
    ]
    found = classify(cases, names)
    assert found is not None
    assert found.ci95 is not None
    assert found.ci95[0] < 0.5 < found.ci95[1]
    assert found.ci95[0] < found.auc < found.ci95[1]
    assert classify(cases, names) == found


def test_one_class_cannot_be_told_apart() -> None:
    assert classify([case("a", 1.0, 0.0)], ["a", "b"]) is None
    assert classify([], ["a", "b"]) is None


def test_every_class_needs_a_probability() -> None:
    with pytest.raises(UsassistError, match="2 classes; found 3"):
        classify([case("a", 0.2, 0.3, 0.5)], ["a", "b"])
