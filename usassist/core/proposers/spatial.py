"""What a person points at, from pixels of the frame to what a model's decoder reads."""

import hashlib
from collections import OrderedDict
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from usassist.core.domain import Box, Frame, Mask, Prompt, PromptKind, Proposal
from usassist.core.errors import ModelError
from usassist.core.geometry.raster import pixels_in

if TYPE_CHECKING:
    from torch import Tensor

    from usassist.core.models.clip import ImageFeatures
    from usassist.core.models.mask_head import Segmentation
    from usassist.core.models.prompt_maps import SpatialPrompt

Floats = npt.NDArray[np.float32]

_MASKS_REMEMBERED = 64
_UNDECIDED = 0.1
"""How far from the threshold a probability may lie and still be of the mask's outline, where rounding decides."""
SPATIAL: frozenset[PromptKind] = frozenset({"points", "box", "mask"})
"""The kinds of prompt that point at a place."""


class PastAnswers:
    """The probabilities behind the last masks that a model answered with, 64 KB each for the shipped model.

    A mask that comes back to be corrected says more with them: how sure the model was of each of its parts.
    """

    def __init__(self) -> None:
        self._behind: OrderedDict[bytes, Floats] = OrderedDict()

    def keep(self, frame: Frame, proposal: Proposal, out: "Segmentation", *, seen: Box, threshold: float) -> None:
        """Remember what is behind a proposal, at the size of the outputs; nothing of a model of several objects.

        Frames are told apart by what they show too: projects may share keys.
        The model's mask is what is likelier than `threshold` (0 to 1) in `seen`.
        What the person clicked away, or what came with a click, is certain in it: else the model draws it again.
        """
        if not proposal.mask.is_empty and out.logits.shape[1] <= 2:
            behind = out.probability()[0, 0].cpu().numpy()
            if proposal.prompt.points:
                behind = _as_clicked(behind, proposal.mask, seen, threshold)
            self._behind[_token(frame, proposal.mask)] = behind
            while len(self._behind) > _MASKS_REMEMBERED:
                self._behind.popitem(last=False)

    def behind(self, frame: Frame, mask: Mask | None) -> Floats | None:
        """Return the probabilities behind a mask in the part of the frame that the model looks at, None if unknown."""
        return None if mask is None or mask.is_empty else self._behind.get(_token(frame, mask))

    def clear(self) -> None:
        """Forget every mask."""
        self._behind.clear()


def spatial_prompt(
    prompt: Prompt, *, shape: tuple[int, int], seen: Box, behind: Floats | None = None
) -> "SpatialPrompt | None":
    """Return clicks, box and previous mask as shares of `seen`, the part of a frame of `shape` that a model looks at.

    `behind` are the probabilities in `seen` that the previous mask came from, where they are known. Clicks beside that
    part say nothing about it and are left out, a box is cut to it, a mask without a pixel in it is none. None where
    nothing is pointed at. Raises ModelError where everything is beside it: an answer about another place than the one
    that was pointed at would be worse than none; and for a mask of another size than the frame's.
    """
    from usassist.core.models.prompt_maps import SpatialPrompt

    if not prompt.kinds & SPATIAL:
        return None
    inside = [point for point in prompt.points if _is_in(seen, point.x, point.y)]
    clicks = [((point.x + 0.5 - seen.left) / seen.width, (point.y + 0.5 - seen.top) / seen.height) for point in inside]
    box = _box_in(prompt.box, seen) if prompt.box is not None else None
    if (prompt.points or prompt.box is not None) and not clicks and box is None:
        raise ModelError(
            f"The clicks lie outside the part of the picture that the model looks at (columns {seen.left} to "
            f"{seen.right - 1}, rows {seen.top} to {seen.bottom - 1}); click inside it, or draw by hand."
        )
    positive = tuple(at for at, point in zip(clicks, inside, strict=True) if point.positive)
    negative = tuple(at for at, point in zip(clicks, inside, strict=True) if not point.positive)
    previous = _previous(prompt.mask, shape, seen) if behind is None else behind
    found = SpatialPrompt(positive, negative, box, previous)
    return None if found.is_empty else found


def maps_for(pointed: "SpatialPrompt | None", features: "ImageFeatures") -> "Tensor | None":
    """Return what is pointed at as maps (1, PROMPT_CHANNELS, side, side) for a decoder of these features."""
    from usassist.core.models.prompt_maps import prompt_maps

    if pointed is None:
        return None
    shallowest = features.taps[0]
    return prompt_maps([pointed], side=shallowest.shape[-1]).to(shallowest.device)


def refuse_pointing(prompt: Prompt, *, model: str) -> None:
    """Raise ModelError for clicks or a box that a model would ignore: its answer would be to another question."""
    if prompt.points or prompt.box is not None:
        raise ModelError(f"The model {model} follows no clicks and no box; choose another model, or ask in words.")


def is_there(pointed: "SpatialPrompt | None") -> bool:
    """Return whether the person says that the object is in the image.

    What does not belong to it says nothing alone, nor with a previous mask: all of that may have been wrong.
    """
    if pointed is None:
        return False
    corrects = pointed.previous is not None and not pointed.negative
    return bool(pointed.positive) or pointed.box is not None or corrects


def may_be_emptied(pointed: "SpatialPrompt | None") -> bool:
    """Return whether a low presence empties the mask: not where one is corrected, which a click may only trim."""
    return pointed is None or not (is_there(pointed) or pointed.previous is not None)


def _is_in(seen: Box, x: float, y: float) -> bool:
    return seen.left - 0.5 <= x < seen.right - 0.5 and seen.top - 0.5 <= y < seen.bottom - 0.5


def _box_in(box: Box, seen: Box) -> tuple[float, float, float, float] | None:
    inner = box.intersection(seen)
    if inner.is_empty:
        return None
    left, right = (inner.left - seen.left) / seen.width, (inner.right - seen.left) / seen.width
    top, bottom = (inner.top - seen.top) / seen.height, (inner.bottom - seen.top) / seen.height
    return left, top, right, bottom


def _previous(mask: Mask | None, shape: tuple[int, int], seen: Box) -> Floats | None:
    if mask is None:
        return None
    if mask.shape != shape:
        raise ModelError(f"The mask to correct is of {mask.shape}, the frame of {shape}; choose a mask of this frame.")
    inside = mask.to_array()[seen.slices]
    return inside.astype(np.float32) if inside.any() else None


def _as_clicked(behind: Floats, mask: Mask, seen: Box, threshold: float) -> Floats:
    """Return probabilities in `seen` with certainty where the mask in their middle clearly contradicts them."""
    rows, cols = (
        ((np.arange(count) + 0.5) * pixels / count).astype(np.intp)
        for count, pixels in zip(behind.shape, (seen.height, seen.width), strict=True)
    )
    inside = pixels_in(mask, seen)[np.ix_(rows, cols)]
    low, high = max(0.0, threshold - _UNDECIDED), min(1.0, threshold + _UNDECIDED)
    found = np.where(~inside & (behind > high), np.float32(0), behind)
    return np.where(inside & (behind < low), np.float32(1), found)


def _token(frame: Frame, mask: Mask) -> bytes:
    tight = mask.tight()
    digest = hashlib.blake2b(repr((frame.token, tight.shape, tight.origin, tight.crop.shape)).encode(), digest_size=16)
    digest.update(tight.crop.tobytes())
    return digest.digest()
