"""Zero-shot classification: ensembles, one softmax over the classes, and what makes it worthless."""

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from usassist.core.errors import UsassistError
from usassist.core.evaluation import zero_shot
from usassist.core.evaluation.zero_shot import (
    PromptSet,
    class_logits,
    class_probabilities,
    diagnose,
    prototypes,
    top_eigenvalue_share,
)

PROMPTS = PromptSet.of({"benign": ["oval", "smooth"], "malignant": ["spiculated"]})


def test_N11_a_class_is_the_mean_of_its_prompts() -> None:
    assert PROMPTS.texts == ("oval", "smooth", "spiculated")
    assert PROMPTS.asked == ("benign", "benign", "malignant")
    assert class_logits([0.2, 0.4, 0.5], PROMPTS, method="similarity", scale=100.0).tolist() == pytest.approx([30, 50])
    shares = class_probabilities(class_logits([0.2, 0.4, 0.9], PROMPTS, method="presence"))
    assert shares.tolist() == pytest.approx([0.25, 0.75])
    nothing = class_probabilities(class_logits([0.0, 0.0, 0.0], PROMPTS, method="presence"))
    assert nothing.tolist() == [0.5, 0.5]


@given(seed=st.integers(0, 100))
def test_P_N10_the_softmax_is_over_the_classes_once_and_never_over_the_batch(seed: int) -> None:
    logits = np.random.default_rng(seed).normal(size=(7, 3), scale=5)
    together = class_probabilities(logits)
    alone = np.stack([class_probabilities(row) for row in logits])
    np.testing.assert_allclose(together, alone, atol=1e-12)  # another batch, the same answer
    np.testing.assert_allclose(together.sum(axis=1), 1.0)
    np.testing.assert_allclose(np.log(together) - np.log(together[:, :1]), logits - logits[:, :1], atol=1e-6)  # once


def test_a_temperature_makes_less_sure_and_changes_no_answer() -> None:
    logits = np.array([[3.0, 1.0], [0.0, 4.0]])
    cool, warm = class_probabilities(logits, temperature=4.0), class_probabilities(logits)
    assert (cool.max(axis=1) < warm.max(axis=1)).all()
    assert (cool.argmax(axis=1) == warm.argmax(axis=1)).all()


def test_classes_that_mean_the_same_are_said() -> None:
    images = np.random.default_rng(0).normal(size=(30, 4))
    alike = np.array([[1.0, 0.0, 0, 0], [1.0, 0.1, 0, 0], [1.0, 0.05, 0, 0]])
    (said,) = diagnose(images, alike, PROMPTS)
    assert "'benign' and 'malignant' mean nearly the same" in said
    apart = np.array([[1.0, 0, 0, 0], [0.9, 0.1, 0, 0], [0, 1.0, 0, 0]])
    assert diagnose(images, apart, PROMPTS) == ()
    assert prototypes(apart, PROMPTS)[0] @ prototypes(apart, PROMPTS)[1] < 0.2


def test_a_collapsed_image_tower_is_said() -> None:
    rng = np.random.default_rng(0)
    apart = np.eye(3, 4)
    line = np.outer(rng.normal(size=30), [1.0, 2.0, 0, 0]) + 1e-3 * rng.normal(size=(30, 4))
    assert any("collapsed" in said for said in diagnose(line, apart, PROMPTS))
    assert top_eigenvalue_share(np.ones((10, 4))) == 1.0
    assert top_eigenvalue_share(np.ones((2, 4))) == 0.0
    assert top_eigenvalue_share(rng.normal(size=(500, 4))) < 0.4


@pytest.mark.parametrize("prompts", [{}, {"a": ["x"]}, {"a": ["x"], "b": []}, {"a": ["x"], "b": [" "]}])
def test_two_classes_with_a_prompt_each_are_needed(prompts) -> None:
    with pytest.raises(UsassistError, match="at least two classes"):
        PromptSet.of(prompts)


def test_too_many_prompts_are_refused() -> None:
    with pytest.raises(UsassistError, match="At most 1000"):
        PromptSet.of({"a": [str(index) for index in range(1000)], "b": ["x"]})


def test_the_examples_are_true() -> None:
    assert doctest.testmod(zero_shot).failed == 0


@pytest.mark.parametrize("temperature", [0.01, 1.0, 100.0])
def test_steep_logits_raise_no_warning_at_any_temperature(temperature: float) -> None:
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        found = class_probabilities([[1e6, -1e6, 0.0], [1e300, -1e300, 0.0]], temperature=temperature)
    assert found.tolist() == [[1.0, 0.0, 0.0]] * 2


@pytest.mark.parametrize("broken", [np.inf, np.nan])
def test_logits_that_are_no_numbers_are_a_sentence_and_no_warning(broken: float) -> None:
    with np.errstate(all="raise"), pytest.raises(UsassistError, match="out of range"):
        class_probabilities([0.0, broken])
    with pytest.raises(UsassistError, match="above 0"):
        class_probabilities([0.0, 1.0], temperature=0.0)
