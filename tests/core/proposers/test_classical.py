"""The engine without weights finds what is plainly there, obeys prompts and scan regions, and never overstates."""

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from usassist.core.data.simulate import random_scene, simulate_still
from usassist.core.domain import Box, Frame, FrameRef, Mask, Prompt, PromptPoint, Proposal, ScanRegion
from usassist.core.proposers import specs
from usassist.core.proposers.classical import ClassicalProposer
from usassist.core.proposers.proposer import BuildOptions

_ANY = Prompt("lesion")


def _frame(pixels: npt.NDArray[np.uint8], *, regions: tuple[ScanRegion, ...] = ()) -> Frame:
    return Frame(FrameRef("case-00000000", 0), pixels.copy(), regions=regions)


def _ask(frame: Frame, prompt: Prompt = _ANY) -> Proposal:
    (proposal,) = ClassicalProposer().propose(frame, prompt)
    return proposal


def _dice(mask: Mask, truth: npt.NDArray[np.bool_]) -> float:
    found = mask.to_array()
    return float(2 * (found & truth).sum() / (found.sum() + truth.sum()))


def _two_spots() -> npt.NDArray[np.uint8]:
    rng = np.random.default_rng(0)
    pixels = rng.normal(140, 14, (240, 320))
    rows, cols = np.mgrid[:240, :320]
    pixels[np.hypot((rows - 100) / 30, (cols - 90) / 40) < 1] -= 90
    pixels[np.hypot((rows - 110) / 22, (cols - 240) / 28) < 1] -= 70
    return np.clip(pixels, 0, 255).astype(np.uint8)


def test_the_engine_is_found_by_walking_the_room() -> None:
    spec = specs()["classical"]
    assert spec.prompts == {"box", "points"}
    engine = spec.build(BuildOptions())
    assert engine.weights_hash == ""
    engine.close()


@pytest.mark.parametrize("kind", ["cyst", "fibroadenoma", "spiculated"])
def test_a_dark_simulated_lesion_is_found_without_a_prompt(kind: str) -> None:
    scores = []
    for seed in (1, 2, 3):
        picture = simulate_still(random_scene(seed, kind=kind))  # type: ignore[arg-type]
        proposal = _ask(_frame(picture.pixels))
        assert proposal.mask.shape == picture.pixels.shape
        scores.append(_dice(proposal.mask, picture.mask))
    assert float(np.median(scores)) > 0.75


def test_the_same_frame_gets_the_same_answer() -> None:
    frame = _frame(_two_spots())
    first, second = _ask(frame), _ask(frame)
    assert first.mask == second.mask
    assert (first.presence, first.quality) == (second.presence, second.quality)


def test_a_box_and_a_click_choose_between_two_spots() -> None:
    frame = _frame(_two_spots())
    rows, cols = np.mgrid[:240, :320]
    right = np.hypot((rows - 110) / 22, (cols - 240) / 28) < 1
    boxed = _ask(frame, Prompt("lesion", box=Box(84, 206, 138, 274)))
    clicked = _ask(frame, Prompt("lesion", points=(PromptPoint(240.0, 110.0),)))
    assert _dice(boxed.mask, right) > 0.9
    assert _dice(clicked.mask, right) > 0.9


def test_a_negative_click_sends_it_elsewhere() -> None:
    frame = _frame(_two_spots())
    refused = _ask(frame, Prompt("lesion", points=(PromptPoint(90.0, 100.0, positive=False),)))
    assert not refused.mask.contains(100, 90)
    assert refused.mask.contains(110, 240)


def test_it_never_leaves_the_scan_region_or_the_box() -> None:
    region = ScanRegion(Box(20, 170, 220, 320), "b_mode")
    frame = _frame(_two_spots(), regions=(region,))
    for prompt in (_ANY, Prompt("lesion", box=Box(0, 150, 240, 320))):
        mask = _ask(frame, prompt).mask
        assert not mask.is_empty
        assert mask.box.intersection(region.box) == mask.box
    box = Box(90, 220, 120, 260)
    inside = _ask(frame, Prompt("lesion", box=box)).mask
    assert inside.box.intersection(box) == inside.box


@pytest.mark.parametrize("value", [0, 128, 255])
@pytest.mark.parametrize("shape", [(1, 1), (3, 400), (64, 64), (300, 20)])
def test_featureless_pictures_give_finite_scores(value: int, shape: tuple[int, int]) -> None:
    frame = _frame(np.full(shape, value, dtype=np.uint8))
    for prompt in (
        _ANY,
        Prompt("lesion", box=Box(0, 0, shape[0], shape[1])),
        Prompt("lesion", box=Box(0, 0, 0, 0)),
        Prompt("lesion", points=(PromptPoint(0.0, 0.0), PromptPoint(-50.0, 9000.0))),
    ):
        proposal = _ask(frame, prompt)
        assert proposal.mask.shape == shape
        assert math.isfinite(proposal.score)


def test_colour_and_16_bit_frames_are_understood() -> None:
    grey = _two_spots()
    colour = Frame(FrameRef("case-00000000", 0), np.repeat(grey[..., None], 3, axis=2))
    deep = Frame(FrameRef("case-00000000", 0), grey.astype(np.uint16) * 257, bits_stored=16)
    plain = _ask(_frame(grey))
    assert _ask(colour).mask == plain.mask
    assert _ask(deep).mask == plain.mask


def test_a_threshold_above_the_presence_leaves_the_mask_empty() -> None:
    (proposal,) = ClassicalProposer(threshold=1.0).propose(_frame(_two_spots()), _ANY)
    assert proposal.mask.is_empty
    assert proposal.score == 0.0


def test_warming_does_not_change_the_answer() -> None:
    engine, frame = ClassicalProposer(), _frame(_two_spots())
    engine.warm(frame)
    assert engine.propose(frame, _ANY)[0].mask == _ask(frame).mask


@pytest.mark.data
def test_boxes_help_on_real_lesions(data_root: Path) -> None:
    from usassist.core.data.dataset import load

    scores = []
    for example in load(data_root / "busi", split="val")[:12]:
        grey = example.read_grey()
        truth = example.read_truth((grey.shape[0], grey.shape[1]))
        if truth.any():
            proposal = _ask(_frame(grey), Prompt("lesion", box=Mask.from_array(truth).box))
            scores.append(_dice(proposal.mask, truth))
    assert float(np.mean(scores)) > 0.75
