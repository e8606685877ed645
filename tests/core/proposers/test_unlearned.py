"""An engine says in its answer that it never learned what a text asks for, and leaves its numbers as they are."""

from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.core.models.phantoms import tiny_config
from usassist.core.domain import Box, Frame, FrameRef, Mask, Prompt, PromptPoint
from usassist.core.models.build import build_model
from usassist.core.models.config import Calibration, HeadConfig
from usassist.core.models.embedder import freeze_for_inference
from usassist.core.proposers import BuildOptions, build
from usassist.core.proposers.clip_mona import ClipMonaProposer
from usassist.core.proposers.remote import _answer, _Request
from usassist.core.proposers.unlearned import doubt_of_text, text_warning
from usassist.core.proposers.unlike import UNLIKE, Likeness

KNOWN = ("breast_lesion", "fetal_head")
NO_LIVER = (
    "The model never learned the word 'liver', so its answer means nothing; ask for what it learned: breast lesion and "
    "fetal head."
)
FRAME = Frame(FrameRef("s", 0), np.random.default_rng(0).integers(0, 255, (60, 80), dtype=np.uint8))


def _engine(folder: Path, *, known: tuple[str, ...] = KNOWN, kind: str = "promptable", **options) -> ClipMonaProposer:
    torch.manual_seed(0)
    calibration = Calibration(presence_threshold=0.0, threshold=0.4)
    config = tiny_config(folder, HeadConfig(kind, widths=(8,)), calibration=calibration, **options)  # type: ignore[arg-type]
    model = freeze_for_inference(build_model(replace(config, learned_targets=known), folder=folder))
    return ClipMonaProposer(model, model.config, weights_hash="ab")


def test_a_text_that_was_never_learned_is_said_and_presence_stays(tmp_path) -> None:
    engine, silent = _engine(tmp_path), _engine(tmp_path, known=())
    (said,), (before,) = (each.propose(FRAME, Prompt("x", text="liver")) for each in (engine, silent))
    assert said.warning == said.text_warning == NO_LIVER and said.image_warning == ""
    assert (said.presence, said.quality, said.mask) == (before.presence, before.quality, before.mask)
    assert before.warning == before.text_warning == "", "what it learned is not known"
    (many,) = engine.propose_many([FRAME], Prompt("x", text=" liver "))[0]
    assert many.warning == NO_LIVER


@pytest.mark.parametrize("text", [None, "", "  ", "breast lesion", "FETAL HEAD", "irregular hypoechoic mass"])
def test_what_was_learned_and_no_text_at_all_warn_of_nothing(tmp_path, text: str | None) -> None:
    (said,) = _engine(tmp_path).propose(FRAME, Prompt("x", text=text))
    assert said.warning == ""


def test_what_a_person_points_at_is_what_it_is(tmp_path) -> None:
    engine, outline = _engine(tmp_path), Mask.from_array(np.eye(60, 80) > 0)
    pointed = {"points": (PromptPoint(40, 30),)}, {"box": Box(10, 10, 40, 40)}, {"mask": outline}
    for given in pointed:
        (said,) = engine.propose(FRAME, Prompt("x", text="liver", **given))  # type: ignore[arg-type]
        assert said.warning == ""
    shown = Prompt("x", support=((FRAME, outline),))
    assert engine.propose(FRAME, shown)[0].warning == ""


def test_a_model_of_several_classes_and_one_without_texts_warn_of_nothing(tmp_path) -> None:
    for number, options in enumerate(({"kind": "unet"}, {"kind": "unet", "classes": ("cyst", "nerve")})):
        (tmp_path / str(number)).mkdir()
        engine = _engine(tmp_path / str(number), **options)  # type: ignore[arg-type]
        assert all(said.warning == "" for said in engine.propose(FRAME, Prompt("x", text="liver")))
        assert doubt_of_text(engine._config, "liver") is None
    assert doubt_of_text(None, "liver") is None


def test_an_unlike_image_and_an_unlearned_text_are_both_said(tmp_path) -> None:
    engine = _engine(tmp_path)
    (found,) = engine.propose(FRAME, Prompt("x", text="liver"))
    both = Likeness(2.0, UNLIKE).told(found, seconds=0.1)
    assert both.warning == f"{UNLIKE} {NO_LIVER}"
    assert (both.image_warning, both.text_warning) == (UNLIKE, NO_LIVER)
    again = Likeness(2.0, UNLIKE).told(both, seconds=0.1)
    assert again.warning == both.warning, "said once"


def test_it_reaches_the_other_process(tmp_path) -> None:
    request = _Request("propose", b"t", FRAME, (Prompt("x", text="liver"),))
    ok, answer = _answer(_engine(tmp_path), OrderedDict(), "clip_mona", request)
    assert ok and isinstance(answer, tuple) and answer[0].text_warning == NO_LIVER


def test_the_shipped_model_knows_what_it_learned(sample_dir) -> None:
    engine = build("clip_mona", BuildOptions(device="cpu"))
    assert engine._config.learned_targets == ("breast_lesion", "fetal_head", "carotid")  # type: ignore[attr-defined]
    assert text_warning(engine._config, Prompt("x", text="common carotid artery")) == ""  # type: ignore[attr-defined]
    (said,) = engine.propose(FRAME, Prompt("x", text="thyroid nodule"))
    assert "never learned thyroid nodule" in said.text_warning
    engine.close()
