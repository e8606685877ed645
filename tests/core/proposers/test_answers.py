from dataclasses import replace

import numpy as np
import torch

from usassist.core.domain import Box, Frame, FrameRef, Prompt, ScanRegion
from usassist.core.models.config import Calibration, EncoderConfig, ModelConfig
from usassist.core.models.mask_head import Segmentation
from usassist.core.models.prompt_maps import SpatialPrompt
from usassist.core.proposers.answers import Answers, probabilities


def test_steep_logits_raise_no_warning_and_stay_probabilities() -> None:
    logits = torch.tensor([[[[-500.0, 500.0], [0.0, -88.8]]]])
    with np.errstate(all="raise", under="ignore"):
        for odds in (logits, torch.cat([torch.zeros_like(logits), logits], dim=1)):
            (found,) = probabilities(Segmentation(odds, logits[0, 0, 0], logits[0, 0, 0]), Box(0, 0, 2, 2))
            assert found.dtype == np.float32
            assert np.allclose(found, [[0, 1], [0.5, 0]], atol=1e-6)
        three = torch.cat([torch.zeros_like(logits), logits, logits], dim=1)
        found = probabilities(Segmentation(three, logits[0, 0, 0], logits[0, 0, 0]), Box(0, 0, 2, 2))
    assert np.allclose(found[0], [[0, 0.5], [1 / 3, 0]], atol=1e-6)


def _answers(classes: tuple[str, ...] = ()) -> Answers:
    calibration = Calibration(presence_threshold=0.0, threshold=0.4)
    config = ModelConfig("m", "M", EncoderConfig("x", (0, 1)), calibration=calibration, classes=classes)
    return Answers(config, 0.4, engine="e", weights_hash="ab")


def _out(objects: int) -> Segmentation:
    logits = torch.full((1, 1 if objects == 1 else objects + 1, 8, 8), -3.0)
    logits[0, -1, 2:6, 2:6] = 5.0
    shape = (1,) if objects == 1 else (1, objects)
    return Segmentation(logits, torch.zeros(shape), torch.zeros(shape))


def test_outside_the_scan_there_is_neither_mask_nor_probability() -> None:
    pixels = np.full((40, 60), 90, dtype=np.uint8)
    scan = ScanRegion(Box(10, 20, 30, 50), "b_mode")
    for regions, box in (((scan,), scan.box), ((), Box(0, 0, 40, 60))):
        frame = Frame(FrameRef("s", 0), pixels, regions=regions)
        (found,) = _answers().proposals(frame, Prompt("lesion"), _out(1))
        assert found.probability is not None and found.probability.shape == found.mask.shape == (40, 60)
        inside = np.zeros((40, 60), dtype=bool)
        inside[box.slices] = True
        assert not found.probability[~inside].any() and found.probability[inside].min() > 0
        assert not found.mask.to_array()[~inside].any() and not found.mask.is_empty


def test_a_class_is_asked_for_by_its_name_and_each_judged_by_itself() -> None:
    frame, answers = Frame(FrameRef("s", 0), np.full((40, 60), 90, dtype=np.uint8)), _answers(("cyst", "node"))
    both = answers.proposals(frame, Prompt("lesion", text="anything"), _out(2))
    assert [proposal.label_id for proposal in both] == ["cyst", "node"]
    assert [proposal.mask.is_empty for proposal in both] == [True, False]
    (node,) = answers.proposals(frame, Prompt("lesion", text=" Node"), _out(2))
    assert node.label_id == "node" and node.mask == both[1].mask


def test_a_mask_that_is_corrected_is_not_emptied_by_a_low_presence() -> None:
    frame, answers = Frame(FrameRef("s", 0), np.full((40, 60), 90, dtype=np.uint8)), _answers()
    strict = replace(answers.config, calibration=replace(answers.config.calibration, presence_threshold=0.9))
    answers = replace(answers, config=strict)
    trim = SpatialPrompt(negative=((0.1, 0.1),), previous=np.ones((8, 8), dtype=np.float32))
    (judged,), (kept,) = (answers.proposals(frame, Prompt("x"), _out(1), pointed) for pointed in (None, trim))
    assert judged.mask.is_empty and not kept.mask.is_empty
    assert judged.presence == kept.presence < 0.9


def test_presence_is_1_where_a_person_says_that_it_is_there() -> None:
    frame = Frame(FrameRef("s", 0), np.full((40, 60), 90, dtype=np.uint8))
    click = SpatialPrompt(positive=((0.5, 0.5),))
    (judged,), (told,) = (_answers().proposals(frame, Prompt("x"), _out(1), pointed) for pointed in (None, click))
    assert judged.presence < told.presence == 1.0
