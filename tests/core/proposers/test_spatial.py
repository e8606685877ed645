"""A click at a known pixel lands in the right cell of the maps, also where the model sees a part of the frame only."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from usassist.core.domain import Box, Frame, FrameRef, Mask, Prompt, PromptPoint, Proposal
from usassist.core.errors import ModelError
from usassist.core.models.config import Calibration, EncoderConfig, ModelConfig
from usassist.core.models.mask_head import Segmentation
from usassist.core.models.prompt_maps import MOST_POINTS, prompt_maps
from usassist.core.proposers.answers import Answers
from usassist.core.proposers.spatial import PastAnswers, is_there, may_be_emptied, spatial_prompt

SHAPE = (120, 160)
WHOLE = Box(0, 0, *SHAPE)
CROP = Box(20, 40, 84, 136)
SIDE = 32
FRAME = Frame(FrameRef("f", 0), np.full(SHAPE, 90, dtype=np.uint8))


def maps(prompt: Prompt, seen: Box) -> np.ndarray:
    return prompt_maps([spatial_prompt(prompt, shape=SHAPE, seen=seen)], side=SIDE)[0].numpy()


def cell_of(x: float, y: float, seen: Box) -> tuple[int, int]:
    """Return the cell (row, col) that holds the centre of pixel (x, y)."""
    return int((y + 0.5 - seen.top) / seen.height * SIDE), int((x + 0.5 - seen.left) / seen.width * SIDE)


@pytest.mark.parametrize("seen", [WHOLE, CROP], ids=["whole", "crop"])
@pytest.mark.parametrize("positive", [True, False])
def test_a_click_lands_in_its_cell(seen: Box, positive: bool) -> None:
    rng = np.random.default_rng(3)
    corners = [(seen.left, seen.top), (seen.right - 1, seen.bottom - 1), (seen.left, seen.bottom - 1)]
    inside = [(int(rng.integers(seen.left, seen.right)), int(rng.integers(seen.top, seen.bottom))) for _ in range(20)]
    for x, y in [*corners, *inside]:
        found = maps(Prompt("x", points=(PromptPoint(x, y, positive),)), seen)
        near = 0 if positive else 2
        assert np.unravel_index(found[near].argmax(), found[near].shape) == cell_of(x, y, seen)
        assert not found[2 - near].any() and not found[4:].any()


@pytest.mark.parametrize("seen", [WHOLE, CROP], ids=["whole", "crop"])
def test_a_box_and_a_mask_cover_the_same_cells(seen: Box) -> None:
    box = Box(30, 50, 60, 98)
    inside = np.zeros(SHAPE, dtype=np.bool_)
    inside[box.slices] = True
    by_box = maps(Prompt("x", box=box), seen)[4]
    by_mask = maps(Prompt("x", mask=Mask.from_array(inside)), seen)[5]
    assert by_box == pytest.approx(by_mask, abs=0.02)
    assert by_box[cell_of(70, 45, seen)] == 1 and by_box[cell_of(120, 70, seen)] == -1


def test_what_is_beside_what_the_model_sees_is_left_out() -> None:
    there, beside = PromptPoint(60, 40), PromptPoint(5, 5)
    kept = spatial_prompt(Prompt("x", points=(there, beside)), shape=SHAPE, seen=CROP)
    assert kept.positive == ((20.5 / 96, 20.5 / 64),)
    cut = spatial_prompt(Prompt("x", box=Box(0, 0, 52, 88)), shape=SHAPE, seen=CROP)
    assert cut.box == (0, 0, 0.5, 0.5)
    for prompt in (Prompt("x", points=(beside,)), Prompt("x", box=Box(0, 0, 10, 10))):
        with pytest.raises(ModelError, match=r"columns 40 to 135, rows 20 to 83.*click inside"):
            spatial_prompt(prompt, shape=SHAPE, seen=CROP)


def test_what_points_at_nothing_is_nothing() -> None:
    for prompt in (Prompt("x", text="a cyst"), Prompt("x"), Prompt("x", mask=Mask.empty(SHAPE))):
        assert spatial_prompt(prompt, shape=SHAPE, seen=CROP) is None
    corner = np.zeros(SHAPE, dtype=np.bool_)
    corner[:5, :5] = True
    assert spatial_prompt(Prompt("x", mask=Mask.from_array(corner)), shape=SHAPE, seen=CROP) is None


def test_a_mask_of_another_frame_is_a_sentence() -> None:
    with pytest.raises(ModelError, match=r"\(5, 5\).*\(120, 160\)"):
        spatial_prompt(Prompt("x", mask=Mask.empty((5, 5))), shape=SHAPE, seen=WHOLE)


def test_hostile_clicks_stay_small_and_finite() -> None:
    points = tuple(PromptPoint(x, y) for x in (1e300, -1e300, -1) for y in (1e300, -1e300, 10.0))
    with pytest.raises(ModelError, match="click inside"):
        spatial_prompt(Prompt("x", points=points), shape=SHAPE, seen=WHOLE)
    many = tuple(PromptPoint(i % 160, i % 120, bool(i % 2)) for i in range(10_000))
    found = maps(Prompt("x", points=(*points, *many), box=Box(0, 0, 10_000_000, 10_000_000)), WHOLE)
    assert np.isfinite(found).all() and np.abs(found).max() <= 1
    latest = maps(Prompt("x", points=many[-2 * MOST_POINTS :], box=Box(0, 0, 120, 160)), WHOLE)
    assert np.array_equal(found, latest)


def test_what_does_not_belong_says_nothing_about_being_there_and_only_trims_a_mask() -> None:
    inside = np.zeros(SHAPE, dtype=np.bool_)
    inside[20:40, 20:40] = True
    mask, away, here = Mask.from_array(inside), (PromptPoint(1, 1, False),), (PromptPoint(1, 1),)
    for prompt, there, emptied in (
        (Prompt("x"), False, True),
        (Prompt("x", points=away), False, True),
        (Prompt("x", points=here), True, False),
        (Prompt("x", box=Box(0, 0, 9, 9)), True, False),
        (Prompt("x", mask=mask), True, False),
        (Prompt("x", mask=mask, points=here + away), True, False),
        (Prompt("x", mask=mask, points=away), False, False),
    ):
        pointed = spatial_prompt(prompt, shape=SHAPE, seen=WHOLE)
        assert (is_there(pointed), may_be_emptied(pointed)) == (there, emptied), prompt


def test_what_was_clicked_away_is_remembered_as_certainly_not_there() -> None:
    """The model is sure of all of the scan, the person keeps its left half: the next click goes on from that."""
    inside = np.zeros(SHAPE, dtype=np.bool_)
    inside[20:84, 40:88] = True
    logits = torch.full((1, 1, 32, 32), 4.0)
    logits[..., 15] = -0.2  # the outline itself: a little less than a half on a cell that is in
    out = Segmentation(logits, torch.zeros(1), torch.zeros(1))
    for points, right in (((PromptPoint(120, 40, False),), 0.0), ((), float(torch.tensor(4.0).sigmoid()))):
        prompt = Prompt("x", points=points)
        past = PastAnswers()
        found = Proposal("f", "x", Mask.from_array(inside), 1.0, 1.0, "e", "", prompt, 0.0)
        past.keep(FRAME, found, out, seen=CROP, threshold=0.5)
        behind = past.behind(FRAME, Mask.from_array(inside.copy()))
        assert behind[:, :15] == pytest.approx(float(torch.tensor(4.0).sigmoid()))
        assert behind[:, 15] == pytest.approx(float(torch.tensor(-0.2).sigmoid()))
        assert behind[:, 16:] == pytest.approx(right)
    logits -= 8
    past.keep(FRAME, replace(found, prompt=Prompt("x", points=(PromptPoint(60, 40),))), out, seen=CROP, threshold=0.5)
    assert past.behind(FRAME, found.mask)[:, :15] == pytest.approx(1.0)
    of_another_project = Frame(FRAME.ref, np.full(SHAPE, 91, dtype=np.uint8))
    assert past.behind(of_another_project, found.mask) is None


@pytest.mark.parametrize("threshold", [0.0, 0.05, 0.2, 0.45, 0.8, 1.0])
def test_a_click_that_agrees_makes_nothing_certain_that_nobody_clicked(threshold: float) -> None:
    """Every probability occurs; the mask is what lies above the threshold, and the click lies in it."""
    logits = torch.linspace(-6, 6, 32).expand(1, 1, 32, 32)
    out = Segmentation(logits, torch.zeros(1), torch.zeros(1))
    config = ModelConfig("m", "M", EncoderConfig("x", (0, 1)), calibration=Calibration(presence_threshold=0.0))
    answers = Answers(config, threshold, engine="e", weights_hash="ab")
    frame = Frame(FrameRef("s", 0), np.full(SHAPE, 90, dtype=np.uint8))
    prompt = Prompt("x", points=(PromptPoint(159, 60, threshold < 1),))
    (found,) = answers.proposals(frame, prompt, out)
    past = PastAnswers()
    past.keep(frame, found, out, seen=WHOLE, threshold=threshold)
    behind = past.behind(frame, found.mask)
    assert (behind is None and found.mask.is_empty) or np.array_equal(behind, out.probability()[0, 0].numpy())


@pytest.mark.parametrize("threshold", [0.2, 0.45, 0.8])
@pytest.mark.parametrize(("away", "is_certain"), [(0.07, False), (0.13, True)])
def test_what_contradicts_the_mask_is_certain_where_it_is_clearly_beside_the_threshold(
    threshold: float, away: float, *, is_certain: bool
) -> None:
    """The left half of the mask is a little too unlikely for it, the right half of the rest a little too likely."""
    inside = np.zeros(SHAPE, dtype=np.bool_)
    inside[:, :80] = True
    probability = torch.full((1, 1, 32, 32), threshold)
    probability[..., :8] -= away
    probability[..., 24:] += away
    out = Segmentation(probability.logit(), torch.zeros(1), torch.zeros(1))
    prompt = Prompt("x", points=(PromptPoint(10, 10),))
    past, mask = PastAnswers(), Mask.from_array(inside)
    past.keep(FRAME, Proposal("f", "x", mask, 1.0, 1.0, "e", "", prompt, 0.0), out, seen=WHOLE, threshold=threshold)
    behind = past.behind(FRAME, mask)
    assert behind[:, 8:24] == pytest.approx(threshold, abs=1e-6)
    assert behind[:, :8] == pytest.approx(1.0 if is_certain else threshold - away, abs=1e-6)
    assert behind[:, 24:] == pytest.approx(0.0 if is_certain else threshold + away, abs=1e-6)
