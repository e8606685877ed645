"""The CLIP-Mona engine: a trained model that needs no prompt, and follows texts, support images and clicks."""

import time
from collections.abc import Hashable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from usassist.core.domain import Frame, Prompt, Proposal
from usassist.core.errors import ModelError
from usassist.core.io.scan import scan_box, scan_grey
from usassist.core.models.config import ModelConfig, Precision, Task
from usassist.core.models.familiarity import Familiarity, load_familiarity
from usassist.core.models.memory import keep_freed_memory
from usassist.core.models.threads import answers_side_by_side, limit_threads, one_thread
from usassist.core.models.token_count import TokenCount
from usassist.core.proposers.answers import Answers
from usassist.core.proposers.conditions import Conditions
from usassist.core.proposers.proposer import BuildOptions, Proposer, ProposerSpec
from usassist.core.proposers.remembered import Remembered
from usassist.core.proposers.spatial import SPATIAL, PastAnswers, maps_for, refuse_pointing, spatial_prompt
from usassist.core.proposers.support import support_token
from usassist.core.proposers.unlike import Watch

if TYPE_CHECKING:
    from torch import Tensor

    from usassist.core.models.build import Model
    from usassist.core.models.clip import ImageFeatures
    from usassist.core.models.prompt_maps import SpatialPrompt
    from usassist.core.models.promptable import Begun
    from usassist.core.models.segmenter import Segmenter

Floats = npt.NDArray[np.float32]

_FRAMES_REMEMBERED = 8
_QUESTIONS_REMEMBERED = 2
_TEXTS_AT_ONCE = 64


class ClipMonaProposer:
    """Encodes a frame once (`warm`) and answers everything about it from its features.

    Where the frame has regions of tissue the largest is cropped out, encoded and answered for; elsewhere the whole
    frame. Remembers the features of the last 8 frames: 2 MB each for the shipped model.
    Complexity: constant in the frame's size but for the resize and the thresholding.
    """

    def __init__(
        self,
        model: "Model",
        config: ModelConfig,
        *,
        weights_hash: str,
        threshold: float | None = None,
        familiarity: Familiarity | None = None,
    ) -> None:
        from usassist.core.models.work import has_short_steps

        self._model = model
        self._config = config
        self._alone = one_thread if has_short_steps(model) else nullcontext
        self._hash = weights_hash
        threshold = config.calibration.threshold if threshold is None else threshold
        self._answers = Answers(config, threshold, engine=SPEC.name, weights_hash=weights_hash)
        self._watch = Watch(familiarity)
        self._past = PastAnswers()
        self._frames: Remembered[bytes, ImageFeatures] = Remembered(_FRAMES_REMEMBERED)
        self._conditions = Conditions(config)
        self._questions: Remembered[Hashable, Begun] = Remembered(_QUESTIONS_REMEMBERED)

    @property
    def spec(self) -> ProposerSpec:
        """Return what the engine is; with a model that follows no clicks it takes none."""
        return SPEC if self._config.follows_clicks else replace(SPEC, prompts=SPEC.prompts - SPATIAL)

    @property
    def weights_hash(self) -> str:
        return self._hash

    @property
    def task(self) -> Task:
        """Return what the model answers with: masks, classes, or embeddings only."""
        return self._config.task

    @property
    def precision(self) -> Precision:
        """Return what the image blocks multiply in: "fp32" too where there was nothing to lower."""
        return self._model.precision

    @property
    def device(self) -> str:
        """Return what the model computes on, such as cpu or cuda:0."""
        return str(self._model.encoder.device)

    @property
    def threads_at_once(self) -> int:
        """Return how many threads may ask it at the same time and are answered sooner so."""
        return answers_side_by_side(self._model.encoder.device.type)

    @property
    def logit_scale(self) -> float:
        """Return the model's learned factor on cosines before a softmax."""
        return float(self._model.logit_scale)

    def warm(self, frame: Frame) -> None:
        self._features(frame)

    def propose(self, frame: Frame, prompt: Prompt) -> tuple[Proposal, ...]:
        """Answer with one proposal for the prompt's label, or one a class for a model of several.

        There each proposal's label is the class's name, and a text that is a class's name asks for that class alone.
        Support images ask for what their masks show; with a text as well, for the mean of both. Clicks, a box and a
        previous mask change the answer of a model that follows them, and every clicked pixel has its click's sign
        (`obeyed`); where they say that something is there its presence is 1, and a low presence never empties a mask
        that is corrected. Raises ModelError for a model without masks, for support images where the model takes none
        or a mask shows nothing, and for clicks that all lie outside the scan.
        """
        import torch

        started = time.perf_counter()
        model, pointed = self._segmenter(), self._pointed(frame, prompt)
        with self._alone(), torch.inference_mode():
            features = self._features(frame)
            if self._config.follows_clicks:
                out = model.answer(self._begun(frame, features, prompt), maps_for(pointed, features))
            else:
                out = model.decode(features, self._conditions.of(prompt, model, image=self._image))
            (like,) = self._watch.judge([frame], features)
            found = self._answers.proposals(frame, prompt, out, pointed, trust=like.trust)
        if self._config.follows_clicks:
            self._past.keep(frame, found[0], out, seen=scan_box(frame), threshold=self._answers.threshold)
        seconds = (time.perf_counter() - started) / len(found)
        return tuple(like.told(proposal, seconds=seconds) for proposal in found)

    def propose_many(self, frames: Sequence[Frame], prompt: Prompt) -> tuple[tuple[Proposal, ...], ...]:
        """Answer a prompt about several frames, as `propose` does but for rounding.

        They are encoded and decoded at once, which is quicker, and none is remembered; one by one where a place is
        pointed at. Raises ModelError where one of them would.
        """
        if prompt.kinds & SPATIAL:
            return tuple(self.propose(frame, prompt) for frame in frames)
        import torch

        started = time.perf_counter()
        model = self._segmenter()
        with torch.inference_mode():
            features = model.encode(torch.cat([self._image(frame) for frame in frames]))
            out = model.decode(features, self._conditions.of(prompt, model, image=self._image))
        likes = self._watch.judge(frames, features)
        found = []
        for frame, like in zip(frames, likes, strict=True):
            own, out = out.split(1)
            found.append(self._answers.proposals(frame, prompt, own, trust=like.trust))
        seconds = (time.perf_counter() - started) / sum(map(len, found))
        return tuple(
            tuple(like.told(each, seconds=seconds) for each in those) for like, those in zip(likes, found, strict=True)
        )

    def embed(self, frame: Frame) -> Floats:
        """Return the frame's embedding (D,), of length 1."""
        (embedding,) = _unit(self._features(frame).embedding)
        return np.asarray(embedding)

    def embed_texts(self, texts: Sequence[str]) -> Floats:
        """Return the embeddings (N, D) of N texts, each of length 1. Raises ModelError for no text at all."""
        import torch

        if not texts:
            raise ModelError("There is no text to embed; give at least one.")
        chunks = [list(texts[start : start + _TEXTS_AT_ONCE]) for start in range(0, len(texts), _TEXTS_AT_ONCE)]
        with torch.inference_mode():
            return _unit(torch.cat([self._model.embed_texts(chunk) for chunk in chunks]))

    def count_tokens(self, texts: Sequence[str]) -> tuple[TokenCount, ...]:
        """Return for each text how much of it the text tower reads."""
        return tuple(self._model.encoder.tokenizer.count(text) for text in texts)

    def classify(self, frame: Frame) -> tuple[tuple[str, float], ...]:
        """Return each class's name and probability (they add up to 1). Raises ModelError for another task's model."""
        import torch

        from usassist.core.models.classifier import Classifier

        if not isinstance(self._model, Classifier):
            raise ModelError(
                f"The model {self._config.name} names no classes (its task is {self._config.task!r}); choose one that "
                f"was trained with usassist-train classify."
            )
        with torch.inference_mode():
            logits = self._model.head(self._features(frame))[0].float().cpu().tolist()
        probabilities = self._config.calibration.class_probabilities(logits)
        return tuple(zip(self._config.classes, probabilities, strict=True))

    def close(self) -> None:
        self._frames.clear()
        self._conditions.clear()
        self._questions.clear()
        self._past.clear()

    def _segmenter(self) -> "Segmenter":
        from usassist.core.models.segmenter import Segmenter

        if not isinstance(self._model, Segmenter):
            raise ModelError(
                f"The model {self._config.name} draws no masks (its task is {self._config.task!r}); choose one that "
                f"was trained with usassist-train segment."
            )
        return self._model

    def _features(self, frame: Frame) -> "ImageFeatures":
        import torch

        def encode() -> "ImageFeatures":
            with self._alone(), torch.inference_mode():
                return self._model.encode(self._image(frame))

        return self._frames.get(frame.token, encode)

    def _begun(self, frame: Frame, features: "ImageFeatures", prompt: Prompt) -> "Begun":
        """Return a question as far as no click changes it; the next click on the frame goes on from there."""
        model = self._segmenter()
        key = (frame.token, (prompt.text or "").strip(), tuple(support_token(*case) for case in prompt.support))
        return self._questions.get(
            key, lambda: model.begin(features, self._conditions.of(prompt, model, image=self._image))
        )

    def _image(self, frame: Frame) -> "Tensor":
        """Return a frame as the model's input (1, 3, size, size): the one way for every question."""
        from usassist.core.models.preprocess import as_seen, to_tensor

        preprocess = self._config.preprocess
        image = to_tensor([as_seen(scan_grey(frame), preprocess)], preprocess)
        return image.to(self._model.encoder.device)

    def _pointed(self, frame: Frame, prompt: Prompt) -> "SpatialPrompt | None":
        if not self._config.follows_clicks:
            refuse_pointing(prompt, model=self._config.name)
            return None
        behind = self._past.behind(frame, prompt.mask)
        return spatial_prompt(prompt, shape=frame.shape, seen=scan_box(frame), behind=behind)


def _unit(embeddings: "Tensor") -> Floats:
    from torch.nn import functional as F

    return np.asarray(F.normalize(embeddings.float(), dim=-1).cpu().numpy(), dtype=np.float32)


def _build(options: BuildOptions) -> Proposer:
    limit_threads()  # before torch is imported, so that its idle threads sleep beside other busy programs
    keep_freed_memory()
    from usassist.core.models.weights import load_model

    model, info = load_model(options.model, device=options.device, precision=options.precision)
    known = load_familiarity(info.folder, weights_hash=info.weights_hash, tap_channels=model.encoder.tap_channels)
    return ClipMonaProposer(
        model, model.config, weights_hash=info.weights_hash, threshold=options.threshold, familiarity=known
    )


SPEC = ProposerSpec(
    name="clip_mona",
    title="CLIP-Mona",
    prompts=frozenset({"text", "support", *SPATIAL}),
    requires=("weights",),
    build=_build,
    embeds=True,
)
