"""A proposal's score is a probability of being right, and never more than its mask deserves."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from usassist.core.domain import Box, Frame, FrameRef, Mask, Prompt, PromptPoint, Proposal
from usassist.core.errors import UsassistError

DOT = Mask((4, 4), (1, 1), np.ones((1, 1), dtype=bool))
unit = st.floats(0.0, 1.0)


def proposal(*, mask: Mask = DOT, presence: float = 0.9, quality: float = 0.8) -> Proposal:
    return Proposal(
        frame_key="clip_00000", label_id="lesion", mask=mask, presence=presence, quality=quality,
        engine="clip_mona", weights_hash="ab", prompt=Prompt("lesion"), seconds=0.1,
    )  # fmt: skip


@given(unit, unit)
def test_the_score_is_presence_times_quality(presence: float, quality: float) -> None:
    score = proposal(presence=presence, quality=quality).score
    assert score == presence * quality
    assert 0.0 <= score <= min(presence, quality)


@given(unit, unit)
def test_an_empty_mask_scores_nothing(presence: float, quality: float) -> None:
    assert proposal(mask=Mask.empty((4, 4)), presence=presence, quality=quality).score == 0.0


@pytest.mark.parametrize("value", [-0.01, 1.01, math.nan, math.inf])
@pytest.mark.parametrize("name", ["presence", "quality"])
def test_a_number_that_is_no_probability_is_refused(name: str, value: float) -> None:
    with pytest.raises(UsassistError, match=f"{name} is between 0 and 1"):
        proposal(**{name: value})


def test_a_prompt_names_what_is_set() -> None:
    assert Prompt("lesion").kinds == frozenset()
    assert Prompt("lesion").describe() == ""
    assert Prompt("lesion", text="").kinds == frozenset()
    frame = Frame(FrameRef("clip", 0), np.zeros((4, 4), dtype=np.uint8))
    full = Prompt(
        "lesion", text="a cyst", points=(PromptPoint(1.0, 2.0),), box=Box(0, 0, 2, 2), scribble=DOT, mask=DOT,
        support=((frame, DOT),),
    )  # fmt: skip
    assert full.kinds == {"text", "points", "box", "scribble", "mask", "support"}
    assert full.describe() == "text='a cyst' points=1 box=(0, 0, 2, 2) support=1 scribble mask"


def test_a_proposal_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        proposal().presence = 1.0  # type: ignore[misc]


@pytest.mark.parametrize("x", [float("nan"), float("inf"), -float("inf")])
def test_a_click_is_somewhere(x: float) -> None:
    for place in ((x, 1.0), (1.0, x)):
        with pytest.raises(UsassistError, match="place of the image"):
            PromptPoint(*place)


def test_a_warning_about_the_text_is_none_about_the_image() -> None:
    def warned(warning: str, text_warning: str) -> Proposal:
        asked = Prompt("lesion", text="liver")
        numbers = {"presence": 0.9, "quality": 0.8, "seconds": 0.1}
        words = {"warning": warning, "text_warning": text_warning}
        return Proposal(
            "k", "lesion", Mask.empty((4, 5)), engine="e", weights_hash="ab", prompt=asked, **numbers, **words
        )

    assert warned("It is dark. No liver.", "No liver.").image_warning == "It is dark."
    assert warned("No liver.", "No liver.").image_warning == ""
    assert warned("It is dark.", "").image_warning == "It is dark."
