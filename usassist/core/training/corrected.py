"""A batch corrected by a simulated person: the model answers, mistakes are clicked, it answers again."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from usassist.core.models.clip import ImageFeatures
from usassist.core.models.prompt_maps import prompt_maps
from usassist.core.models.segmenter import Segmenter
from usassist.core.training.corrections import Correction, clicked, first_corrections
from usassist.core.training.norms import as_at_work
from usassist.core.training.sections import ClickConfig

Floats = npt.NDArray[np.float32]
_FINER = 2
"""Mistakes are looked for at twice the resolution of the shallowest tap: that of the decoder's logits."""


@torch.no_grad()
def corrections_of(
    model: Segmenter,
    features: ImageFeatures,
    asked: Tensor | None,
    given: Tensor | None,
    shown: Tensor,
    *,
    clicks: ClickConfig,
    rngs: Sequence[np.random.Generator],
) -> Tensor:
    """Return the maps (B, C, h, w) of what a simulated person points at in B images, of the shallowest tap's size.

    `asked` and `given` are as in `Segmenter.decode`, `shown` (B, S, S) uint8 what the images show. The model answers
    as at work, so nothing that it normalises by is moved. `rngs` has a generator for each image: what one is asked
    does not depend on the others.
    """
    side, device = features.taps[0].shape[-1], features.taps[0].device
    size = (_FINER * side, _FINER * side)
    truths = list((F.interpolate(shown[:, None].float(), size=size, mode="area") >= 0.5).squeeze(1).numpy())

    def answered(maps: Tensor | None) -> list[Floats]:
        logits = model.decode(features, asked, given=given, maps=maps).logits.float()
        fitted = F.interpolate(logits, size=size, mode="bilinear", align_corners=False)
        return list(fitted.sigmoid().squeeze(1).cpu().numpy())

    def maps_of(questions: Sequence[Correction]) -> Tensor:
        return prompt_maps([question.prompt for question in questions], side=side).to(device)

    with as_at_work(model.head):
        questions = first_corrections(answered(None), truths, clicks, rngs)
        seen = [_begun_with(question, size) for question in questions]
        if any(_answers_a_box(question) for question in questions):
            pairs = list(zip(questions, seen, answered(maps_of(questions)), strict=True))
            seen = [answer if _answers_a_box(question) else before for question, before, answer in pairs]
            questions = [_seeing(q, answer) if _answers_a_box(q) else q for q, _, answer in pairs]
        for turn in range(clicks.most):
            questions = [
                clicked(question, found > 0.5, truth, rng)
                for question, found, truth, rng in zip(questions, seen, truths, rngs, strict=True)
            ]
            if turn == clicks.most - 1 or not any(question.clicks_left for question in questions):
                break
            seen = answered(maps_of(questions))
            questions = [_seeing(question, answer) for question, answer in zip(questions, seen, strict=True)]
    # Weights that autocast rounded here know no gradient; older torch would use them again for the answer that learns.
    torch.clear_autocast_cache()
    return maps_of(questions)


def _begun_with(question: Correction, size: tuple[int, int]) -> Floats:
    """Return what the person sees before the first click: the mask they begin with, or nothing."""
    previous = question.prompt.previous
    return np.zeros(size, dtype=np.float32) if previous is None else previous


def _answers_a_box(question: Correction) -> bool:
    """Return whether the next click corrects the answer to a box."""
    return question.prompt.box is not None and question.clicks_left > 0


def _seeing(question: Correction, answer: Floats) -> Correction:
    """Return the question with the answer as its previous mask, where another click is to come."""
    if not question.clicks_left:
        return question
    return replace(question, prompt=replace(question.prompt, previous=answer))
