"""Classes and the ROC curve: equal to scikit-learn, ties and degenerate cases included."""

import types
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from usassist.core.errors import UsassistError
from usassist.core.metrics.classification import (
    accuracy,
    balanced_accuracy,
    confusion,
    f1,
    precision,
    recall,
    roc_curve,
    specificity,
)
from usassist.core.metrics.ranking import auc, average_precision


@pytest.fixture(scope="module")
def sklearn() -> types.ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("sklearn.metrics")  # type: ignore[no-any-return]


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("seed", range(8))
def test_N16_class_metrics_are_scikit_learns(sklearn: types.ModuleType, classes: int, seed: int) -> None:
    """Some draws leave a class out of the truth or the predictions: the degenerate cases are among them."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes if seed % 2 else classes - 1, 30)
    predicted = np.where(rng.random(30) < 0.6, truth, rng.integers(0, max(1, classes - seed % 3), 30))
    labels = list(range(classes))
    table = confusion(truth, predicted, classes=classes)
    assert np.array_equal(table, sklearn.confusion_matrix(truth, predicted, labels=labels))
    p, r, f, _ = sklearn.precision_recall_fscore_support(truth, predicted, labels=labels, zero_division=0)
    assert precision(table) == pytest.approx(p, abs=1e-6)
    assert recall(table) == pytest.approx(r, abs=1e-6)
    assert f1(table) == pytest.approx(f, abs=1e-6)
    assert accuracy(table) == pytest.approx(sklearn.accuracy_score(truth, predicted), abs=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class that is only predicted is said aloud
        assert balanced_accuracy(table) == pytest.approx(sklearn.balanced_accuracy_score(truth, predicted), abs=1e-6)
    for index in labels:
        others = sklearn.recall_score(truth != index, predicted != index, zero_division=0)
        assert specificity(table)[index] == pytest.approx(others, abs=1e-6)


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.1, 0.5, 0.5000001, 0.9, 1.0]), st.booleans()), min_size=2, max_size=40
    ).filter(lambda rows: {hit for _, hit in rows} == {True, False})
)
def test_N16_roc_and_auc_are_scikit_learns_with_ties(sklearn: types.ModuleType, rows: list[tuple[float, bool]]) -> None:
    scores, positives = [score for score, _ in rows], [hit for _, hit in rows]
    curve = roc_curve(scores, positives)
    fpr, tpr, thresholds = sklearn.roc_curve(positives, scores, drop_intermediate=False)
    assert curve.false_positive_rate == pytest.approx(fpr, abs=1e-6)
    assert curve.true_positive_rate == pytest.approx(tpr, abs=1e-6)
    assert curve.thresholds == pytest.approx(thresholds, abs=1e-6)
    assert auc(scores, positives) == pytest.approx(sklearn.roc_auc_score(positives, scores), abs=1e-6)
    area = np.trapezoid(curve.true_positive_rate, curve.false_positive_rate)
    assert area == pytest.approx(auc(scores, positives), abs=1e-9)
    theirs = sklearn.average_precision_score(positives, scores)
    assert average_precision(scores, positives) == pytest.approx(theirs, abs=1e-6)


def test_N16_class_metrics_by_hand() -> None:
    table = confusion([0, 0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1, 0])
    assert table.tolist() == [[2, 1], [1, 3]]
    assert accuracy(table) == pytest.approx(5 / 7)
    assert recall(table).tolist() == pytest.approx([2 / 3, 3 / 4])
    assert specificity(table).tolist() == pytest.approx([3 / 4, 2 / 3])
    assert precision(table).tolist() == pytest.approx([2 / 3, 3 / 4])
    assert f1(table).tolist() == pytest.approx([2 / 3, 3 / 4])
    assert balanced_accuracy(table) == pytest.approx((2 / 3 + 3 / 4) / 2)


def test_P_N9_a_class_that_is_never_predicted_counts_as_0_and_does_not_vanish() -> None:
    table = confusion([0, 0, 1, 2], [0, 0, 0, 0], classes=3)
    assert precision(table).tolist() == [0.5, 0.0, 0.0]
    assert recall(table).tolist() == [1.0, 0.0, 0.0]
    assert f1(table).mean() == pytest.approx(2 / 3 / 3)
    assert balanced_accuracy(table) == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("truth", "predicted", "classes", "said"),
    [
        ([], [], None, "true and a predicted class"),
        ([0, 1], [0], None, "true and a predicted class"),
        ([0, -1], [0, 1], None, "found -1"),
        ([0, 2], [0, 1], 2, "from 0 to 1; found 0 to 2"),
        ([0.5, 1.0], [0.0, 1.0], None, "whole numbers"),
    ],
)
def test_what_is_no_class_is_refused(
    truth: list[float], predicted: list[float], classes: int | None, said: str
) -> None:
    with pytest.raises(UsassistError, match=said):
        confusion(np.array(truth), np.array(predicted), classes=classes)


@pytest.mark.parametrize("positives", [[True, True], [False, False]])
def test_one_kind_of_case_has_no_roc_curve(positives: list[bool]) -> None:
    with pytest.raises(UsassistError, match="both kinds"):
        roc_curve([0.1, 0.2], positives)
