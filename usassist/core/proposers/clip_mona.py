"""The CLIP-Mona engine: a trained model that needs no prompt, and follows texts and support images."""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from usassist.core.domain import Box, Frame, Mask, Prompt, Proposal
from usassist.core.errors import ModelError
from usassist.core.geometry.cv import cv2
from usassist.core.io.scan import scan_box, scan_grey
from usassist.core.models.config import ModelConfig, Precision, Task
from usassist.core.models.threads import limit_threads
from usassist.core.models.token_count import TokenCount
from usassist.core.proposers.proposer import BuildOptions, Proposer, ProposerSpec, frame_token

if TYPE_CHECKING:
    from torch import Tensor

    from usassist.core.models.build import Model
    from usassist.core.models.clip import ImageFeatures
    from usassist.core.models.mask_head import Segmentation
    from usassist.core.models.segmenter import Segmenter

Floats = npt.NDArray[np.float32]

_FRAMES_REMEMBERED = 8
_PROMPTS_REMEMBERED = 64
_TEXTS_AT_ONCE = 64
_STEEPEST = 80.0  # float32's exp overflows at 88, and beyond 80 a probability is 0 or 1 anyway

_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


class ClipMonaProposer:
    """Encodes a frame once (`warm`) and answers everything about it from its features.

    Where the frame has regions of tissue the largest is cropped out, encoded and answered for; elsewhere the whole
    frame. Remembers the features of the last 8 frames: 2 MB each for the shipped model.
    Complexity: constant in the frame's size but for the resize and the thresholding.
    """

    def __init__(
        self, model: "Model", config: ModelConfig, *, weights_hash: str, threshold: float | None = None
    ) -> None:
        self._model = model
        self._calibration = config.calibration
        self._config = config
        self._hash = weights_hash
        self._threshold = config.calibration.threshold if threshold is None else threshold
        self._frames: OrderedDict[bytes, ImageFeatures] = OrderedDict()
        self._texts: OrderedDict[str, Tensor] = OrderedDict()
        self._supports: OrderedDict[bytes, Tensor] = OrderedDict()

    @property
    def spec(self) -> ProposerSpec:
        return SPEC

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
    def logit_scale(self) -> float:
        """Return the model's learned factor on cosines before a softmax."""
        return float(self._model.logit_scale)

    def warm(self, frame: Frame) -> None:
        self._features(frame)

    def propose(self, frame: Frame, prompt: Prompt) -> tuple[Proposal, ...]:
        """Answer with one proposal for the prompt's label, or one a class for a model of several.

        There each proposal's label is the class's name, and a text that is a class's name asks for that class alone.
        Support images ask for what their masks show; with a text as well, for the mean of both. Raises ModelError for
        a model without masks, and for support images where the model takes none or a mask shows nothing.
        """
        import torch

        from usassist.core.models.mask_head import uncontested

        started = time.perf_counter()
        model = self._segmenter()
        with torch.inference_mode():
            out = model.decode(self._features(frame), self._asked(model, prompt))
            box = scan_box(frame)
            maps = self._probabilities(out, box)
        decided = uncontested(torch.from_numpy(maps)).numpy()
        wanted = self._wanted_objects(prompt, len(maps))
        proposals = []
        for index in wanted:
            presence, quality = self._confidence(out, index)
            found, full = np.zeros(frame.shape, dtype=np.bool_), np.zeros(frame.shape, dtype=np.float32)
            full[box.slices] = maps[index]
            if presence >= self._calibration.presence_threshold:
                found[box.slices] = decided[index] > self._threshold
            proposals.append(
                Proposal(
                    frame_key=frame.ref.key,
                    label_id=prompt.label_id if len(maps) == 1 else self._config.classes[index],
                    mask=Mask.from_array(found),
                    presence=presence,
                    quality=quality,
                    engine=SPEC.name,
                    weights_hash=self._hash,
                    prompt=prompt,
                    seconds=(time.perf_counter() - started) / len(wanted),
                    probability=full,
                )
            )
        return tuple(proposals)

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
        probabilities = self._calibration.class_probabilities(logits)
        return tuple(zip(self._config.classes, probabilities, strict=True))

    def close(self) -> None:
        self._frames.clear()
        self._texts.clear()
        self._supports.clear()

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
            with torch.inference_mode():
                return self._model.encode(self._image(frame))

        return _remembered(self._frames, frame_token(frame), encode, most=_FRAMES_REMEMBERED)

    def _image(self, frame: Frame) -> "Tensor":
        """Return a frame as the model's input (1, 3, size, size): the one way for every question."""
        from usassist.core.models.preprocess import resize_grey, to_tensor

        preprocess = self._config.preprocess
        image = to_tensor([resize_grey(scan_grey(frame), preprocess.size)], preprocess)
        return image.to(self._model.encoder.device)

    def _asked(self, model: "Segmenter", prompt: Prompt) -> "Tensor | None":
        """Return the condition (1, D) that a prompt means, None for no condition."""
        import torch

        text = (prompt.text or "").strip()
        asked = []
        if text and self._config.follows_text:
            asked.append(_remembered(self._texts, text, lambda: model.embed_texts([text]), most=_PROMPTS_REMEMBERED))
        if prompt.support:
            asked.append(self._support(model, prompt.support))
        return torch.stack(asked).mean(0) if len(asked) > 1 else next(iter(asked), None)

    def _support(self, model: "Segmenter", cases: tuple[tuple[Frame, Mask], ...]) -> "Tensor":
        import torch

        if not self._config.follows_text:
            raise ModelError(
                f"The model {self._config.name} takes no support images: it was trained for what it looks for. Choose "
                f"a model of one object with the head film_skip or clipseg."
            )
        return torch.cat([self._support_case(model, frame, mask) for frame, mask in cases]).mean(0, keepdim=True)

    def _support_case(self, model: "Segmenter", frame: Frame, mask: Mask) -> "Tensor":
        def embed() -> "Tensor":
            return model.embed_support(self._image(frame), self._support_mask(frame, mask))

        return _remembered(self._supports, _support_token(frame, mask), embed, most=_PROMPTS_REMEMBERED)

    def _support_mask(self, frame: Frame, mask: Mask) -> "Tensor":
        import torch

        if mask.shape != frame.shape:
            raise ModelError(f"A support mask of {mask.shape} does not fit its image of {frame.shape}; choose another.")
        inside = mask.to_array()[scan_box(frame).slices]
        if not inside.any():
            raise ModelError("The mask of a support image shows nothing inside its scan; choose another image.")
        size = self._config.preprocess.size
        share = cv2.resize(inside.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)
        # Half a pixel's share is the outline; an object thinner than that is wherever there is anything of it.
        wanted = share >= min(0.5, float(share.max()))
        return torch.from_numpy(wanted.astype(np.float32))[None, None].to(self._model.encoder.device)

    def _class_named(self, text: str) -> int | None:
        """Return the index of the class of that name, None where there is none or the model has one object."""
        names = [name.casefold() for name in self._config.classes]
        return names.index(text.casefold()) if len(names) > 1 and text.casefold() in names else None

    def _wanted_objects(self, prompt: Prompt, count: int) -> Sequence[int]:
        named = self._class_named((prompt.text or "").strip())
        return range(count) if named is None else [named]

    def _probabilities(self, out: "Segmentation", box: Box) -> Floats:
        """Return the probability (K, rows, columns) of each object in the box."""
        size = (box.width, box.height)
        logits = out.logits if out.logits.shape[1] > 2 else out.object_logits()
        # Logits, not probabilities, are interpolated: the contour then lies where the model is undecided.
        maps = [cv2.resize(part, size, interpolation=cv2.INTER_LINEAR) for part in logits[0].float().cpu().numpy()]
        if len(maps) == 1:
            return np.asarray(1 / (1 + np.exp(-np.clip(maps, -_STEEPEST, _STEEPEST))), dtype=np.float32)
        stack = np.stack(maps)
        weights = np.exp(stack - stack.max(0))
        return np.asarray(weights[1:] / weights.sum(0), dtype=np.float32)

    def _confidence(self, out: "Segmentation", index: int) -> tuple[float, float]:
        presence, peak, quality = (float(v.reshape(-1)[index]) for v in (out.presence, out.peak, out.quality))
        return self._calibration.presence(presence, peak=peak), self._calibration.quality(quality)


def _remembered(memory: OrderedDict[_Key, _Value], key: _Key, make: Callable[[], _Value], *, most: int) -> _Value:
    """Return what is remembered under a key, made now where it is not; the longest unused is forgotten."""
    if key not in memory:
        memory[key] = make()
        while len(memory) > most:
            memory.popitem(last=False)
    memory.move_to_end(key)
    return memory[key]


def _support_token(frame: Frame, mask: Mask) -> bytes:
    digest = hashlib.blake2b(frame_token(frame), digest_size=16)
    digest.update(repr((mask.shape, mask.origin, mask.crop.shape)).encode())
    digest.update(mask.crop.tobytes())
    return digest.digest()


def _unit(embeddings: "Tensor") -> Floats:
    from torch.nn import functional as F

    return np.asarray(F.normalize(embeddings.float(), dim=-1).cpu().numpy(), dtype=np.float32)


def _build(options: BuildOptions) -> Proposer:
    limit_threads()  # before torch is imported, so that its idle threads sleep beside other busy programs
    from usassist.core.models.weights import load_model

    model, info = load_model(options.model, device=options.device, precision=options.precision)
    return ClipMonaProposer(model, model.config, weights_hash=info.weights_hash, threshold=options.threshold)


SPEC = ProposerSpec(
    name="clip_mona",
    title="CLIP-Mona",
    prompts=frozenset({"text", "support"}),
    requires=("weights",),
    build=_build,
    embeds=True,
)
