"""Several recipes and seeds: the numbers of the one table."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from usassist.core.errors import UsassistError
from usassist.core.evaluation.comparison import Candidate, Row, Setting, Trained, compare
from usassist.core.evaluation.curves import Epoch
from usassist.core.evaluation.paired import crossed_ci95, paired_difference
from usassist.core.evaluation.stored import ClassLine, Line, StoredReport

IMAGES = 40
ALL = Setting()


def line(index: int, dice: float, *, empty_truth: bool = False, empty_pred: bool = False) -> Line:
    return Line(f"i{index}.png", 0, "", dice, dice / 2, 10 * (1 - dice), 5.0, dice, empty_truth, empty_pred)


def report(values: np.ndarray, *, fingerprint: str = "f", seconds: float = 0.1) -> StoredReport:
    """Return a report on images of which every fourth shows nothing, where nothing was found."""
    lines = [
        line(i, 1.0 if i % 4 == 0 else float(v), empty_truth=i % 4 == 0, empty_pred=i % 4 == 0)
        for i, v in enumerate(values)
    ]
    return StoredReport(Path("r"), "m", "ab", fingerprint, tuple(lines), seconds)


def candidate(name: str, shift: float, *, seeds: int = 3, setting: Setting = ALL, data: str = "busi") -> Candidate:
    image = np.random.default_rng(0).uniform(0.3, 0.7, IMAGES)
    runs = []
    for seed in range(seeds):
        noise = np.random.default_rng(seed + 10).normal(0, 0.02, IMAGES)
        epochs = (Epoch(1, 1.0, 0.3, 2.0 + seed), Epoch(2, 0.5, 0.6, 2.0 + seed))
        runs.append(Trained(seed, report(image + shift + noise), epochs))
    return Candidate(name, setting, data, tuple(runs), trainable=100, parameters=1000)


def rows_of(*candidates: Candidate) -> tuple[Row, ...]:
    return compare(candidates)


def test_N17_mean_sd_and_interval_over_seeds_and_images() -> None:
    (row,) = rows_of(candidate("a", 0.0))
    table = np.array([list(run.report.values("dice_lesion").values()) for run in row.candidate.runs])
    spread = row.spreads["dice_lesion"]
    assert table.shape == (3, 30)
    assert spread.mean == pytest.approx(table.mean())
    assert spread.sd == pytest.approx(np.std(table.mean(axis=1), ddof=1))
    assert spread.per_seed == pytest.approx(tuple(table.mean(axis=1)))
    assert spread.ci95 == crossed_ci95(table)
    assert spread.n == 30
    assert row.spreads["dice"].n == IMAGES
    assert row.spreads["empty_correct"].mean == 1.0
    assert row.spreads["empty_correct"].n == 10
    assert row.spreads["lesion_found"].mean == 1.0
    assert (row.seconds_per_epoch, row.seconds_per_image) == (3.0, 0.1)


def test_N17_the_difference_is_to_the_first_recipe_on_the_same_images() -> None:
    first, second = candidate("a", 0.0), candidate("b", 0.1)
    rows = rows_of(first, second)
    assert rows[0].difference is None
    tables = [
        np.array([list(run.report.values("dice_lesion").values()) for run in part.runs]) for part in (first, second)
    ]
    assert rows[1].difference == paired_difference(tables[0], tables[1])
    assert rows[1].difference.mean == pytest.approx(0.1)
    assert rows[1].difference.p < 0.001


def test_N17_each_dataset_and_amount_has_its_own_first() -> None:
    few, all_of_it = Setting(ratio=0.05), Setting(ratio=1.0)
    rows = rows_of(
        candidate("a", 0.0, setting=few),
        candidate("a", 0.2, setting=all_of_it),
        candidate("b", 0.1, setting=few),
        candidate("b", 0.2, setting=all_of_it, data="other"),
    )
    assert [row.difference is None for row in rows] == [True, True, False, True]
    assert rows[2].difference is not None
    assert rows[2].difference.mean == pytest.approx(0.1)


def test_groups_widen_the_interval() -> None:
    groups = {"busi": {(f"i{i}.png", 0): i // 20 for i in range(IMAGES)}}
    (alone,), (together,) = compare([candidate("a", 0.0)]), compare([candidate("a", 0.0)], groups=groups)
    assert alone.spreads["dice_lesion"].mean == together.spreads["dice_lesion"].mean
    assert alone.spreads["dice_lesion"].ci95 != together.spreads["dice_lesion"].ci95


def test_P_N9_an_image_that_failed_in_one_seed_is_counted_and_shows_in_n() -> None:
    whole = candidate("a", 0.0)
    short = replace(whole.runs[1], report=replace(whole.runs[1].report, lines=whole.runs[1].report.lines[:-1]))
    (row,) = compare([replace(whole, runs=(whole.runs[0], short, whole.runs[2]))])
    assert row.spreads["dice"].n == IMAGES - 1


def test_P_N9_nothing_found_is_dice_0_and_the_diagonal_and_stays_in_the_mean() -> None:
    found = Line("a.png", 0, "", 1.0, 1.0, 0.0, 0.0, 1.0, empty_truth=False, empty_pred=False)
    missed = Line("b.png", 0, "", 0.0, 0.0, 50.0, 50.0, 0.0, empty_truth=False, empty_pred=True)
    both = StoredReport(Path("r"), "m", "ab", "f", (found, missed), None)
    (row,) = compare([Candidate("a", Setting(), "d", (Trained(0, both),))])
    assert row.spreads["dice_lesion"].mean == 0.5
    assert row.spreads["hd95_px"].mean == 25.0
    assert row.spreads["lesion_found"].mean == 0.5
    assert "empty_correct" not in row.spreads
    assert row.spreads["dice_lesion"].sd is None


def test_reports_on_different_images_are_refused() -> None:
    other = candidate("b", 0.1)
    other = replace(other, runs=tuple(replace(r, report=replace(r.report, data_fingerprint="g")) for r in other.runs))
    with pytest.raises(UsassistError, match="different images"):
        compare([candidate("a", 0.0), other])


def test_a_recipe_without_a_run_has_no_row() -> None:
    empty = replace(candidate("a", 0.0), runs=())
    assert [row.candidate.recipe for row in compare([empty, candidate("b", 0.0)])] == ["b"]


def classifier(name: str, skill: float, *, seeds: int = 2) -> Candidate:
    runs = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        named = []
        for index in range(60):
            malignant = index % 3 == 0
            p = float(np.clip(0.5 + skill * (0.4 if malignant else -0.4) + rng.normal(0, 0.25), 0, 1))
            named.append(ClassLine(f"{index}.png", 0, "malignant" if malignant else "benign", (1 - p, p)))
        runs.append(
            Trained(seed, StoredReport(Path("r"), "m", "ab", "f", (), 0.1, ("benign", "malignant"), tuple(named)))
        )
    return Candidate(name, Setting(), "busi", tuple(runs))


def test_N17_classifiers_are_compared_by_auc() -> None:
    from usassist.core.metrics.ranking import auc

    poor, good = classifier("poor", 0.1), classifier("good", 0.9)
    rows = compare([poor, good])
    assert [row.main for row in rows] == ["auc", "auc"]
    spread = rows[1].spreads["auc"]
    by_hand = [
        auc([c.probabilities[1] for c in run.report.named], [c.class_name == "malignant" for c in run.report.named])
        for run in good.runs
    ]
    assert spread.per_seed == pytest.approx(tuple(by_hand))
    assert spread.n == 60
    assert spread.ci95 is not None
    assert spread.ci95[0] < spread.mean < spread.ci95[1] or spread.mean == 1.0
    assert rows[1].spreads["accuracy"].mean > rows[0].spreads["accuracy"].mean
    difference = rows[1].difference
    assert difference is not None
    assert difference.mean == pytest.approx(spread.mean - rows[0].spreads["auc"].mean)
    assert difference.ci95[0] > 0
    assert difference.p < 0.01
    assert compare([poor, good]) == rows


def test_a_classifier_is_not_better_than_itself() -> None:
    rows = compare([classifier("a", 0.4), classifier("b", 0.4)])
    assert rows[1].difference is not None
    assert rows[1].difference.mean == 0.0
    assert rows[1].difference.p > 0.3


@pytest.mark.parametrize(
    ("setting", "name", "amount"),
    [
        (Setting(), "", None),
        (Setting(ratio=0.05), "5 %", 5.0),
        (Setting(shots=1), "1 shot", 1),
        (Setting(shots=8), "8 shots", 8),
    ],
)
def test_settings_have_names(setting: Setting, name: str, amount: float | None) -> None:
    assert (setting.name, setting.amount) == (name, amount)
