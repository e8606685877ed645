"""How well images find their texts, and texts their images."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from usassist.core.errors import UsassistError


@dataclass(frozen=True, slots=True)
class Recalls:
    """One direction: the share of `n` queries, 0 to 1, with a right answer among the first 1, 5 and 10; and its rank.

    Ranks count from 1. Queries without any right answer among the candidates are not in `n`. `candidates` is how many
    answers there are to choose from, and `chance` what a random order of them reaches among the first 1, 5 and 10: with
    10 candidates R@10 is 1 whatever the model knows.
    """

    r1: float
    r5: float
    r10: float
    median_rank: float
    mean_rank: float
    n: int
    candidates: int = 0
    chance: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Both directions of a retrieval."""

    image_to_text: Recalls
    text_to_image: Recalls

    @property
    def rsum(self) -> float:
        """Return the sum of the six recalls in per cent, 0 to 600, as the literature reports it."""
        sides = (self.image_to_text, self.text_to_image)
        return 100 * sum(side.r1 + side.r5 + side.r10 for side in sides)


def retrieval(similarity: npt.ArrayLike, relevant: npt.ArrayLike | None = None) -> Retrieval:
    """Return the recalls at 1, 5 and 10 and the ranks of N images among M texts and of M texts among N images.

    `similarity` is NxM finite numbers. `relevant` is NxM bool: which texts describe which image, several of either as
    it may be; by default the diagonal of a square matrix. The rank of a query is that of its best right answer; a wrong
    answer of the same similarity stands before it, so an encoder that maps everything to one point finds nothing.
    Raises UsassistError for another shape, numbers that are not finite, and where nothing is relevant to anything.

    >>> found = retrieval([[0.9, 0.1, 0.2], [0.8, 0.3, 0.1], [0.0, 0.2, 0.7]])
    >>> round(found.image_to_text.r1, 3), found.image_to_text.mean_rank, found.text_to_image.r1
    (0.667, 1.3333333333333333, 1.0)
    """
    scores = np.asarray(similarity, dtype=np.float64)
    right = np.eye(*scores.shape[:2], dtype=np.bool_) if relevant is None and scores.ndim == 2 else relevant
    wanted = np.asarray(right, dtype=np.bool_)
    if scores.ndim != 2 or scores.shape != wanted.shape or (relevant is None and scores.shape[0] != scores.shape[1]):
        raise UsassistError(
            f"Retrieval needs a table of images by texts and which of them belong together; found {scores.shape} "
            f"similarities and {'no' if relevant is None else wanted.shape} answers."
        )
    if not np.isfinite(scores).all():
        raise UsassistError("Retrieval needs finite similarities; found NaN or infinity among them.")
    if not wanted.any():
        raise UsassistError("No text describes any of the images, so there is nothing to find; check the captions.")
    return Retrieval(_recalls(scores, wanted), _recalls(scores.T, wanted.T))


def first_ranks(similarity: npt.NDArray[np.float64], relevant: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return for each row that has a relevant column the rank, from 1, of the first one; ties count against it."""
    asked = relevant.any(axis=1)
    similarity, relevant = similarity[asked], relevant[asked]
    best = np.where(relevant, similarity, -np.inf).max(axis=1)
    before = ((similarity >= best[:, None]) & ~relevant).sum(axis=1)
    return np.asarray(1 + before, dtype=np.float64)


def _recalls(similarity: npt.NDArray[np.float64], relevant: npt.NDArray[np.bool_]) -> Recalls:
    ranks = first_ranks(similarity, relevant)
    return Recalls(
        r1=float(np.mean(ranks <= 1)),
        r5=float(np.mean(ranks <= 5)),
        r10=float(np.mean(ranks <= 10)),
        median_rank=float(np.median(ranks)),
        mean_rank=float(np.mean(ranks)),
        n=len(ranks),
        candidates=relevant.shape[1],
        chance=(_chance(relevant, 1), _chance(relevant, 5), _chance(relevant, 10)),
    )


def _chance(relevant: npt.NDArray[np.bool_], first: int) -> float:
    """Return the mean probability that so many candidates drawn at random hold a right one, over the queries."""
    total = relevant.shape[1]
    right = relevant.sum(axis=1)
    draws = math.comb(total, min(first, total))
    missed = [math.comb(total - int(count), min(first, total)) / draws for count in right[right > 0]]
    return 1.0 - float(np.mean(missed))
