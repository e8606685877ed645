"""Who names the class of an image: a trained head, the two towers with prompts, or how present each prompt is."""

from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeGuard

import numpy as np
import numpy.typing as npt

from usassist.core.domain import Frame, Prompt
from usassist.core.errors import UsassistError
from usassist.core.evaluation.zero_shot import Method, PromptSet, class_logits, diagnose
from usassist.core.proposers import Proposer
from usassist.core.proposers.proposer import EmbeddingProposer

How = Literal["trained", "similarity", "presence"]

_LEAST = 1e-12


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a judge said of one image: K class logits, whose softmax are its probabilities, and P prompt scores."""

    logits: tuple[float, ...]
    per_prompt: tuple[float, ...] = ()


class Judge(Protocol):
    """Names classes from the frame alone. `prompts` is None for a trained head."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the classes, in the order of the logits."""
        ...

    @property
    def how(self) -> How:
        """Return by what means."""
        ...

    @property
    def prompts(self) -> PromptSet | None:
        """Return what the classes were called, None for a trained head."""
        ...

    def judge(self, frame: Frame) -> Judgement:
        """Judge one frame. Raises ModelError."""
        ...

    def warnings(self) -> tuple[str, ...]:
        """Return sentences about what speaks against these answers, after all images were judged."""
        ...


@dataclass(frozen=True)
class TrainedJudge:
    """The class head of a model that was trained with `usassist-train classify`."""

    proposer: EmbeddingProposer
    names: tuple[str, ...]
    how: How = "trained"
    prompts: PromptSet | None = None

    def judge(self, frame: Frame) -> Judgement:
        """Return the logarithms of the model's calibrated probabilities."""
        found = dict(self.proposer.classify(frame))
        return Judgement(tuple(float(np.log(max(found[name], _LEAST))) for name in self.names))

    def warnings(self) -> tuple[str, ...]:
        """Return nothing: a validation stood behind this head."""
        return ()


@dataclass
class SimilarityJudge:
    """The two towers: the cosine of the image with each prompt."""

    proposer: EmbeddingProposer
    prompts: PromptSet
    how: How = "similarity"
    _texts: npt.NDArray[np.float32] | None = None
    _images: list[npt.NDArray[np.float32]] = field(default_factory=list)

    @property
    def names(self) -> tuple[str, ...]:
        return self.prompts.names

    def judge(self, frame: Frame) -> Judgement:
        """Return the scaled mean cosine of each class, and every prompt's cosine."""
        image = self.proposer.embed(frame)
        self._images.append(image)
        cosines = self._embedded() @ image
        logits = class_logits(cosines, self.prompts, method="similarity", scale=self.proposer.logit_scale)
        return Judgement(_floats(logits), _floats(cosines))

    def warnings(self) -> tuple[str, ...]:
        """Say where classes mean the same to the model, and where all images look alike to it."""
        return diagnose(np.stack(self._images), self._embedded(), self.prompts) if self._images else ()

    def _embedded(self) -> npt.NDArray[np.float32]:
        if self._texts is None:
            self._texts = self.proposer.embed_texts(self.prompts.texts)
        return self._texts


@dataclass(frozen=True)
class PresenceJudge:
    """The segmentation head: how present each prompt is; a class's share of all presence is its probability."""

    proposer: Proposer
    prompts: PromptSet
    label_id: str
    how: How = "presence"

    @property
    def names(self) -> tuple[str, ...]:
        return self.prompts.names

    def judge(self, frame: Frame) -> Judgement:
        """Ask for each prompt; returns the logarithm of each class's mean presence, and every prompt's presence."""
        found = []
        for text in self.prompts.texts:
            answers = self.proposer.propose(frame, Prompt(self.label_id, text=text))
            found.append(max((answer.presence for answer in answers), default=0.0))
        return Judgement(_floats(class_logits(found, self.prompts, method="presence")), tuple(found))

    def warnings(self) -> tuple[str, ...]:
        """Return nothing: presence is calibrated."""
        return ()


def prompt_judge(proposer: Proposer, prompts: PromptSet, *, by: Method, label_id: str) -> Judge:
    """Return the judge of a method. Raises UsassistError for similarity by an engine without towers."""
    if by == "presence":
        return PresenceJudge(proposer, prompts, label_id)
    if not has_towers(proposer):
        raise UsassistError(
            f"The engine {proposer.spec.name} cannot compare images with texts; choose --classify-by presence, or a "
            f"model with a text tower."
        )
    return SimilarityJudge(proposer, prompts)


def has_towers(proposer: Proposer) -> TypeGuard[EmbeddingProposer]:
    """Return whether an engine can embed frames and texts in one space."""
    return all(hasattr(proposer, name) for name in ("embed", "embed_texts", "classify"))


def _floats(values: npt.NDArray[np.float32] | npt.NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
