"""Zero-shot classification: every class is named by an ensemble of prompts, and no image of it was labelled.

The logit of a class is the model's scale times the mean of its prompts' similarities (as in NextGen-UIA); one softmax
over the classes, never over the images, makes probabilities of the logits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from usassist.core.errors import UsassistError

Floats = npt.NDArray[np.float64]
Method = Literal["similarity", "presence"]
"""How an image answers a prompt: by the cosine of the two towers, or by how present the segmentation head finds it."""

MOST_PROMPTS = 1000
_TOO_ALIKE = 0.95
_COLLAPSED = 0.95
_LEAST_PRESENCE = 1e-12


@dataclass(frozen=True)
class PromptSet:
    """The classes to tell apart, at least one prompt each; `names` and `prompts` are in the same order."""

    names: tuple[str, ...]
    prompts: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, prompts: Mapping[str, Sequence[str]]) -> "PromptSet":
        """Return the set of a mapping from class to prompts. Raises UsassistError for fewer than two classes."""
        cleaned = {name: tuple(dict.fromkeys(text.strip() for text in texts)) for name, texts in prompts.items()}
        empty = [name for name, texts in cleaned.items() if not texts or "" in texts]
        if len(cleaned) < 2 or empty:
            raise UsassistError(
                f"Telling classes apart needs at least two classes with a prompt each; found {', '.join(cleaned) or 0}"
                f"{', empty: ' + ', '.join(empty) if empty else ''}. Add --classes NAME=PROMPT."
            )
        if sum(map(len, cleaned.values())) > MOST_PROMPTS:
            raise UsassistError(f"At most {MOST_PROMPTS} prompts are asked about an image; use fewer.")
        return cls(tuple(cleaned), tuple(cleaned.values()))

    @property
    def texts(self) -> tuple[str, ...]:
        """Return all prompts, class after class."""
        return tuple(text for texts in self.prompts for text in texts)

    @property
    def asked(self) -> tuple[str, ...]:
        """Return for each of `texts` the class it stands for."""
        return tuple(name for name, texts in zip(self.names, self.prompts, strict=True) for _ in texts)

    def class_means(self, per_prompt: npt.ArrayLike) -> Floats:
        """Return the mean over each class's prompts, (..., K), of one number for each prompt, (..., P)."""
        values = np.asarray(per_prompt, dtype=np.float64)
        if values.shape[-1] != len(self.texts):
            raise UsassistError(f"There are {len(self.texts)} prompts; found {values.shape[-1]} numbers for them.")
        ends = np.cumsum([len(texts) for texts in self.prompts])[:-1]
        return np.stack([part.mean(axis=-1) for part in np.split(values, ends, axis=-1)], axis=-1)


def class_logits(per_prompt: npt.ArrayLike, prompts: PromptSet, *, method: Method, scale: float = 1.0) -> Floats:
    """Return class logits (..., K) from what each prompt scored (..., P).

    "similarity": `scale` times the class's mean cosine. "presence": the logarithm of its mean presence, so that the
    softmax is each class's share of all presence.
    """
    means = prompts.class_means(per_prompt)
    if method == "similarity":
        return scale * means
    return np.asarray(np.log(np.maximum(means, _LEAST_PRESENCE)), dtype=np.float64)


def class_probabilities(logits: npt.ArrayLike, *, temperature: float = 1.0) -> Floats:
    """Return the softmax over the last axis, the classes, of logits / `temperature`; float64, each row adds up to 1.

    Raises UsassistError for logits that are not finite, and a temperature that is not above 0.

    >>> class_probabilities([[0.0, 0.0], [700.0, -700.0]]).round(3).tolist()
    [[0.5, 0.5], [1.0, 0.0]]
    """
    found = np.asarray(logits, dtype=np.float64)
    if not (np.isfinite(found).all() and temperature > 0):
        raise UsassistError(
            f"Classes need finite logits and a temperature above 0; found {found.min()} to {found.max()}, and "
            f"{temperature}. The scale or the weights of the model are out of range."
        )
    # The largest becomes 0 before anything else, so that exp never overflows.
    weights = np.exp((found - found.max(axis=-1, keepdims=True)) / temperature)
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True), dtype=np.float64)


def prototypes(text_embeddings: npt.ArrayLike, prompts: PromptSet) -> Floats:
    """Return a unit vector for each class, (K, D): the direction of the mean of its prompts' unit embeddings (P, D)."""
    texts = np.asarray(text_embeddings, dtype=np.float64)
    means = prompts.class_means(texts.T).T
    length = np.linalg.norm(means, axis=1, keepdims=True)
    return np.asarray(means / np.maximum(length, 1e-12), dtype=np.float64)


def diagnose(image_embeddings: npt.ArrayLike, text_embeddings: npt.ArrayLike, prompts: PromptSet) -> tuple[str, ...]:
    """Return sentences about what makes a zero-shot classification worthless, none where nothing is wrong.

    Classes whose prototypes have a cosine above 0.95 mean the same to the model. An image tower one of whose directions
    holds more than 95 % of the variance of the embeddings (N, D) has collapsed: images differ in one way only.
    """
    found = []
    unit = prototypes(text_embeddings, prompts)
    cosine = unit @ unit.T
    for i, first in enumerate(prompts.names):
        for j, second in enumerate(prompts.names[:i]):
            if cosine[i, j] > _TOO_ALIKE:
                found.append(
                    f"The prompts of {second!r} and {first!r} mean nearly the same to this model (cosine "
                    f"{cosine[i, j]:.3f}); word them further apart, or train with captions."
                )
    share = top_eigenvalue_share(image_embeddings)
    if share > _COLLAPSED:
        found.append(
            f"One direction holds {100 * share:.0f} % of the variance of the image embeddings: to this model images "
            f"differ in one way only. Its image tower has collapsed; do not trust the classes."
        )
    return tuple(found)


def top_eigenvalue_share(embeddings: npt.ArrayLike) -> float:
    """Return the largest eigenvalue of the covariance of N unit embeddings (N, D) over the sum of all, 0 to 1.

    1 where all embeddings are equal; 0 for fewer than three, which always lie on a line.
    """
    x = np.asarray(embeddings, dtype=np.float64)
    if len(x) < 3:
        return 0.0
    variance = np.linalg.svd(x - x.mean(axis=0), compute_uv=False) ** 2
    total = float(variance.sum())
    return float(variance[0]) / total if total > 1e-12 * len(x) else 1.0
