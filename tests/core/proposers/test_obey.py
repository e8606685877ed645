"""Clicked pixels have their click's sign, whatever the model says; nothing else changes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from usassist.core.domain import Box, Mask, Prompt, PromptPoint
from usassist.core.proposers.obey import obeyed

SHAPE = (24, 32)
WHOLE = Box(0, 0, *SHAPE)
LIKELY = np.full(SHAPE, 0.2, dtype=np.float32)
LIKELY.flags.writeable = False


def filled(*boxes: Box) -> Mask:
    inside = np.zeros(SHAPE, dtype=np.bool_)
    for box in boxes:
        inside[box.slices] = True
    return Mask.from_array(inside)


def yes(x: float, y: float) -> PromptPoint:
    return PromptPoint(x, y)


def no(x: float, y: float) -> PromptPoint:
    return PromptPoint(x, y, positive=False)


def obey(found: Mask, *points: PromptPoint, likely: np.ndarray = LIKELY, seen: Box = WHOLE, **asked: object) -> Mask:
    return obeyed(found, Prompt("x", points=points, **asked), seen=seen, likely=likely)


BIG, SMALL = Box(4, 3, 15, 14), Box(17, 20, 22, 30)
BOTH = filled(BIG, SMALL)


def test_what_is_clicked_away_in_its_depth_goes_whole() -> None:
    assert obey(BOTH, no(8, 9), mask=BOTH) == filled(SMALL)
    assert obey(BOTH, no(8.4, 8.6), mask=BOTH) == filled(SMALL), "the pixel under the click counts"
    assert obey(filled(BIG), no(8, 9), mask=filled(BIG)).is_empty


def test_what_is_clicked_away_at_its_edge_loses_a_disc() -> None:
    found = obey(filled(BIG), no(4, 9), mask=filled(BIG))
    gone = filled(BIG).to_array() & ~found.to_array()
    rows, cols = np.mgrid[: SHAPE[0], : SHAPE[1]]
    assert np.array_equal(gone, ((rows - 9) ** 2 + (cols - 4) ** 2 <= 4) & filled(BIG).to_array())


def test_a_positive_click_keeps_its_piece_and_what_is_nearer_to_it() -> None:
    found = obey(filled(BIG), yes(6, 9), no(8, 9), mask=filled(BIG))
    assert found.contains(9, 6) and found.contains(9, 7) and not found.contains(9, 8) and found.contains(4, 3)
    elsewhere = obey(BOTH, yes(25, 19), no(8, 9), mask=BOTH)
    assert elsewhere == filled(SMALL)


def test_a_box_is_not_emptied_by_a_click_in_the_middle_of_its_answer() -> None:
    found = obey(filled(BIG), no(8, 9), mask=filled(BIG), box=BIG)
    assert not found.is_empty and not found.contains(9, 8)
    assert obey(BOTH, no(25, 19), mask=BOTH, box=WHOLE) == filled(BIG), "another piece of it goes"


def test_what_is_clicked_and_missing_comes_with_what_is_as_likely() -> None:
    likely = np.full((200, 300), 0.01, dtype=np.float32)
    likely[90:110, 140:150] = 0.3
    likely[95:105, 141:149] = 0.4
    mask = Mask.from_array(likely > 0.9)
    prompt = Prompt("x", points=(yes(145, 100),))
    found = obeyed(mask, prompt, seen=Box(0, 0, 200, 300), likely=likely)
    assert np.array_equal(found.to_array(), likely > 0.2)
    wide = obeyed(mask, prompt, seen=Box(0, 0, 200, 300), likely=np.full_like(likely, 0.3))
    assert wide.box == Box(82, 127, 119, 164), "no further than 18 pixels, 6 % of the longer side"
    cut = obeyed(mask, prompt, seen=Box(90, 0, 105, 300), likely=np.full_like(likely, 0.3))
    assert cut.box == Box(90, 127, 105, 164), "never beside the scan"


def test_of_clicks_on_one_pixel_the_later_counts() -> None:
    for points, there in (((yes(8, 9), no(8.3, 9.2)), False), ((no(8, 9), yes(7.8, 9)), True)):
        assert obey(filled(BIG), *points, mask=filled(BIG)).contains(9, 8) is there


def test_pieces_that_nobody_pointed_at_go_where_one_is_clicked() -> None:
    assert obey(BOTH, yes(25, 19)) == filled(SMALL)
    assert obey(BOTH, yes(25, 19), yes(8, 9)) is BOTH
    assert obey(BOTH, no(1, 1)) is BOTH, "nothing is pointed at"
    assert obey(BOTH, yes(25, 19), box=WHOLE) is BOTH, "the box may hold both"


def test_pieces_of_the_mask_before_stay_and_new_ones_do_not_come_unasked() -> None:
    assert obey(BOTH, yes(25, 19), mask=filled(Box(4, 3, 6, 5))) is BOTH
    assert obey(BOTH, yes(25, 19), mask=filled(Box(0, 20, 2, 30))) == filled(SMALL)
    assert obey(BOTH, no(1, 1), mask=filled(Box(4, 3, 6, 5))) == filled(BIG)
    assert obey(BOTH, no(1, 1), mask=filled(Box(0, 20, 2, 30))).is_empty, "nobody pointed at what lies elsewhere"
    assert obey(BOTH, yes(25, 19), mask=Mask.empty(SHAPE)) == filled(SMALL)


@pytest.mark.parametrize("strays", [(SMALL,), (SMALL, Box(0, 30, 2, 32))])
def test_where_the_piece_that_was_there_is_clicked_away_no_stray_one_takes_its_place(strays: tuple[Box, ...]) -> None:
    assert obey(filled(BIG, *strays), no(8, 9), mask=filled(BIG)).is_empty
    assert obey(filled(*strays), no(8, 9), mask=filled(BIG)).is_empty, "also where the model took it away itself"
    assert obey(filled(BIG, *strays), no(8, 9), yes(25, 19), mask=filled(BIG)) == filled(SMALL), "unless it is clicked"
    boxed = obey(filled(BIG, *strays), no(8, 9), mask=filled(BIG), box=WHOLE)
    assert boxed == filled(*strays), "a box says that something is there"


@pytest.mark.parametrize(("row", "is_all"), [(7, False), (8, True)])
def test_how_deep_a_click_is_about_all_of_a_piece(row: int, *, is_all: bool) -> None:
    """In the 11 rows of a square the deepest pixel is 6 deep: row 8 is 5 (0.83) and row 7 is 4 (0.67)."""
    assert obey(filled(BIG), no(8, row), mask=filled(BIG)).is_empty is is_all


def test_where_the_model_has_no_number_what_is_clicked_comes_alone() -> None:
    unknown = np.full(SHAPE, np.nan, dtype=np.float32)
    assert obey(filled(SMALL), yes(8, 9), mask=filled(SMALL), likely=unknown) == filled(SMALL, Box(9, 8, 10, 9))


def test_clicks_beside_the_scan_say_nothing() -> None:
    seen = Box(0, 0, 24, 16)
    assert obey(filled(BIG), yes(25, 19), seen=seen) == filled(BIG)
    assert obey(filled(BIG), no(16, 9), seen=seen) == filled(BIG)
    assert obey(filled(BIG), yes(1e300, -1e300), yes(-1, -1)) == filled(BIG)


def test_without_clicks_nothing_changes() -> None:
    for asked in ({}, {"box": BIG}, {"mask": filled(BIG)}):
        assert obey(BOTH, **asked) is BOTH


coordinates = st.tuples(st.floats(-1, SHAPE[1]), st.floats(-1, SHAPE[0]))
clicks = st.lists(st.builds(lambda at, sign: PromptPoint(*at, sign), coordinates, st.booleans()), max_size=6)
boxes = st.builds(
    lambda top, left, height, width: Box(top, left, min(top + height, SHAPE[0]), min(left + width, SHAPE[1])),
    *(st.integers(0, 23), st.integers(0, 31), st.integers(1, 16), st.integers(1, 20)),
)
masks = st.lists(boxes, max_size=4).map(lambda some: filled(*some))


def pixel_of(point: PromptPoint) -> tuple[int, int]:
    return int(np.floor(point.y + 0.5)), int(np.floor(point.x + 0.5))


@given(
    mask=masks,
    points=clicks,
    before=st.none() | masks,
    box=st.none() | boxes,
    seen=st.sampled_from([WHOLE, Box(3, 5, 20, 30)]),
    seed=st.integers(0, 99),
)
def test_clicked_pixels_have_their_sign_and_a_second_time_nothing_changes(
    *, mask: Mask, points: list[PromptPoint], before: Mask | None, box: Box | None, seen: Box, seed: int
) -> None:
    inside = np.zeros(SHAPE, dtype=np.bool_)
    inside[seen.slices] = mask.to_array()[seen.slices]
    mask = Mask.from_array(inside)
    likely = np.random.default_rng(seed).random(SHAPE, dtype=np.float32) * 0.4
    prompt = Prompt("x", points=tuple(points), mask=before, box=box)
    found = obeyed(mask, prompt, seen=seen, likely=likely)
    signs = {pixel_of(point): point.positive for point in points if seen.contains(*pixel_of(point))}
    assert {at: found.contains(*at) for at in signs} == signs
    assert obeyed(found, prompt, seen=seen, likely=likely) is found
    outside = found.to_array()
    outside[seen.slices] = False
    assert not outside.any()
    if not any(signs.values()):
        assert not (found.to_array() & ~inside).any(), "who only takes away gets nothing new"


@given(box=boxes, points=clicks)
def test_one_piece_that_follows_all_clicks_is_left_alone(box: Box, points: list[PromptPoint]) -> None:
    mask = filled(box)
    agreeing = [PromptPoint(p.x, p.y, mask.contains(*pixel_of(p))) for p in points]
    assert obey(mask, *agreeing) is mask and obey(mask, *agreeing, mask=mask) is mask


def test_many_clicks_are_followed_too() -> None:
    rng = np.random.default_rng(0)
    points = tuple(PromptPoint(float(x), float(y), bool(s)) for x, y, s in rng.integers(0, [32, 24, 2], (200, 3)))
    found = obey(BOTH, *points, mask=BOTH)
    signs = {pixel_of(point): point.positive for point in points}
    assert {at: found.contains(*at) for at in signs} == signs
