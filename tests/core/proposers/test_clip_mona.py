import numpy as np
import torch

from usassist.core.domain import Box, Frame, FrameRef, ScanRegion
from usassist.core.models.config import EncoderConfig, ModelConfig
from usassist.core.models.decoder import Segmentation
from usassist.core.proposers.clip_mona import ClipMonaProposer, scan_box


def _frame(*regions: ScanRegion) -> Frame:
    return Frame(FrameRef("f", 0), np.zeros((100, 200), dtype=np.uint8), regions)


def test_without_regions_the_whole_frame_is_looked_at() -> None:
    assert scan_box(_frame()) == Box(0, 0, 100, 200)


def test_the_largest_tissue_region_wins_and_a_trace_never() -> None:
    small, large = ScanRegion(Box(0, 0, 50, 50), "b_mode"), ScanRegion(Box(0, 60, 90, 150), "b_mode")
    trace = ScanRegion(Box(0, 0, 100, 200), "spectral_doppler")
    assert scan_box(_frame(small, large, trace)) == large.box


def test_a_region_that_reaches_out_of_the_picture_is_cut() -> None:
    assert scan_box(_frame(ScanRegion(Box(10, 10, 500, 500), "b_mode"))) == Box(10, 10, 100, 200)


def test_steep_logits_raise_no_warning_and_stay_probabilities() -> None:
    logits = torch.tensor([[[[-500.0, 500.0], [0.0, -88.8]]]])
    engine = ClipMonaProposer(None, ModelConfig("m", "M", EncoderConfig("x", (0, 1))), weights_hash="")  # type: ignore[arg-type]
    with np.errstate(all="raise", under="ignore"):
        found = engine._probability(Segmentation(logits, logits[0, 0, 0], logits[0, 0, 0]), Box(0, 0, 2, 2))
    assert found.dtype == np.float32
    assert np.allclose(found, [[0, 1], [0.5, 0]], atol=1e-6)
