"""One line of the protocol, on masks small enough to count by hand."""

from pathlib import Path

import numpy as np
import pytest

from usassist.core.data.dataset import load
from usassist.core.domain import Mask
from usassist.core.errors import UsassistError
from usassist.core.evaluation import protocol
from usassist.core.evaluation.protocol import Case, score_case
from usassist.core.io.open_study import open_source
from usassist.core.metrics.surface import SurfaceDistances, surface, surface_distances

EMPTY = np.zeros((30, 40), dtype=np.bool_)
SQUARE = EMPTY.copy()
SQUARE[10:20, 10:20] = True
SHIFTED = np.roll(SQUARE, 5, axis=1)


def test_numbers_of_a_shifted_square() -> None:
    score = score_case(Case("a.png", SQUARE, Mask.from_array(SHIFTED), spacing_mm=(0.1, 0.1)))
    assert score.dice == 0.5
    assert score.iou == pytest.approx(1 / 3)
    assert score.precision == score.recall == 0.5
    assert score.hd95_px == 5.0
    assert score.hd95_mm == pytest.approx(0.5)
    assert score.assd_mm == pytest.approx(0.1 * score.assd_px)
    assert score.nsd_1mm == 1.0 > score.nsd_2px
    assert not score.is_degenerate
    assert (score.empty_truth, score.empty_pred) == (False, False)


@pytest.mark.parametrize(("axis", "expected"), [(0, 0.5), (1, 1.5)])
def test_unequal_spacing_is_measured_anew(axis: int, expected: float) -> None:
    score = score_case(Case("a.png", SQUARE, np.roll(SQUARE, 5, axis=axis), spacing_mm=(0.1, 0.3)))
    assert score.hd95_px == 5.0
    assert score.hd95_mm == pytest.approx(expected)
    exact = surface_distances(SQUARE, np.roll(SQUARE, 5, axis=axis), spacing_mm=(0.1, 0.3))
    assert (score.assd_mm, score.nsd_1mm) == (exact.assd, exact.nsd(1.0))
    assert (score.nsd_1mm == 1.0) == (axis == 0)


def test_without_a_spacing_nothing_is_said_in_mm() -> None:
    score = score_case(Case("a.png", SQUARE, SHIFTED))
    assert (score.hd95_mm, score.assd_mm, score.nsd_1mm) == (None, None, None)


def test_square_pixels_are_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = []

    def counted(*args: object, **options: object) -> SurfaceDistances:
        measured.append(options)
        return surface_distances(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(protocol, "surface_distances", counted)
    score_case(Case("a.png", SQUARE, SHIFTED, spacing_mm=(0.1, 0.1)))
    assert len(measured) == 1
    score_case(Case("a.png", SQUARE, SHIFTED, spacing_mm=(0.1, 0.3)))
    assert len(measured) == 3


@pytest.mark.data
def test_hc18_is_measured_in_mm(data_root: Path) -> None:
    """Fetal heads with 0.1 to 0.2 mm a pixel, the prediction drawn 6 rows too low: against every pair of points."""
    for example in load(data_root / "hc18", split="train")[:3]:
        reader = open_source(example.source)
        try:
            truth = example.read_truth(reader.frame(0).shape)
        finally:
            reader.close()
        spacing = example.spacing_mm
        assert spacing is not None and all(0.1 <= side <= 0.2 for side in spacing)
        pred = np.roll(truth, 6, axis=0)
        a, b = (np.argwhere(surface(mask)) * spacing for mask in (truth, pred))
        between = np.hypot(*(a[:, None] - b[None]).transpose(2, 0, 1))
        nearest = np.concatenate([between.min(0), between.min(1)])
        score = score_case(Case(example.source.relative, truth, pred, spacing_mm=spacing))
        assert score.assd_mm == pytest.approx(nearest.mean())
        assert score.nsd_1mm == pytest.approx(np.mean(nearest <= 1.0))
        assert score.hd95_mm == pytest.approx(max(np.percentile(between.min(axis), 95) for axis in (0, 1)))
        assert 0 < score.assd_mm < 6 * spacing[0] and score.nsd_1mm != score.nsd_2px


def test_both_empty() -> None:
    score = score_case(Case("a.png", EMPTY, Mask.empty((30, 40)), spacing_mm=(0.1, 0.1)))
    assert (score.dice, score.iou, score.nsd_2px, score.precision, score.recall) == (1, 1, 1, 1, 1)
    assert (score.hd95_px, score.assd_px, score.hd95_mm, score.assd_mm, score.nsd_1mm) == (0, 0, 0, 0, 1)
    assert not score.is_degenerate


@pytest.mark.parametrize(("truth", "pred"), [(SQUARE, EMPTY), (EMPTY, SQUARE)])
def test_one_empty(truth: np.ndarray, pred: np.ndarray) -> None:
    score = score_case(Case("a.png", truth, pred, spacing_mm=(0.1, 0.2)))
    assert (score.dice, score.iou, score.nsd_2px, score.precision, score.recall) == (0, 0, 0, 0, 0)
    assert (score.hd95_px, score.assd_px) == (50, 50)
    assert score.hd95_mm == score.assd_mm == pytest.approx(np.hypot(3, 8))
    assert score.nsd_1mm == 0
    assert score.is_degenerate


def test_unequal_sizes_name_the_input_and_both_sizes() -> None:
    with pytest.raises(UsassistError, match=r"sub/a\.png, frame 3: .*30 x 40.*31 x 40"):
        score_case(Case("sub/a.png", EMPTY, np.zeros((31, 40), dtype=np.bool_), frame=3))


def test_the_group_is_the_input_unless_it_is_known_better() -> None:
    assert score_case(Case("clip.dcm", EMPTY, EMPTY, frame=2)).group == "clip.dcm"
    assert score_case(Case("clip.dcm", EMPTY, EMPTY, group="patient 1")).group == "patient 1"
