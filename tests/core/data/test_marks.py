from pathlib import Path

import cv2
import numpy as np
import pytest

from usassist.core.data.dataset import load
from usassist.core.data.drawn_marks import draw_calipers, draw_text
from usassist.core.data.frames import open_frames
from usassist.core.data.marks import find_marks, without_marks


def _tissue(rows: int = 320, cols: int = 420, seed: int = 0) -> np.ndarray:
    """Speckle that is wider than deep, and bright layers that lie."""
    rng = np.random.default_rng(seed)
    grain = cv2.GaussianBlur(rng.normal(0, 1, (rows, cols)).astype(np.float32), (0, 0), sigmaX=2.6, sigmaY=1.1)
    grey = 80 + 22 * grain / grain.std()
    for row in (40, 90, 91, 180):
        bend = row + 6 * np.sin(np.arange(cols) / 60)
        grey += 110 * np.exp(-0.5 * ((np.arange(rows)[:, None] - bend[None]) / 1.2) ** 2)
    return np.clip(grey, 0, 255).astype(np.uint8)


def _crossed(grey: np.ndarray, *, bright: int = 225) -> tuple[np.ndarray, np.ndarray]:
    """A pair of crosses with a dotted line and a number, and where these are."""
    drawn = grey.copy()
    for x, y in ((120, 130), (230, 150)):
        cv2.drawMarker(drawn, (x, y), bright, cv2.MARKER_CROSS, 11)
    for share in np.arange(0.06, 0.96, 0.03):
        drawn[round(130 + 20 * share), round(120 + 110 * share)] = bright - 40
    cv2.putText(drawn, "1", (240, 160), cv2.FONT_HERSHEY_PLAIN, 0.8, bright)
    return drawn, drawn != grey


@pytest.mark.parametrize("seed", range(4))
def test_p_n11_tissue_without_marks_is_left_as_it_is(seed: int) -> None:
    grey = _tissue(seed=seed)
    assert not find_marks(grey).any()
    assert without_marks(grey) is grey


@pytest.mark.parametrize("turn", [np.array, np.fliplr])
def test_p_n11_crosses_their_dotted_line_and_their_number_are_found(turn) -> None:
    drawn, where = (np.ascontiguousarray(turn(part)) for part in _crossed(_tissue()))
    found = find_marks(drawn)
    assert found.dtype == np.bool_ and found.shape == drawn.shape
    assert (found & where).sum() / where.sum() > 0.9
    assert (found & ~cv2.dilate(where.astype(np.uint8), np.ones((9, 9))).astype(bool)).sum() < 40


def test_p_n11_what_is_filled_in_looks_like_what_was_there() -> None:
    grey = _tissue()
    drawn, where = _crossed(grey)
    before = drawn.copy()
    clean = without_marks(drawn)
    assert np.array_equal(drawn, before)
    error = np.abs(clean.astype(int) - grey)[where].mean()
    assert error < 0.25 * np.abs(drawn.astype(int) - grey)[where].mean()
    assert np.array_equal(clean[200:], drawn[200:])
    assert np.array_equal(clean, without_marks(drawn))
    assert not find_marks(clean).any()


@pytest.mark.parametrize("scale", [1, 2])
def test_p_n11_words_are_found_whatever_the_size_of_the_frame(scale: int) -> None:
    grey = _tissue(320 * scale, 420 * scale)
    drawn = grey.copy()
    cv2.putText(drawn, "LT AXILLA", (60, 280 * scale), cv2.FONT_HERSHEY_SIMPLEX, 0.5 * scale, 230, scale, cv2.LINE_AA)
    where = np.abs(drawn.astype(int) - grey) > 40
    assert (find_marks(drawn) & where).sum() / where.sum() > 0.9


def test_p_n11_a_border_line_and_a_grey_bar_are_no_marks_of_their_own() -> None:
    grey = _tissue()
    grey[:, :40] = 0
    grey[20:120, 5:8] = np.linspace(250, 60, 100)[:, None].astype(np.uint8)
    grey[:, -1] = 255
    assert not find_marks(grey).any()


@pytest.mark.parametrize("shape", [(1, 1), (5, 400), (31, 31), (32, 32)])
def test_tiny_frames_have_no_marks(shape: tuple[int, int]) -> None:
    assert not find_marks(np.zeros(shape, np.uint8)).any()
    assert without_marks(np.full(shape, 255, np.uint8)).shape == shape


def test_a_read_only_frame_can_be_looked_at() -> None:
    drawn, _ = _crossed(_tissue())
    drawn.flags.writeable = False
    assert not np.array_equal(without_marks(drawn), drawn)


@pytest.mark.data
def test_p_n11_real_frames_with_and_without_marks_are_told_apart(data_root: Path) -> None:
    """BrEaST was published without marks, so what is found there is tissue; what is drawn onto it has to be found."""
    examples = load(data_root / "breast", split="val")
    found, recalls = [], []
    for number, (_, grey) in enumerate(open_frames(examples)):
        found.append(bool(find_marks(grey).any()))
        drawn = grey.copy()
        (draw_calipers if number % 2 else draw_text)(drawn, rng=np.random.default_rng(number))
        where = drawn.astype(int) - grey > 60
        if where.sum() > 20:
            recalls.append((find_marks(drawn) & where).sum() / where.sum())
    assert len(found) >= 20
    assert np.mean(found) < 0.05
    assert np.median(recalls) > 0.9
