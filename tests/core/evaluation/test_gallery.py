"""The few cases that a report shows."""

import numpy as np
import pytest

from usassist.core.errors import UsassistError
from usassist.core.evaluation.gallery import Gallery, draw_case, outlines_of
from usassist.core.evaluation.protocol import Case, score_case
from usassist.core.geometry.cv import cv2

SHAPE = (60, 80)


def case(index: int, *, width: int, drawn: list[int] | None = None) -> Case:
    truth, pred = np.zeros((2, *SHAPE), dtype=np.bool_)
    truth[10:20, 10:50] = True
    pred[10:20, 10 : 10 + width] = True

    def image() -> np.ndarray:
        if drawn is not None:
            drawn.append(index)
        return np.full(SHAPE, 90, dtype=np.uint8)

    return Case(f"{index}.png", truth, pred, image=image)


def test_worst_median_and_best() -> None:
    gallery = Gallery(worst_count=3, best_count=2, median_count=1)
    widths = np.random.default_rng(0).permutation(np.arange(1, 41))
    for index, width in enumerate(widths.tolist()):
        one = case(index, width=width)
        gallery.offer(one, score_case(one))
    shown = gallery.shown()
    assert [(one.rank, int(widths[int(one.score.input[:-4])])) for one in shown[:3]] == [
        ("worst", 1),
        ("worst", 2),
        ("worst", 3),
    ]
    assert shown[3].rank == "median"
    assert abs(int(widths[int(shown[3].score.input[:-4])]) - 20.5) <= 1
    assert [int(widths[int(one.score.input[:-4])]) for one in shown[4:]] == [40, 39]
    assert shown[0].data_uri.startswith("data:image/jpeg;base64,/9j/")


def test_pictures_are_read_only_for_cases_that_are_kept() -> None:
    drawn: list[int] = []
    gallery = Gallery(worst_count=2, best_count=2, median_count=2)
    for index in range(600):
        one = case(index, width=20, drawn=drawn)
        gallery.offer(one, score_case(one))
    assert len(drawn) == len(set(drawn))
    assert len(drawn) < 128 * (1 + np.log(600 / 128)) + 60
    assert [one.score.input for one in gallery.shown()[:2]] == ["0.png", "1.png"]
    assert len(gallery.shown()) == 4, "the first two are the worst and the best of equals, and are shown once"


def test_nothing_found_where_nothing_is_is_not_shown_as_best() -> None:
    empty = np.zeros(SHAPE, dtype=np.bool_)
    gallery = Gallery(worst_count=0)
    for index in range(5):
        one = Case(f"{index}.png", empty, empty)
        gallery.offer(one, score_case(one))
    assert gallery.shown() == ()


def test_what_is_perfect_or_good_among_others_is_no_worst_case() -> None:
    gallery = Gallery(best_count=2)
    for index, width in enumerate((40, 40, 39, 38, 37)):
        one = case(index, width=width)
        gallery.offer(one, score_case(one))
    ranks = {one.score.input: one.rank for one in gallery.shown()}
    assert [name for name, rank in ranks.items() if rank == "worst"] == ["4.png", "3.png"]
    assert [name for name, rank in ranks.items() if rank == "best"] == ["0.png", "1.png"]
    perfect = Gallery()
    perfect.offer(case(0, width=40), score_case(case(0, width=40)))
    assert [one.rank for one in perfect.shown()] == ["best"]


def test_what_failed_is_shown_however_many_failed() -> None:
    gallery = Gallery()
    for index, width in enumerate((40, 5, 4, 3)):
        one = case(index, width=width)
        gallery.offer(one, score_case(one))
    assert [one.score.input for one in gallery.shown() if one.rank == "worst"] == ["3.png", "2.png", "1.png"]


def test_a_picture_shows_both_outlines() -> None:
    one = case(0, width=30)
    picture = cv2.imdecode(np.frombuffer(draw_case(one), dtype=np.uint8), cv2.IMREAD_COLOR_RGB).astype(int)
    assert picture.shape == (240, 320, 3)
    assert (np.abs(picture - 90).max(axis=2) < 8).mean() > 0.8, "the frame itself stays as it is"
    orange = (picture[..., 0] - picture[..., 2] > 60).sum()
    blue = (picture[..., 2] - picture[..., 0] > 60).sum()
    assert orange > 50
    assert blue > 20


def test_colour_frames_no_frames_and_wrong_frames() -> None:
    mask = np.ones(SHAPE, dtype=np.bool_)
    colour = np.zeros((*SHAPE, 3), dtype=np.uint8)
    colour[..., 0] = 200
    red = cv2.imdecode(
        np.frombuffer(draw_case(Case("a", mask & False, mask & False, image=colour)), np.uint8), cv2.IMREAD_COLOR_RGB
    )
    assert red[100, 100].tolist() == pytest.approx([200, 0, 0], abs=6)
    assert draw_case(Case("a", mask, mask))
    with pytest.raises(UsassistError, match=r"60 x 81.*60 x 80"):
        draw_case(Case("a", mask, mask, image=np.zeros((60, 81), dtype=np.uint8)))


def test_outlines_are_kept_without_the_frame() -> None:
    gallery = Gallery()
    one = case(0, width=30)
    gallery.offer(one, score_case(one))
    (shown,) = gallery.shown()
    assert shown.outlines.shape == SHAPE
    assert sorted(shown.outlines.truth.strip("MZ").split("L")) == ["10 10", "10 20", "50 10", "50 20"]
    assert sorted(shown.outlines.pred.strip("MZ").split("L")) == ["10 10", "10 20", "40 10", "40 20"]
    nothing = outlines_of(Case("a", np.ones(SHAPE, dtype=np.bool_), np.zeros(SHAPE, dtype=np.bool_)))
    assert (nothing.pred, nothing.truth[0]) == ("", "M")


def test_outlines_have_few_points() -> None:
    rows, cols = np.indices((600, 800))
    disc = (rows - 300) ** 2 + (cols - 400) ** 2 < 200**2
    path = outlines_of(Case("a", disc, disc)).truth
    assert path.count("L") < 40
    assert path.count("M") == path.count("Z") == 1
