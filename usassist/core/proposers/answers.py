"""From a model's raw outputs about one frame to proposals in the frame's own pixels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from usassist.core.domain import Box, Frame, Mask, Prompt, Proposal
from usassist.core.geometry.cv import cv2
from usassist.core.io.scan import scan_box
from usassist.core.models.config import ModelConfig
from usassist.core.proposers.obey import obeyed
from usassist.core.proposers.spatial import is_there, may_be_emptied
from usassist.core.proposers.unlearned import text_warning

if TYPE_CHECKING:
    from usassist.core.models.mask_head import Segmentation
    from usassist.core.models.prompt_maps import SpatialPrompt

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Answers:
    """How one model's outputs are read: its calibration and classes, and the threshold on probability."""

    config: ModelConfig
    threshold: float
    engine: str
    weights_hash: str

    def proposals(
        self,
        frame: Frame,
        prompt: Prompt,
        out: "Segmentation",
        pointed: "SpatialPrompt | None" = None,
        *,
        trust: float = 1.0,
    ) -> list[Proposal]:
        """Return what the outputs for one frame (a batch of 1) say: one proposal an object that is asked for.

        Where who `pointed` said that it is there, presence is 1; a low presence empties no mask that was pointed at or
        is corrected. Clicked pixels have their click's sign in the mask (`obeyed`), which may empty it; presence,
        quality and `probability` stay the model's own. `trust` is how much its word on presence counts, as in
        `Likeness.trust`. `seconds` is left to who knows when it began.
        """
        import torch

        from usassist.core.models.mask_head import uncontested

        box = scan_box(frame)
        maps = probabilities(out, box)
        decided = uncontested(torch.from_numpy(maps)).numpy()
        proposals = []
        for index in self._wanted(prompt, len(maps)):
            presence, quality = self._confidence(out, index, trust)
            presence = 1.0 if is_there(pointed) else presence
            found = np.zeros(frame.shape, dtype=np.bool_)
            if presence >= self.config.calibration.presence_threshold or not may_be_emptied(pointed):
                found[box.slices] = decided[index] > self.threshold
            likely = _in_frame(maps[index], box, frame.shape)
            mask = obeyed(Mask.from_array(found), prompt, seen=box, likely=likely)
            label_id = prompt.label_id if len(maps) == 1 else self.config.classes[index]
            proposals.append(
                self._proposal(frame, prompt, mask, label_id=label_id, judged=(presence, quality), likely=likely)
            )
        return proposals

    def _proposal(
        self, frame: Frame, prompt: Prompt, mask: Mask, *, label_id: str, judged: tuple[float, float], likely: Floats
    ) -> Proposal:
        """Return one object's proposal; `judged` are its presence and its quality."""
        warning = text_warning(self.config, prompt)
        return Proposal(
            frame_key=frame.ref.key,
            label_id=label_id,
            mask=mask,
            presence=judged[0],
            quality=judged[1],
            engine=self.engine,
            weights_hash=self.weights_hash,
            prompt=prompt,
            seconds=0.0,
            probability=likely,
            warning=warning,
            text_warning=warning,
        )

    def _wanted(self, prompt: Prompt, count: int) -> Sequence[int]:
        """Return the objects that are asked for: all, or the one whose name the text is."""
        text = (prompt.text or "").strip().casefold()
        names = [name.casefold() for name in self.config.classes]
        return [names.index(text)] if len(names) > 1 and text in names else range(count)

    def _confidence(self, out: "Segmentation", index: int, trust: float) -> tuple[float, float]:
        presence, peak, quality = (float(v.reshape(-1)[index]) for v in (out.presence, out.peak, out.quality))
        calibration = self.config.calibration
        return calibration.presence(presence, peak=peak, trust=trust), calibration.quality(quality)


def probabilities(out: "Segmentation", box: Box) -> Floats:
    """Return the probability (K, rows, columns) of each object in the box, from the outputs for one image."""
    import torch

    logits = (out.logits if out.logits.shape[1] > 2 else out.object_logits())[0].float().cpu().numpy()
    maps = np.empty((len(logits), box.height, box.width), dtype=np.float32)
    # Logits, not probabilities, are interpolated: the contour then lies where the model is undecided.
    for part, into in zip(logits, maps, strict=True):
        cv2.resize(part, (box.width, box.height), dst=into, interpolation=cv2.INTER_LINEAR)
    stack = torch.from_numpy(maps)
    found: Floats = (stack.sigmoid_() if len(maps) == 1 else stack.softmax(0)[1:]).numpy()
    return found


def _in_frame(values: Floats, box: Box, shape: tuple[int, int]) -> Floats:
    """Return values of the box in a map of the whole frame, 0 outside."""
    if values.shape == shape:
        return values
    full = np.zeros(shape, dtype=np.float32)
    full[box.slices] = values
    return full
