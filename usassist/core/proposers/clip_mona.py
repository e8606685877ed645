"""The CLIP-Mona engine: a trained segmenter that needs no prompt and follows a text."""

import time
from collections import OrderedDict
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from usassist.core.domain import Box, Frame, Mask, Prompt, Proposal
from usassist.core.geometry.cv import cv2
from usassist.core.io.display import to_grey8
from usassist.core.models.config import ModelConfig
from usassist.core.models.threads import limit_threads
from usassist.core.proposers.proposer import BuildOptions, Proposer, ProposerSpec, frame_token

if TYPE_CHECKING:
    from torch import Tensor

    from usassist.core.models.clip import ImageFeatures
    from usassist.core.models.decoder import Segmentation
    from usassist.core.models.segmenter import Segmenter

_FRAMES_REMEMBERED = 8
_TEXTS_REMEMBERED = 64
_STEEPEST = 80.0  # float32's exp overflows at 88, and beyond 80 a probability is 0 or 1 anyway


class ClipMonaProposer:
    """Encodes a frame once (`warm`) and answers prompts with the decoder alone.

    Where the frame has regions of tissue the largest is cropped out, encoded and answered for; elsewhere the whole
    frame. Remembers the features of the last 8 frames: 2 MB each for the shipped model.
    Complexity: constant in the frame's size but for the resize and the thresholding.
    """

    def __init__(
        self, model: "Segmenter", config: ModelConfig, *, weights_hash: str, threshold: float | None = None
    ) -> None:
        self._model = model
        self._calibration = config.calibration
        self._size = config.preprocess.size
        self._config = config
        self._hash = weights_hash
        self._threshold = config.calibration.threshold if threshold is None else threshold
        self._frames: OrderedDict[bytes, ImageFeatures] = OrderedDict()
        self._texts: dict[str, Tensor] = {}

    @property
    def spec(self) -> ProposerSpec:
        return SPEC

    @property
    def weights_hash(self) -> str:
        return self._hash

    def warm(self, frame: Frame) -> None:
        self._features(frame)

    def propose(self, frame: Frame, prompt: Prompt) -> tuple[Proposal, ...]:
        import torch

        started = time.perf_counter()
        with torch.inference_mode():
            features = self._features(frame)
            out = self._model.decode(features, self._text(prompt.text))
            box = scan_box(frame)
            probability = self._probability(out, box)
            presence, quality = self._confidence(out)
        found = np.zeros(frame.shape, dtype=np.bool_)
        if presence >= self._calibration.presence_threshold:
            found[box.slices] = probability > self._threshold
        full = np.zeros(frame.shape, dtype=np.float32)
        full[box.slices] = probability
        proposal = Proposal(
            frame_key=frame.ref.key,
            label_id=prompt.label_id,
            mask=Mask.from_array(found),
            presence=presence,
            quality=quality,
            engine=SPEC.name,
            weights_hash=self._hash,
            prompt=prompt,
            seconds=time.perf_counter() - started,
            probability=full,
        )
        return (proposal,)

    def close(self) -> None:
        self._frames.clear()
        self._texts.clear()

    def _features(self, frame: Frame) -> "ImageFeatures":
        import torch

        from usassist.core.models.preprocess import resize_grey, to_tensor

        token = frame_token(frame)
        if token in self._frames:
            self._frames.move_to_end(token)
            return self._frames[token]
        grey = to_grey8(frame)[scan_box(frame).slices]
        with torch.inference_mode():
            image = to_tensor([resize_grey(np.ascontiguousarray(grey), self._size)], self._config.preprocess)
            features = self._model.encode(image.to(self._model.encoder.device))
        self._frames[token] = features
        while len(self._frames) > _FRAMES_REMEMBERED:
            self._frames.popitem(last=False)
        return features

    def _text(self, text: str | None) -> "Tensor | None":
        asked = (text or "").strip()
        if not asked:
            return None
        if asked not in self._texts:
            if len(self._texts) >= _TEXTS_REMEMBERED:
                self._texts.pop(next(iter(self._texts)))
            self._texts[asked] = self._model.embed_texts([asked])
        return self._texts[asked]

    def _probability(self, out: "Segmentation", box: Box) -> npt.NDArray[np.float32]:
        logits = out.logits[0, 0].float().cpu().numpy()
        # Logits, not probabilities, are interpolated: the contour then lies where the model is undecided.
        logits = cv2.resize(logits, (box.width, box.height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(1 / (1 + np.exp(-np.clip(logits, -_STEEPEST, _STEEPEST))), dtype=np.float32)

    def _confidence(self, out: "Segmentation") -> tuple[float, float]:
        presence = self._calibration.presence(float(out.presence[0]), peak=float(out.peak[0]))
        return presence, self._calibration.quality(float(out.quality[0]))


def scan_box(frame: Frame) -> Box:
    """Return the box an engine looks at: the largest region of tissue (B-mode, colour, detected), else all of it."""
    whole = Box(0, 0, *frame.shape)
    boxes = [
        region.box.intersection(whole)
        for region in frame.regions
        if region.kind in ("b_mode", "sector", "colour_doppler")
    ]
    usable = [box for box in boxes if not box.is_empty]
    return max(usable, key=lambda box: box.height * box.width) if usable else whole


def _build(options: BuildOptions) -> Proposer:
    limit_threads()  # before torch is imported, so that its idle threads sleep beside other busy programs
    from usassist.core.models.weights import load_model

    model, info = load_model(options.model, device=options.device)
    return ClipMonaProposer(model, model.config, weights_hash=info.weights_hash, threshold=options.threshold)


SPEC = ProposerSpec(
    name="clip_mona",
    title="CLIP-Mona",
    prompts=frozenset({"text"}),
    requires=("weights",),
    build=_build,
)
