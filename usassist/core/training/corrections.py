"""A person who corrects, simulated: clicks on the largest mistake, boxes, and masks that are nearly right."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from usassist.core.geometry.cv import cv2
from usassist.core.geometry.next_click import depth_inside, largest_mistake
from usassist.core.models.prompt_maps import SpatialPrompt
from usassist.core.training.sections import ClickConfig

Bits = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]

_EXACT = 0.5
"""How often a click is exactly in the middle of the mistake; people are not that precise."""
_LOOSEST_BOX = 0.12


@dataclass(frozen=True, eq=False)
class Correction:
    """One image's second question as it grows: what was pointed at so far, and how many clicks are still to come."""

    prompt: SpatialPrompt
    clicks_left: int


def first_corrections(
    answers: Sequence[Floats], truths: Sequence[Bits], clicks: ClickConfig, rngs: Sequence[np.random.Generator]
) -> list[Correction]:
    """Return how a person begins with each image: from the answer, from nothing, from a spoiled mask, or with a box.

    `answers` are HxW probabilities, `truths` HxW of the same size. An image that shows nothing starts from its answer:
    there is nothing to point at but what is too much. Each has a generator of its own.
    """
    kinds = ("answer", "blank", "mask", "box")
    shares = [clicks.from_answer, clicks.from_blank, clicks.from_mask]
    chances = np.array([*shares, max(0.0, 1 - sum(shares))])
    begun = []
    for answer, truth, rng in zip(answers, truths, rngs, strict=True):
        kind = kinds[int(rng.choice(len(kinds), p=chances / chances.sum()))] if truth.any() else "answer"
        left = int(rng.integers(1, clicks.most + 1))
        if kind == "box":
            begun.append(Correction(SpatialPrompt(box=loose_box(truth, rng)), left - 1))  # a box is a question already
        elif kind == "blank":
            begun.append(Correction(SpatialPrompt(), left))
        elif kind == "mask":
            begun.append(Correction(SpatialPrompt(previous=spoiled(truth, rng).astype(np.float32)), left))
        else:
            begun.append(Correction(SpatialPrompt(previous=answer), left))
    return begun


def clicked(correction: Correction, found: Bits, truth: Bits, rng: np.random.Generator) -> Correction:
    """Return the correction with one click more on the largest mistake of `found`; as it is where there is none."""
    mistake = largest_mistake(found, truth) if correction.clicks_left > 0 else None
    if mistake is None:
        return correction
    part, missing = mistake
    rows, cols = part.shape
    row, col = _place(part, rng)
    point = ((col + 0.5) / cols, (row + 0.5) / rows)
    prompt = correction.prompt
    if missing:
        prompt = replace(prompt, positive=(*prompt.positive, point))
    else:
        prompt = replace(prompt, negative=(*prompt.negative, point))
    return Correction(prompt, correction.clicks_left - 1)


def loose_box(truth: Bits, rng: np.random.Generator) -> tuple[float, float, float, float]:
    """Return a box around a mask as people draw it, each side moved by up to 12 % of its length, outwards mostly."""
    rows, cols = np.flatnonzero(truth.any(1)), np.flatnonzero(truth.any(0))
    top, bottom = float(rows[0]), float(rows[-1] + 1)
    left, right = float(cols[0]), float(cols[-1] + 1)
    width, height = right - left, bottom - top
    out = rng.uniform(-0.4 * _LOOSEST_BOX, _LOOSEST_BOX, size=4) * (width, height, width, height)
    sides = np.array([truth.shape[1], truth.shape[0]] * 2, dtype=np.float64)
    edges = np.clip((np.array([left, top, right, bottom]) + out * (-1, -1, 1, 1)) / sides, 0, 1)
    return float(edges[0]), float(edges[1]), float(edges[2]), float(edges[3])


def spoiled(truth: Bits, rng: np.random.Generator) -> Bits:
    """Return a mask that is nearly right: grown or shrunk, with a bite taken out or a bump put on, never moved far."""
    bits = truth.astype(np.uint8)
    reach = max(1, round(float(rng.uniform(0.02, 0.12)) * float(np.sqrt(truth.sum()))))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    if rng.random() < 0.6:
        bits = cv2.dilate(bits, disc) if rng.random() < 0.5 else cv2.erode(bits, disc)
    edge = np.argwhere(truth)
    for _ in range(int(rng.integers(1, 3))):
        row, col = edge[int(rng.integers(len(edge)))]
        radius = max(1, round(float(rng.uniform(0.12, 0.3)) * float(np.sqrt(truth.sum()))))
        shift = rng.normal(0, radius, size=2)
        centre = (round(float(col + shift[0])), round(float(row + shift[1])))
        cv2.circle(bits, centre, radius, int(rng.random() < 0.5), thickness=-1)
    return bits.astype(np.bool_) if bits.any() else truth


def _place(part: Bits, rng: np.random.Generator) -> tuple[int, int]:
    """Return where the click lands: in the middle of the part, or anywhere well inside it."""
    depth = depth_inside(part)
    least = 1.0 if rng.random() < _EXACT else 0.3
    inside = np.flatnonzero(depth >= least * depth.max())
    row, col = np.unravel_index(int(inside[int(rng.integers(len(inside)))]), part.shape)
    return int(row), int(col)
