"""The contract of an engine: look at a frame once, answer many prompts about it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from usassist.core.domain import Frame, Prompt, PromptKind, Proposal
from usassist.core.models.config import Precision, Task
from usassist.core.models.token_count import TokenCount


class Proposer(Protocol):
    """An engine that proposes masks. Calls come from one thread at a time unless it has a `threads_at_once`."""

    @property
    def spec(self) -> "ProposerSpec":
        """Return what the engine is and which prompts it understands."""
        ...

    @property
    def weights_hash(self) -> str:
        """Return the SHA-256 of the weights in hexadecimal, "" for an engine without weights."""
        ...

    def warm(self, frame: Frame) -> None:
        """Do the part that depends on the frame only, so that a later `propose` is quick."""

    def propose(self, frame: Frame, prompt: Prompt) -> tuple[Proposal, ...]:
        """Answer a prompt about a frame: one proposal a label asked for; nothing found is an empty mask.

        An engine of several classes answers for each of them, with the class's name as label.

        Masks have the frame's own size and never leave its scan regions. Raises ModelError, also for clicks or a box
        that `spec` does not name: an answer that took no notice would be recorded as one to them.
        """
        ...

    def close(self) -> None:
        """Give back memory and processes; the engine is not used afterwards."""


class EmbeddingProposer(Proposer, Protocol):
    """An engine that also puts frames and texts into one space: for ranking, zero-shot classes and retrieval."""

    @property
    def task(self) -> Task:
        """Return what the model answers with: masks ("segment"), classes ("classify") or embeddings only ("embed")."""
        ...

    @property
    def precision(self) -> Precision:
        """Return what large products are computed in: "fp32" too where a lower precision was asked for in vain."""
        ...

    @property
    def logit_scale(self) -> float:
        """Return the learned factor on cosines before a softmax over texts."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> tuple[TokenCount, ...]:
        """Return for each text how much of it the text tower reads. Raises ModelError."""
        ...

    def embed(self, frame: Frame) -> npt.NDArray[np.float32]:
        """Return the frame's embedding (D,), of length 1. Raises ModelError."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return the embeddings (N, D) of N >= 1 texts, each of length 1. Raises ModelError."""
        ...

    def classify(self, frame: Frame) -> tuple[tuple[str, float], ...]:
        """Return each class's name and probability (they add up to 1). Raises ModelError for another task's model."""
        ...


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """How to build an engine: `model` is a name or a folder, `device` auto, cpu or cuda, `threshold` on probability.

    `precision` is what a ViT's large products are computed in; below "fp32" answers differ a little.
    """

    model: str | None = None
    device: str = "auto"
    threshold: float | None = None
    precision: Precision = "fp32"


@dataclass(frozen=True, slots=True)
class ProposerSpec:
    """What a file in this room offers; heavy imports happen inside `build`.

    `requires` names what must be there ("weights", "cuda"); `prompts` which kinds of prompt change the answer;
    `embeds` says that what is built is an `EmbeddingProposer`.
    """

    name: str
    title: str
    prompts: frozenset[PromptKind]
    requires: tuple[str, ...]
    build: Callable[[BuildOptions], Proposer]
    embeds: bool = False
