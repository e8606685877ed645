"""What every engine promises, whichever file it lives in."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from usassist.core.domain import Box, Frame, FrameRef, Mask, Prompt, PromptPoint, ScanRegion
from usassist.core.errors import ModelError
from usassist.core.proposers import BuildOptions, build, specs

ENGINES = list(specs())


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    """A CLIP-Mona model with random weights that follows clicks: contracts are about shapes and ranges, not skill."""
    import torch

    from usassist.core.models.build import build_segmenter
    from usassist.core.models.config import Calibration, EncoderConfig, HeadConfig, ModelConfig
    from usassist.core.models.tokens import collect_vocabulary
    from usassist.core.models.weights import save_model

    torch.manual_seed(0)
    encoder = EncoderConfig("usassist-lite0-pooled", (1, 2, 3, 4), collect_vocabulary(["breast lesion"]))
    head, calibration = HeadConfig("promptable", widths=(24, 16, 12)), Calibration(presence_threshold=0.0)
    config = ModelConfig("random", "Random", encoder, head=head, calibration=calibration)
    folder = tmp_path_factory.mktemp("models") / "random"
    save_model(build_segmenter(config), folder, config=config)
    return folder


@pytest.fixture(params=ENGINES)
def proposer(request, model_folder):
    engine = build(request.param, BuildOptions(model=str(model_folder), device="cpu"))
    yield engine
    engine.close()


def _frame(shape=(120, 160), *, regions=(), colour=False, dtype=np.uint8, index=0) -> Frame:
    rng = np.random.default_rng(7)
    top = 255 if dtype == np.uint8 else 4095
    pixels = rng.gamma(2.0, top / 8, shape).clip(0, top)
    y, x = np.mgrid[: shape[0], : shape[1]]
    pixels[((y - shape[0] / 2) / (shape[0] / 5)) ** 2 + ((x - shape[1] / 2) / (shape[1] / 5)) ** 2 < 1] /= 8
    grey = pixels.astype(dtype)
    return Frame(
        FrameRef("f", index),
        np.stack([grey] * 3, axis=2) if colour else grey,
        regions,
        bits_stored=8 if top == 255 else 12,
    )


@pytest.mark.parametrize(
    "frame",
    [_frame(), _frame(colour=True), _frame(dtype=np.uint16), _frame((33, 200)), _frame((1, 1)), _frame((2, 500))],
    ids=["grey", "colour", "16 bit", "wide", "one pixel", "line"],
)
def test_a_mask_has_the_frames_own_size_and_numbers_are_in_range(proposer, frame) -> None:
    proposals = proposer.propose(frame, Prompt("lesion"))
    assert proposals
    for proposal in proposals:
        assert proposal.mask.shape == frame.shape
        assert proposal.frame_key == frame.ref.key and proposal.label_id == "lesion"
        assert 0 <= proposal.presence <= 1 and 0 <= proposal.quality <= 1 and 0 <= proposal.score <= 1
        assert proposal.engine == proposer.spec.name
        assert proposal.weights_hash == proposer.weights_hash
        assert proposal.seconds >= 0


def test_an_empty_mask_has_the_score_0(proposer) -> None:
    black = Frame(FrameRef("black", 0), np.zeros((64, 64), dtype=np.uint8))
    for proposal in proposer.propose(black, Prompt("lesion")):
        assert not proposal.mask.is_empty or proposal.score == 0


def test_proposals_never_leave_the_scan_region(proposer) -> None:
    box = Box(10, 20, 90, 100)
    frame = _frame(regions=(ScanRegion(box, "b_mode", (0.1, 0.1)),))
    for proposal in proposer.propose(frame, Prompt("lesion")):
        outside = proposal.mask.to_array()
        outside[box.slices] = False
        assert not outside.any()


def test_the_same_question_gets_the_same_answer(proposer) -> None:
    frame = _frame()
    proposer.warm(frame)
    one, two = (proposer.propose(frame, Prompt("lesion")) for _ in range(2))
    assert [p.mask for p in one] == [p.mask for p in two]
    assert [p.score for p in one] == [p.score for p in two]


def test_several_threads_are_answered_as_one_is(proposer) -> None:
    if not hasattr(proposer, "threads_at_once"):
        pytest.skip("it may be asked from one thread at a time")
    shapes = [(90, 120), (120, 90), (64, 200), (200, 64), (150, 150), (33, 44)]
    batches = [[_frame(shape, index=3 * n + k) for k in range(3)] for n, shape in enumerate(shapes)]
    prompts = [Prompt("lesion", text=text) for text in (None, "breast lesion", "")]

    def ask(batch: list[Frame]) -> list[tuple[bytes, float, float]]:
        found = [
            proposal for prompt in prompts for answer in proposer.propose_many(batch, prompt) for proposal in answer
        ]
        found += [proposal for frame in batch for prompt in prompts for proposal in proposer.propose(frame, prompt)]
        assert [p.frame_key for p in found[:3]] == [frame.ref.key for frame in batch]
        return [(p.mask.to_array().tobytes(), round(p.presence, 4), round(p.quality, 4)) for p in found]

    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(ask, batches))
    proposer.close()
    assert together == [ask(batch) for batch in batches]


def test_frames_that_share_a_key_are_not_confused(proposer) -> None:
    first, second = _frame((100, 100)), _frame((100, 140))
    assert first.ref.key == second.ref.key
    proposer.propose(first, Prompt("lesion"))
    assert all(p.mask.shape == (100, 140) for p in proposer.propose(second, Prompt("lesion")))


def test_texts_and_places_are_accepted(proposer) -> None:
    frame = _frame()
    for text in ("breast lesion", "x" * 3000, "", "  ", "日本語 🩺"):
        assert proposer.propose(frame, Prompt("lesion", text=text))
    assert {"points", "box"} <= proposer.spec.prompts
    assert proposer.propose(frame, Prompt("lesion", box=Box(30, 30, 90, 130)))
    assert proposer.propose(frame, Prompt("lesion", points=(PromptPoint(60, 50),)))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_spec_is_complete(engine: str) -> None:
    spec = specs()[engine]
    assert spec.name == engine and spec.title
    assert dataclasses.is_dataclass(spec)


def test_an_unknown_engine_names_the_known_ones() -> None:
    with pytest.raises(ModelError, match=r"no engine .nothing.*clip_mona"):
        build("nothing", BuildOptions())


def test_clicks_anywhere_and_in_any_number_do_no_harm(proposer) -> None:
    frame = _frame(regions=(ScanRegion(Box(10, 20, 90, 100), "b_mode", (0.1, 0.1)),))
    many = tuple(PromptPoint(i % 200 - 20, i % 150 - 20, bool(i % 3)) for i in range(10_000))
    far = (PromptPoint(1e300, -1e300), PromptPoint(60, 50), PromptPoint(-1e9, 4, False))
    for points in (many, far):
        for proposal in proposer.propose(frame, Prompt("lesion", points=points, mask=Mask.empty(frame.shape))):
            assert proposal.mask.shape == frame.shape and 0 <= proposal.score <= 1
            outside = proposal.mask.to_array()
            outside[10:90, 20:100] = False
            assert not outside.any()
