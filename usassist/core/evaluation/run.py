"""Scores cases one at a time, so that memory does not grow with their number."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from usassist.core.errors import UsassistError
from usassist.core.evaluation.gallery import Gallery, Shown
from usassist.core.evaluation.protocol import Case, ImageScore, score_case
from usassist.core.evaluation.summary import Summary, summarise
from usassist.core.metrics.calibration import Reliability, reliability
from usassist.core.metrics.overlap import Pixels, as_array, as_mask


@dataclass(frozen=True)
class Evaluation:
    """What was found: a line for each image in the order given, their summary, and the cases to show.

    `data_fingerprint` is a SHA-256 over the inputs, frames and truth masks, whatever their order: two evaluations with
    the same fingerprint were asked the same questions. `pixels` counts the pixels' probabilities, None where no case
    had any.
    """

    scores: tuple[ImageScore, ...]
    summary: Summary
    shown: tuple[Shown, ...]
    data_fingerprint: str
    pixels: Reliability | None = None


def evaluate_masks(cases: Iterable[Case], *, gallery: Gallery | None = None) -> Evaluation:
    """Score every case against its truth.

    Of each case only its numbers stay, and the pictures of those that the gallery keeps, so `cases` may be a generator
    over any number of images. Raises UsassistError for no case at all, and for masks of unequal sizes, with the input.
    """
    album = Gallery() if gallery is None else gallery
    scores: list[ImageScore] = []
    marks: list[bytes] = []
    pixels: Reliability | None = None
    for case in cases:
        score = score_case(case)
        scores.append(score)
        marks.append(_mark(case))
        album.offer(case, score)
        if case.probability is not None:
            counted = reliability(case.probability, as_array(case.truth))
            pixels = counted if pixels is None else pixels + counted
    if not scores:
        raise UsassistError("There is nothing to evaluate: no image with both a truth and a prediction was found.")
    fingerprint = hashlib.sha256(b"".join(sorted(marks))).hexdigest()
    return Evaluation(tuple(scores), summarise(scores), album.shown(), fingerprint, pixels)


def without_masks(seconds: Sequence[float]) -> Evaluation:
    """Return the evaluation of images of which no mask was asked, as of a classifier: every number about masks is None.

    `seconds` is what each image took. Raises UsassistError for no image at all.
    """
    if not seconds:
        raise UsassistError("There is nothing to evaluate: of no image anything could be said.")
    median, p95 = (float(value) for value in np.percentile(seconds, (50, 95)))
    summary = replace(summarise(()), n=len(seconds), seconds_median=median, seconds_p95=p95)
    return Evaluation((), summary, (), "")


def _mark(case: Case) -> bytes:
    """Return a digest of the question that a case asks: which frame, and what is true there."""
    digest = hashlib.sha256(f"{case.input}\0{case.frame}\0{case.truth.shape}\0".encode())
    digest.update(_packed(case.truth))
    return digest.digest()


def _packed(truth: Pixels) -> bytes:
    mask = as_mask(truth).tight()
    return f"{mask.origin}{mask.crop.shape}".encode() + np.packbits(mask.crop).tobytes()
