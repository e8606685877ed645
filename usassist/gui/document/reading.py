"""Which class a frame looks like, read by an engine from prompts: free of Qt, so that a lane can do it.

The arithmetic is that of `usassist.core.evaluation.zero_shot`, so that the window and the reports agree.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from usassist.core.domain import Frame
from usassist.core.errors import ModelError
from usassist.core.evaluation.zero_shot import PromptSet, class_logits, class_probabilities, diagnose
from usassist.core.models.token_count import TokenCount
from usassist.core.proposers.proposer import EmbeddingProposer

_TEXTS_REMEMBERED = 2000


@dataclass(frozen=True, slots=True)
class ClassReading:
    """How likely a frame shows each class (0 to 1, they add up to 1), and what that was read from.

    `similarities` is the cosine of the frame and each (class, prompt), `cut` the end of each prompt that the model does
    not read, `warnings` what makes the numbers worth little. A `trained` classifier has probabilities only.
    """

    probabilities: Mapping[str, float]
    weights_hash: str
    trained: bool = False
    similarities: Mapping[tuple[str, str], float] = field(default_factory=dict)
    cut: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class TextMemory:
    """Remembers what texts were embedded to, by the model's weights; used on one thread at a time."""

    def __init__(self) -> None:
        self._weights = ""
        self._known: OrderedDict[str, tuple[npt.NDArray[np.float32], TokenCount]] = OrderedDict()

    def look_up(
        self, engine: EmbeddingProposer, texts: Sequence[str]
    ) -> tuple[npt.NDArray[np.float32], tuple[TokenCount, ...]]:
        """Return the unit embeddings (N, D) of N texts, and how much of each the model reads. Raises ModelError."""
        if engine.weights_hash != self._weights:
            self._known.clear()
            self._weights = engine.weights_hash
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            found = zip(new, engine.embed_texts(new), engine.count_tokens(new), strict=True)
            self._known.update({text: (embedding, count) for text, embedding, count in found})
        for text in texts:
            self._known.move_to_end(text)
        known = [self._known[text] for text in texts]
        while len(self._known) > _TEXTS_REMEMBERED:
            self._known.popitem(last=False)
        return np.stack([embedding for embedding, _count in known]), tuple(count for _embedding, count in known)


def read_classes(
    engine: EmbeddingProposer, frame: Frame, *, prompts: PromptSet | None, memory: TextMemory
) -> ClassReading | None:
    """Return the classes of a frame: a classifier's own, else those of the prompts; None where there are none.

    The logit of a class is the model's scale times the mean cosine of its prompts; the softmax is over the classes.
    Raises ModelError.
    """
    if engine.task == "classify":
        return ClassReading(dict(engine.classify(frame)), engine.weights_hash, trained=True)
    if prompts is None:
        return None
    image = engine.embed(frame)  # first: it starts the engine, whose weights are known from then on
    texts, counts = memory.look_up(engine, prompts.texts)
    cosines = np.asarray(texts, dtype=np.float64) @ np.asarray(image, dtype=np.float64)
    if not np.isfinite(cosines).all():
        raise ModelError("The model's embeddings are not finite numbers, so it knows no classes; choose another model.")
    logits = class_logits(cosines, prompts, method="similarity", scale=engine.logit_scale)
    asked = zip(prompts.asked, prompts.texts, strict=True)
    return ClassReading(
        dict(zip(prompts.names, class_probabilities(logits).tolist(), strict=True)),
        engine.weights_hash,
        similarities=dict(zip(asked, cosines.tolist(), strict=True)),
        cut={text: count.cut_text for text, count in zip(prompts.texts, counts, strict=True) if count.cut_text},
        warnings=diagnose(image[None], texts, prompts),
    )
