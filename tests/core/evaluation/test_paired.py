"""Two models on the same images."""

from pathlib import Path

import numpy as np
import pytest

from usassist.core.errors import UsassistError
from usassist.core.evaluation.bootstrap import mean_ci95
from usassist.core.evaluation.paired import compare_reports, crossed_ci95, paired_difference, require_same_questions
from usassist.core.evaluation.protocol import Case
from usassist.core.evaluation.report import ReportFacts, write_report
from usassist.core.evaluation.run import evaluate_masks
from usassist.core.evaluation.signed_rank import signed_rank
from usassist.core.evaluation.stored import StoredReport, read_report


def test_N17_a_shift_is_found_with_its_interval_and_p() -> None:
    rng = np.random.default_rng(0)
    first = rng.random(60)
    second = first + rng.normal(0.1, 0.05, 60)
    found = paired_difference(first, second)
    assert found.mean == pytest.approx(float((second - first).mean()))
    assert found.ci95[0] < found.mean < found.ci95[1]
    assert found.ci95[0] > 0.07
    assert found.p == pytest.approx(signed_rank(second - first).p)
    assert (found.n, found.groups) == (60, 60)
    assert paired_difference(first, second) == found


def test_the_images_are_paired_not_the_means() -> None:
    """Images differ far more than the models: only pairing sees the difference."""
    rng = np.random.default_rng(1)
    first = rng.random(40)
    found = paired_difference(first, first + 0.01)
    assert found.ci95 == pytest.approx((0.01, 0.01))
    assert found.p < 1e-6


def test_nothing_differs() -> None:
    found = paired_difference(np.arange(10.0), np.arange(10.0))
    assert (found.mean, found.ci95, found.p) == (0.0, (0.0, 0.0), 1.0)


def test_swapping_the_models_turns_the_sign() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.random(30), rng.random(30)
    forward, backward = paired_difference(a, b), paired_difference(b, a)
    assert forward.mean == pytest.approx(-backward.mean)
    assert forward.ci95 == pytest.approx((-backward.ci95[1], -backward.ci95[0]))
    assert forward.p == pytest.approx(backward.p)


def test_frames_of_one_cine_are_one_piece_of_evidence() -> None:
    first = np.zeros(100)
    second = np.repeat(np.random.default_rng(3).normal(0.1, 0.1, 5), 20)
    alone = paired_difference(first, second)
    together = paired_difference(first, second, groups=np.repeat(np.arange(5), 20).tolist())
    assert together.groups == 5
    assert together.p > 0.05 > alone.p
    assert together.ci95[1] - together.ci95[0] > 2 * (alone.ci95[1] - alone.ci95[0])


def test_another_training_counts_in_the_interval() -> None:
    image = np.random.default_rng(4).random(50)
    steady = np.stack([image, image, image])
    shaky = np.stack([image - 0.2, image, image + 0.2])
    assert crossed_ci95(steady) == pytest.approx(crossed_ci95(image), abs=0.01)
    narrow, wide = crossed_ci95(steady), crossed_ci95(shaky)
    assert wide[1] - wide[0] > 1.5 * (narrow[1] - narrow[0])


def test_one_seed_is_the_bootstrap_over_images() -> None:
    values = np.random.default_rng(5).random(80)
    groups = [index // 4 for index in range(80)]
    assert crossed_ci95(values, groups=groups) == pytest.approx(mean_ci95(values, groups=groups), abs=0.005)


def test_the_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(6)
    covered = 0
    for _ in range(200):
        low, high = crossed_ci95(rng.normal(0.0, 1.0, 40), resamples=400)
        covered += low <= 0.0 <= high
    assert 0.88 <= covered / 200 <= 0.99


@pytest.mark.parametrize(
    ("first", "second", "groups", "said"),
    [
        ([1.0], [1.0, 2.0], None, "1 of one and 2 of the other"),
        ([], [], None, "finite values"),
        ([float("nan")], [1.0], None, "finite values"),
        ([1.0, 2.0], [1.0, 2.0], ["a"], "2 images and 1 groups"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    first: list[float], second: list[float], groups: list[str] | None, said: str
) -> None:
    with pytest.raises(UsassistError, match=said):
        paired_difference(first, second, groups=groups)


def stored(folder: Path, *, shift: int, name: str = "i", count: int = 12) -> StoredReport:
    cases = []
    for index in range(count):
        truth, pred = np.zeros((2, 40, 50), dtype=np.bool_)
        truth[10:20, 10:20] = index % 4 > 0
        pred[10:20, 10 + shift : 20 + shift] = True
        cases.append(Case(f"{name}{index}.png", truth, pred))
    write_report(folder, evaluate_masks(cases), ReportFacts())
    return read_report(folder)


def test_two_reports_of_one_dataset_are_compared(tmp_path: Path) -> None:
    good, bad = stored(tmp_path / "good", shift=1), stored(tmp_path / "bad", shift=4)
    found = compare_reports(bad, good)
    assert found.mean == pytest.approx(0.9 - 0.6)
    assert found.n == 9
    everything = compare_reports(bad, good, metric="dice")
    assert everything.n == 12
    assert everything.mean == pytest.approx(0.3 * 9 / 12)


def test_reports_on_different_images_are_refused(tmp_path: Path) -> None:
    one, other = stored(tmp_path / "a", shift=1), stored(tmp_path / "b", shift=1, name="j")
    with pytest.raises(UsassistError, match=r"different images .* same dataset and split"):
        compare_reports(one, other)
    require_same_questions([one, one])
